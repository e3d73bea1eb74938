"""The order of calls, and what is dropped when too many wait.

A session and its streams share a `lane`, and each stream has a `keep_alive_slot`; `client_deliveries` holds back events
that the backend may overwrite. `queue` keeps calls in order, `queue_starter` decides when queues start to run, and
`backlog` drops hooks when too many pile up, by their `queued_weight`.
"""
