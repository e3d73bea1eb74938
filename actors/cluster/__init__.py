"""Several nodes that are one server to its clients: an index in Redis, and messages between nodes through it.

    link       the one connection to Redis; `registry`: what is asked of it
    membership beats, the log, the boot value: `node`
    names      who publishes under which name on any node: `names`, `directory`
    asking     requests to all nodes, and their answers: `asking`, `answering`, `control`

Nodes keep the truth: Redis may be lost and is filled again. Media never waits for it.
"""
