"""A hook as an HTTP request: where it goes, its headers, its body and its signature."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache

import httpx

from actors.hooks.call_log import HookCall, Progress
from protocol.common.json_text import to_json
from protocol.hooks import signature
from protocol.hooks.trace_context import traceparent
from protocol.hooks.webhook_signature import webhook_headers

Headers = tuple[tuple[bytes, bytes], ...]


class Unwritable(Exception):
    """The body of a hook cannot be written as JSON."""


class HookRequests:
    """Builds the requests of hooks. With `key` they are signed as by WCS, instead of authenticated.

    Beside that, those of an application with a secret are signed after Standard Webhooks, each attempt anew, with the
    time by `clock` (seconds since the epoch).

    Raises ValueError if they must be signed and this machine has no MD5.
    """

    def __init__(self, key: bytes | None, *, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._clock = clock
        if key is not None:
            signature(key, b"")

    def target(self, call: HookCall) -> tuple[httpx.URL, Headers]:
        """Where `call` goes, and the headers that are the same each time."""
        url = call.app.method_url(call.method)
        if self._key is None:
            return _target(url, call.app.rest_username, call.app.rest_password)
        return _target(url, None, None)

    def build(self, call: HookCall, progress: Progress, url: httpx.URL, headers: Headers) -> httpx.Request:
        """The request of the next attempt at `call`, for its `target`. Raises Unwritable."""
        content = written(call)
        own = [
            (b"X-WCS-Hook-Id", progress.hook_id.encode()),
            (b"X-WCS-Attempt", b"%d" % progress.attempt),
            (b"traceparent", traceparent(progress.hook_id, progress.attempt)),
            (b"Content-Length", b"%d" % len(content)),
        ]
        if self._key is not None:
            own.append((b"Authorization", signature(self._key, content)))
        if call.event_time is not None:
            own.append((b"X-WCS-Event-Time", iso_time(call.event_time).encode()))
        now = self._clock()
        own += webhook_headers(
            call.app.signing_keys(now), hook_id=progress.hook_id, timestamp=int(now), content=content
        )
        # With `content` instead, httpx would compute the headers anew each time.
        return httpx.Request("POST", url, headers=[*headers, *own], stream=httpx.ByteStream(content))


def iso_time(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601, in UTC, with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def written(call: HookCall) -> bytes:
    """The body of a call. Raises Unwritable."""
    if call.content is not None:
        return call.content
    try:
        return to_json(call.body).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise Unwritable(f"the body cannot be written as JSON: {type(error).__name__}") from error


@lru_cache(maxsize=1024)
def _target(url: str, username: str | None, password: str | None) -> tuple[httpx.URL, Headers]:
    """Where a hook goes, and the headers that are the same each time."""
    request = httpx.Request("POST", url)
    request.headers["Accept"] = "application/json"
    request.headers["Content-Type"] = "application/json;charset=UTF-8"
    request.headers["Accept-Encoding"] = "identity"
    request.headers["User-Agent"] = "wcsd"
    if username is not None:
        request = next(httpx.BasicAuth(username, password or "").auth_flow(request))
    del request.headers["Content-Length"]
    return request.url, tuple(request.headers.raw)
