"""The hook calls of the last while, as the console shows them: what was called, how it ended, and how long it took.

Bodies, answers, credentials and `custom` are not kept.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Final

import trio
from attrs import frozen

from actors.hooks.call_log import HookCall, Progress, failure_text
from protocol.hooks import Answered, Outcome
from protocol.metrics.hook_counts import HookOutcome

MAX_LATEST: Final = 2000
"""Calls kept, so that a stream's own are found among them."""
MAX_FAILED: Final = 200
"""Failed calls kept beside them, however many good ones have come since."""
_BAD: Final = frozenset({HookOutcome.ERROR, HookOutcome.TIMEOUT, HookOutcome.UNREACHABLE})
"""Calls that were made and have failed; those that an open breaker held back are not among them."""
MAX_TEXT: Final = 200
"""Characters kept of a name or an id."""


@frozen(kw_only=True)
class RecentCall:
    """One call that has ended. `time`: when, in milliseconds since the epoch; `ms`: how long it took."""

    time: int
    app: str
    method: str
    session_id: str
    media_session_id: str | None
    name: str | None
    outcome: HookOutcome
    status: int | None
    """The HTTP status of the answer, if there was one."""
    attempts: int
    ms: int
    cause: str | None
    """Why it failed."""


class RecentCalls:
    """The latest calls and the last failed ones, without keep-alives that went well: they would be all there is."""

    def __init__(self, wall_clock: Callable[[], float] = time.time) -> None:
        self._clock = wall_clock
        self._latest: deque[RecentCall] = deque(maxlen=MAX_LATEST)
        self._failed: deque[RecentCall] = deque(maxlen=MAX_FAILED)

    def ended(self, call: HookCall, progress: Progress, label: HookOutcome, outcome: Outcome | None) -> None:
        """A call has ended; `outcome` is None if it was cancelled."""
        is_bad = label in _BAD
        if call.keep_alive and label is HookOutcome.OK:
            return
        stream = {} if call.stream is None else call.stream.fields()
        recent = RecentCall(
            time=round(self._clock() * 1000),
            app=call.app.key,
            method=call.method.value,
            session_id=call.session_id,
            media_session_id=_short(stream.get("stream")),
            name=_short(stream.get("name")),
            outcome=label,
            status=outcome.status if isinstance(outcome, Answered) else None,
            attempts=progress.attempt,
            ms=round((trio.current_time() - progress.started) * 1000),
            cause=failure_text(call.method, outcome)[:MAX_TEXT] if is_bad and outcome is not None else None,
        )
        self._latest.append(recent)
        if is_bad:
            self._failed.append(recent)

    def latest(self) -> Iterator[RecentCall]:
        """The newest first."""
        return reversed(self._latest)

    def failed(self) -> Iterator[RecentCall]:
        """The newest first."""
        return reversed(self._failed)


def _short(value: object) -> str | None:
    return None if value is None else str(value)[:MAX_TEXT]
