"""Sends hooks over HTTP; `protocol.hooks` defines what they mean.

    session, stream -> HookLane      -> HookQueue -> HookSender -> HookTransport -> the backend
    keep-alive      -> KeepAliveSlot ---------------^

`dispatcher` is the actor that runs everything and shuts it down in order. A session and its streams share a `lane`, and
each stream has a `keep_alive_slot`; `client_deliveries` holds back events that the backend may overwrite. `queue` keeps
calls in order, `queue_starter` decides when queues start to run, and `backlog` drops hooks when too many pile up, by
their `queued_weight`. `sender` makes one call: `hook_request` builds it, `retries` says when to try again, `call_log`
and `masking` write its log line; `echo` recognizes the backend that needs no call. `transport` is the HTTP client
underneath: `connection`, `resolver` and `tls`, `connection_slots` and `fair_queue` for whose turn it is, `start_pacer`
for when calls to one host start.
"""
