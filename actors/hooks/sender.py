"""One hook call: the request, its retries, its deadline and its one log line.

Whatever happens on the way becomes an `Outcome`. The only exception that leaves is the caller's own cancellation.
"""

import ipaddress
import itertools
import json
import secrets
from contextlib import AbstractAsyncContextManager
from functools import lru_cache
from typing import Protocol

import httpx
import trio
from attrs import define

from actors.hooks.call_log import CallLog, HookCall, Progress, debug_body, is_debugging
from actors.hooks.fair_queue import Caller
from actors.hooks.transport import NoAnswer, PoolStatistics
from config.settings import Settings
from protocol.hooks import (
    Outcome,
    TimedOut,
    Unreachable,
    is_failure,
    read_answer,
    reads_body,
    signature,
)

ECHO_PATH = "/apps/EchoApp"
FIRST_BACKOFF = 0.1
"""Seconds before the second retry; the first one goes at once, each later one waits twice as long."""
LONGEST_BACKOFF = 2.0
NOT_RECEIVED = (httpx.NetworkError, NoAnswer)
"""What a hook is sent again for: refused, reset, dropped without an answer."""
MAX_CAUSE = 200

Headers = tuple[tuple[bytes, bytes], ...]


class Place(Protocol):
    """The right to make one exchange."""

    async def exchange(self, request: httpx.Request) -> httpx.Response:
        """Make it. Raises httpx.TransportError."""


class Transport(Protocol):
    """What a sender needs of `HookTransport`."""

    def place(
        self, url: httpx.URL, caller: Caller, *, keep_alive: bool, deadline: float
    ) -> AbstractAsyncContextManager[Place]:
        """A place for one exchange, held while the block lasts. Raises httpx.UnsupportedProtocol."""

    async def run(self) -> None:
        """Throw away what grows old, until cancelled."""

    def close(self) -> None:
        """Close every connection that nobody uses, and keep none from now on."""

    def statistics(self) -> PoolStatistics:
        """The connections as they are."""


class _Unwritable(Exception):
    """The body of a hook is no JSON."""


@define
class SenderCounters:
    """What has become of the calls so far."""

    sent: int = 0
    """Calls begun, retries not counted."""
    retried: int = 0
    failed: int = 0
    """No answer, or one other than 200."""
    timed_out: int = 0


class HookSender:
    """Sends hooks through a transport, with the retries and the signature of the settings.

    Raises ValueError if hooks are to be signed and this machine has no MD5.
    """

    def __init__(self, settings: Settings, transport: Transport) -> None:
        self.counters = SenderCounters()
        self.log = CallLog()
        self._transport = transport
        self._retries = (
            settings.rest_client_request_retry_count if settings.rest_client_request_sent_retry_enabled else 0
        )
        self._key = (settings.rest_hook_secret_key or "").encode() if settings.rest_hook_send_hash else None
        if self._key is not None:
            signature(self._key, b"")
        self._id_prefix = secrets.token_hex(8)
        self._numbers = itertools.count(1)

    async def send(self, call: HookCall, *, timeout: float, deadline: float) -> Outcome:
        """Make the call, all of it before `deadline` (trio's clock). `timeout` is how long that was when it was set."""
        progress = Progress(
            hook_id=f"{self._id_prefix}-{next(self._numbers)}", started=trio.current_time(), deadline=deadline
        )
        self.counters.sent += 1
        outcome: Outcome = TimedOut(seconds=timeout)
        done = False
        try:
            with trio.move_on_at(deadline):
                outcome = await self._try(call, progress)
            done = True
        finally:
            if done:
                self._note(call, progress, outcome)
            else:
                self.log.cancelled(call, progress)
        return outcome

    def report_lost_turn(self, call: HookCall, timeout: float) -> Outcome:
        """The deadline has passed before the call had its turn: the same failure as a backend that is too slow."""
        outcome = TimedOut(seconds=timeout)
        now = trio.current_time()
        progress = Progress(hook_id="-", started=now - timeout, deadline=now, attempt=0)
        self._note(call, progress, outcome)
        return outcome

    def _note(self, call: HookCall, progress: Progress, outcome: Outcome) -> None:
        self.counters.failed += is_failure(call.method, outcome)
        self.counters.timed_out += isinstance(outcome, TimedOut)
        self.log.ended(call, progress, outcome)

    async def _try(self, call: HookCall, progress: Progress) -> Outcome:
        debug_body("hook body", call, progress, call.body)
        backoff = 0.0
        while True:
            try:
                return await self._attempt(call, progress)
            except _Unwritable as error:
                return Unreachable(cause=_cause(error))
            except NOT_RECEIVED as error:
                if progress.attempt > self._retries:
                    return Unreachable(cause=_cause(error))
            except httpx.TimeoutException:
                return TimedOut(seconds=trio.current_time() - progress.started)
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                return Unreachable(cause=_cause(error))
            await trio.sleep(backoff)
            backoff = min(max(FIRST_BACKOFF, backoff * 2), LONGEST_BACKOFF)
            progress.attempt += 1
            self.counters.retried += 1

    async def _attempt(self, call: HookCall, progress: Progress) -> Outcome:
        url, headers = self._target(call)
        async with self._transport.place(
            url, call.caller, keep_alive=call.keep_alive, deadline=progress.deadline
        ) as place:
            # Written only now: what waits for a place must not take its memory twice.
            response = await place.exchange(self._request(call, progress, url, headers))
            answer = read_answer(
                response.status_code,
                await response.aread(),
                reads=reads_body(call.method, call.config, response.status_code) or is_debugging(),
            )
        if answer.body is not None:
            debug_body("hook answer", call, progress, answer.body)
        return answer

    def _target(self, call: HookCall) -> tuple[httpx.URL, Headers]:
        url = call.app.method_url(call.method)
        if self._key is None:
            return _target(url, call.app.rest_username, call.app.rest_password)
        return _target(url, None, None)

    def _request(self, call: HookCall, progress: Progress, url: httpx.URL, headers: Headers) -> httpx.Request:
        content = _written(call)
        own = [
            (b"X-WCS-Hook-Id", progress.hook_id.encode()),
            (b"X-WCS-Attempt", b"%d" % progress.attempt),
            (b"Content-Length", b"%d" % len(content)),
        ]
        if self._key is not None:
            own.append((b"Authorization", signature(self._key, content)))
        # Given as `content`, its headers would be worked out anew each time.
        return httpx.Request("POST", url, headers=[*headers, *own], stream=httpx.ByteStream(content))


def _written(call: HookCall) -> bytes:
    try:
        return json.dumps(call.body, separators=(",", ":")).encode()
    except (ValueError, TypeError, RecursionError) as error:
        raise _Unwritable(f"the body cannot be written as JSON: {type(error).__name__}") from error


def _cause(error: Exception) -> str:
    return (str(error) or type(error).__name__)[:MAX_CAUSE]


# -- requests ----------------------------------------------------------------------------------------------------------


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


@lru_cache(maxsize=1024)
def is_echo(url: str) -> bool:
    """Whether `url` is that of the built-in EchoApp, which needs no request: `/apps/EchoApp` on this machine."""
    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL:
        return False
    return parsed.path.rstrip("/") == ECHO_PATH and _is_loopback(parsed.host)


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
