"""The `traceparent` of a hook (W3C Trace Context), so that a backend's traces and this server's log lines join up.

    traceparent: 00-<trace id, 32 hex digits>-<span id, 16>-01

The trace is the hook's, the same over its retries, and the span is the attempt. Both are derived from the hook's id, so
the log needs no other id: the trace id is the beginning of the SHA-256 of `X-WCS-Hook-Id`.

The flag says "sampled", although this server records no spans: without it, the usual setting of tracing libraries
(`parentbased`) would record nothing in the backend either. Source: https://www.w3.org/TR/trace-context/, section 3.2.
"""

from hashlib import sha256


def traceparent(hook_id: str, attempt: int) -> bytes:
    """The header of one attempt at a hook."""
    trace = sha256(hook_id.encode()).hexdigest()[:32]
    span = sha256(f"{hook_id}/{attempt}".encode()).hexdigest()[:16]
    return f"00-{trace}-{span}-01".encode()
