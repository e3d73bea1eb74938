"""Sending hooks: what `protocol.hooks` means, done over HTTP.

    session, stream -> HookLane      -> HookQueue -> HookSender -> HookTransport -> the backend
    keep-alive      -> KeepAliveSlot ---------------^

`dispatcher` is the actor that runs all of it and ends it in order, `lane` what a session and its streams hold, `queue`
the order of calls and what is dropped when they pile up, `sender` one call with its retries, deadline and log line,
`turnstile` where calls to one host begin, `transport`, `connection`, `resolver` and `tls` the HTTP client beneath.
"""
