"""Log lines of hook calls: one for each call, except that failures are summarized.

A backend that is down fails every call of every session. So for each method of an application the first few failures
are logged at once, and later ones every few seconds with a count of those left out. When the backend answers again,
that is logged once. `/?action=stat` counts every failure.
"""

from collections.abc import Mapping
from typing import Any

import trio
from attrs import define, field, frozen

from actors.events.event_log import EventLog
from actors.hooks.masking import MaskedBody
from actors.runtime.fair_queue import Caller
from actors.runtime.logs import RateLimitedLog, get_logger
from config.apps import App
from protocol.common.rate_limit import RateLimit
from protocol.hooks import (
    Answered,
    HookMethod,
    MethodConfig,
    NotSent,
    Outcome,
    TimedOut,
    Unreachable,
    answer_fault,
    is_failure,
)
from protocol.node.server_events import EventType

log = get_logger("hooks")

FAILURES_AT_ONCE = 3
FAILURES_PER_SECOND = 0.2
RECOVERIES_PER_SECOND = 0.2


@frozen
class HookedStream:
    """The stream that a hook is about, as its log lines name it."""

    media_session_id: object
    name: object

    @classmethod
    def of(cls, method: HookMethod, body: Mapping[str, Any]) -> "HookedStream | None":
        """As the body of the hook names it, before anything is taken out of it."""
        return cls(body.get("mediaSessionId"), body.get("name")) if method.concerns_stream else None

    def fields(self) -> dict[str, object]:
        """For log lines."""
        named = {"stream": self.media_session_id, "name": self.name}
        return {key: value for key, value in named.items() if value is not None}


@frozen(kw_only=True)
class HookCall:
    """One call to a backend. `body` is what is sent: `restExclude` has been applied."""

    app: App
    method: HookMethod
    session_id: str
    body: dict[str, Any] = field(repr=False)
    config: MethodConfig
    stream: HookedStream | None = None
    """The stream that it is about."""
    keep_alive: bool = False
    """Whether it counts among the keep-alives, which may hold half of a host's connections."""

    content: bytes | None = field(default=None, repr=False)
    """The body as it was written before, if the call is made late; then it is not tried again by itself."""
    event_time: float | None = None
    """When what it tells has happened, if the call is made late: seconds since the epoch."""

    @property
    def caller(self) -> Caller:
        """The caller that the call is made for."""
        return Caller(self.app.key, self.session_id)


@define(kw_only=True)
class Progress:
    """How far one call has got, for its log line."""

    hook_id: str
    started: float
    deadline: float
    attempt: int = 1


@define
class _Trouble:
    """The failures of one method of one application."""

    log: RateLimitedLog = field(
        factory=lambda: RateLimitedLog(log, rate=FAILURES_PER_SECOND, burst=FAILURES_AT_ONCE, clock=trio.current_time)
    )
    recoveries: RateLimit = field(factory=lambda: RateLimit(RECOVERIES_PER_SECOND, 1))
    failed: int = 0
    """Since the log last said that the backend answers."""


