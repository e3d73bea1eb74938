"""Several nodes that are one server to its clients: an index in Redis, and messages between nodes through it.

    cluster      all parts put together
    membership   this node as a member: it joins, beats, hears who else is there, and leaves
    hearing      what other nodes say is heard
    names        who publishes under which name on any node; `directory` asks for one
    singles      what else there is one of in the cluster, claimed as names are
    balancing    to which node a page is sent
    registry/    what is asked of Redis, and the one connection to it
    requests/    requests to other nodes, their replies, and what is done for another node
    owned/       what the node alone does that has a stream, a call, a capture ..., whichever one is asked
    shared/      what all nodes have one of: tables, bans, logins, events
    rooms/       rooms whose members are on several nodes

Nodes keep the truth: Redis may be lost and is filled again. Media never waits for it.
"""
