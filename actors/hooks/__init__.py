"""Sends hooks over HTTP; `protocol.hooks` defines what they mean.

    session, stream -> HookLane      -> HookQueue -> HookSender -> HookTransport -> the backend
    keep-alive      -> KeepAliveSlot ---------------^

`dispatcher` is the actor that runs everything and shuts it down in order. A session and its streams share a lane, and
each stream has a slot for keep-alives (`lanes`). `sender` makes one call: `hook_request` builds it, `retries` says when
to try again, `breakers` whether its backend is left alone, `call_log` and `masking` write its log line; `echo`
recognizes the backend that needs no call. `connections` is the HTTP client underneath. What could not be delivered is
`kept` and sent later, if the application wants that.
"""
