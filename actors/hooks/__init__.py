"""Sending hooks: what `protocol.hooks` means, done over HTTP.

    session, stream -> HookLane      -> HookQueue -> HookSender -> HookTransport -> the backend
    keep-alive      -> KeepAliveSlot ---------------^

`dispatcher` is the actor that runs all of it and ends it in order. A session and its streams hold a `lane`, each stream
also a `keep_alive_slot`; `deliveries` holds back events that the backend may overwrite. `queue` is the order of
calls, `queue_starter` when queues begin to run, `backlog` what is dropped when they pile up, by its `load`. `sender`
makes one call: `hook_request` writes it, `retries` says when to try again, `call_log` and `masking` write its log line;
`echo` knows the backend that needs no call. `transport` is the HTTP client beneath: `connection`, `resolver` and `tls`,
`connection_slots` and `fair_queue` for whose turn it is, `start_pacer` for when calls to one host begin.
"""