class CallLog:
    """Writes a line for each call, and limits the lines about an application's failures.

    Events of failures are as many as the lines about them.
    """

    def __init__(self, events: EventLog | None = None) -> None:
        self._events = events or EventLog()
        self._troubles: dict[tuple[str, HookMethod], _Trouble] = {}
        self._odd: dict[tuple[str, HookMethod], RateLimitedLog] = {}
        self._sparing = RateLimitedLog(log, clock=trio.current_time)

    def cancelled(self, call: HookCall, progress: Progress) -> None:
        """The caller was cancelled."""
        log.info("hook cancelled", **_facts(call, progress))

    def ended(self, call: HookCall, progress: Progress, outcome: Outcome) -> None:
        """The call ended with `outcome`."""
        match outcome:
            case NotSent():
                pass
            case Answered(status=status) if is_refusal(call.method, outcome):
                log.info("hook refused", **_facts(call, progress), status=status)
                self._answers_again(call)
            case Answered(status=status) if not is_failure(call.method, outcome):
                # A line for each stream every few seconds helps only when debugging.
                (log.debug if call.keep_alive else log.info)("hook", **_facts(call, progress), status=status)
                self._answers_again(call)
            case _:
                self._failed(call, progress, outcome)

    def odd_answer(self, method: HookMethod, app: str, session_id: str, warnings: tuple[str, ...]) -> None:
        """The backend has agreed, but something in its answer is wrong."""
        limited = self._odd.setdefault(
            (app, method),
            RateLimitedLog(log, rate=FAILURES_PER_SECOND, burst=FAILURES_AT_ONCE, clock=trio.current_time),
        )
        limited.warning("odd answer", method=method.value, app=app, session=session_id, what="; ".join(warnings))

    def came_too_late(self, method: HookMethod, session_id: str) -> None:
        """A hook came after its session had ended or while the server was shutting down."""
        self._sparing.warning("hook came too late", method=method.value, session=session_id)

    def dropped(self, method: HookMethod, session_id: str, *, dropped: int, dropped_last: int) -> None:
        """A hook was dropped because too many wait. The numbers are totals since the start."""
        if self._sparing.error(
            "hook dropped: too many wait",
            method=method.value,
            session=session_id,
            dropped=dropped,
            dropped_last=dropped_last,
        ):
            self._events.emit(EventType.HOOK_DROPPED, method=method.value, sessionId=session_id, dropped=dropped)

    def _failed(self, call: HookCall, progress: Progress, outcome: Outcome) -> None:
        trouble = self._troubles.setdefault((call.app.key, call.method), _Trouble())
        trouble.failed += 1
        url = call.app.method_url(call.method)
        cause = failure_text(call.method, outcome)
        if trouble.log.error("Got exception in REST", **_facts(call, progress), url=url, cause=cause):
            self._emit(EventType.HOOK_FAILED, call, sessionId=call.session_id, cause=cause, failed=trouble.failed)

    def _answers_again(self, call: HookCall) -> None:
        trouble = self._troubles.get((call.app.key, call.method))
        if trouble is None or not trouble.failed or not trouble.recoveries.take(trio.current_time()):
            return
        log.warning("hook is answered again", method=call.method.value, app=call.app.key, failed=trouble.failed)
        self._emit(EventType.HOOK_RECOVERED, call, failed=trouble.failed)
        trouble.failed = 0

    def _emit(self, kind: EventType, call: HookCall, **fields: object) -> None:
        stream = {} if call.stream is None else call.stream.fields()
        name = stream.get("name")
        self._events.emit(
            kind,
            app=call.app.key,
            name=None if name is None else str(name),
            method=call.method.value,
            mediaSessionId=stream.get("stream"),
            **fields,
        )


def is_debugging() -> bool:
    """Whether bodies are logged."""
    return log.is_debugging


def is_refusal(method: HookMethod, outcome: Outcome) -> bool:
    """Whether the backend answered a question with no: a decision, not a fault."""
    return isinstance(outcome, Answered) and outcome.status in (401, 403) and method.is_question


def _facts(call: HookCall, progress: Progress) -> dict[str, Any]:
    return {
        "method": call.method.value,
        "app": call.app.key,
        "session": call.session_id,
        **(call.stream.fields() if call.stream is not None else {}),
        "id": progress.hook_id,
        "attempt": progress.attempt,
        "ms": round((trio.current_time() - progress.started) * 1000),
    }


def failure_text(method: HookMethod, outcome: Outcome) -> str:
    """Why a call has failed, in a few words."""
    match outcome:
        case TimedOut(is_breaker_open=True):
            return "breaker open"
        case TimedOut(seconds=seconds):
            return f"no answer within {seconds:g} s"
        case Unreachable(cause=cause):
            return cause
        case Answered(status=status):
            return answer_fault(method, outcome) or f"answered {status}"
        case _:
            return "not sent"


def debug_body(event: str, call: HookCall, progress: Progress, body: Mapping[str, Any]) -> None:
    """Log a body at the debug level, without its secrets."""
    log.debug(event, method=call.method.value, id=progress.hook_id, body=MaskedBody(body))
