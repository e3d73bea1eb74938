"""One hook call: the request, its retries, its deadline and its one log line.

Whatever happens on the way becomes an `Outcome`. The only exception that leaves is the caller's own cancellation.
"""

import ipaddress
import itertools
import json
import secrets
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import httpx
import trio
from attrs import define, field, frozen

from actors.hooks.transport import DEADLINE, KEEP_ALIVE, NoAnswer
from actors.logs import get_logger
from config.apps import App
from config.settings import Settings
from protocol.hooks import (
    Answered,
    HookMethod,
    NotSent,
    Outcome,
    TimedOut,
    Unreachable,
    is_failure,
    read_answer,
    signature,
)

log = get_logger("hooks")

ECHO_PATH = "/apps/EchoApp"
FIRST_BACKOFF = 0.1
"""Seconds before the second retry; the first one goes at once, each later one waits twice as long."""
LONGEST_BACKOFF = 2.0
NOT_RECEIVED = (httpx.NetworkError, NoAnswer)
"""What a hook is sent again for: refused, reset, dropped without an answer."""
MAX_CAUSE = 200

Headers = tuple[tuple[bytes, bytes], ...]


@frozen(kw_only=True)
class HookCall:
    """One call to a backend. `body` is what is sent: `restExclude` has been applied."""

    app: App
    method: HookMethod
    session_id: str
    body: dict[str, Any] = field(repr=False)
    keep_alive: bool = False
    """Whether it counts among the keep-alives, which may hold half of a host's connections."""


@define
class SenderCounters:
    """What has become of the calls so far."""

    sent: int = 0
    """Calls begun, retries not counted."""
    retried: int = 0
    failed: int = 0
    """No answer, or one other than 200."""
    timed_out: int = 0


@define(kw_only=True)
class _Progress:
    """How far one call has come: what the log line tells."""

    hook_id: str
    started: float
    deadline: float
    attempt: int = 1


class HookSender:
    """Sends hooks through a transport, with the retries and the signature of the settings.

    Raises ValueError if hooks are to be signed and this machine has no MD5.
    """

    def __init__(self, settings: Settings, transport: httpx.AsyncBaseTransport) -> None:
        self.counters = SenderCounters()
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
        progress = _Progress(
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
            self._report(call, progress, outcome if done else None)
        return outcome

    def report_lost_turn(self, call: HookCall, timeout: float) -> Outcome:
        """The deadline has passed before the call had its turn: the same failure as a backend that is too slow."""
        outcome = TimedOut(seconds=timeout)
        now = trio.current_time()
        progress = _Progress(hook_id="-", started=now - timeout, deadline=now, attempt=0)
        self._report(call, progress, outcome)
        return outcome

    async def _try(self, call: HookCall, progress: _Progress) -> Outcome:
        try:
            content = json.dumps(call.body, separators=(",", ":")).encode()
        except (ValueError, TypeError, RecursionError) as error:
            return Unreachable(cause=f"the body cannot be written as JSON: {type(error).__name__}")
        _debug_body("hook body", call, progress, call.body)
        backoff = 0.0
        while True:
            try:
                return await self._attempt(call, progress, content)
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

    async def _attempt(self, call: HookCall, progress: _Progress, content: bytes) -> Outcome:
        url, headers = self._addressed(call, content)
        own = ((b"X-WCS-Hook-Id", progress.hook_id.encode()), (b"X-WCS-Attempt", b"%d" % progress.attempt))
        request = httpx.Request(
            "POST",
            url,
            headers=[*headers, *own, (b"Content-Length", b"%d" % len(content))],
            stream=httpx.ByteStream(content),  # given as `content`, its headers would be worked out anew each time
            extensions={KEEP_ALIVE: call.keep_alive, DEADLINE: progress.deadline},
        )
        response = await self._transport.handle_async_request(request)
        answer = read_answer(response.status_code, await response.aread())
        if answer.body is not None:
            _debug_body("hook answer", call, progress, answer.body)
        return answer

    def _addressed(self, call: HookCall, content: bytes) -> tuple[httpx.URL, Headers]:
        url = call.app.method_url(call.method)
        if self._key is None:
            return _target(url, call.app.rest_username, call.app.rest_password)
        target, headers = _target(url, None, None)
        return target, (*headers, (b"Authorization", signature(self._key, content)))

    def _report(self, call: HookCall, progress: _Progress, outcome: Outcome | None) -> None:
        facts: dict[str, Any] = {
            "method": call.method.value,
            "app": call.app.key,
            "session": call.session_id,
            "id": progress.hook_id,
            "attempt": progress.attempt,
            "ms": round((trio.current_time() - progress.started) * 1000),
        }
        match outcome:
            case None:
                log.info("hook cancelled", **facts)
            case NotSent():
                pass
            case Answered(status=status) if status in (401, 403) and call.method.is_question:
                self.counters.failed += 1
                log.info("hook refused", **facts, status=status)
            case Answered(status=status) if not is_failure(call.method, outcome):
                # One line for each stream every few seconds is for those who look for something.
                (log.debug if call.keep_alive else log.info)("hook", **facts, status=status)
            case _:
                self.counters.failed += 1
                self.counters.timed_out += isinstance(outcome, TimedOut)
                url = call.app.method_url(call.method)
                log.error("Got exception in REST", **facts, url=url, cause=_failure(outcome))


def _failure(outcome: Outcome) -> str:
    match outcome:
        case TimedOut(seconds=seconds):
            return f"no answer within {seconds:g} s"
        case Unreachable(cause=cause):
            return cause
        case Answered(status=200, parse_error=str(parse_error)):
            return parse_error
        case Answered(status=status):
            return f"answered {status}"
        case _:
            return "not sent"


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


# -- bodies in the log -------------------------------------------------------------------------------------------------

_SECRET_WORDS = ("pass", "token", "secret", "auth", "credential", "key")
_NO_SECRETS = frozenset({"appKey"})
_WHOLLY_SECRET = frozenset({"custom", "payload", "logs", "report"})


def masked(value: Any) -> Any:
    """A body as a log may show it: what clients and backends mean for each other alone is left out."""
    if isinstance(value, Mapping):
        return {key: _masked_field(key, item) for key, item in value.items()}
    return [masked(item) for item in value] if isinstance(value, list) else value


def _masked_field(key: str, value: Any) -> Any:
    if key == "sdp":
        return f"<{len(value)} characters>" if isinstance(value, str) else "***"
    word = key.lower()
    if key in _WHOLLY_SECRET or (key not in _NO_SECRETS and any(secret in word for secret in _SECRET_WORDS)):
        return value if isinstance(value, bool) else "***"
    return masked(value)


def _debug_body(event: str, call: HookCall, progress: _Progress, body: Mapping[str, Any]) -> None:
    log.debug(event, method=call.method.value, id=progress.hook_id, body=_Masked(body))


@frozen
class _Masked:
    """Masks only if somebody writes it: most of the time the debug level is off."""

    body: Mapping[str, Any] = field(repr=False)

    def __str__(self) -> str:
        try:
            return json.dumps(masked(self.body))
        except (ValueError, TypeError, RecursionError) as error:
            return f"<{type(error).__name__}>"
