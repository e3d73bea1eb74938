"""A breaker: when one backend keeps failing, nobody waits for it any more, until a probe shows that it answers again.

It opens when half of the last WINDOW calls have failed within WINDOW_SECONDS, and stays open for FIRST_REST, then twice
as long after each probe that fails, LONGEST_REST at most. One call is then let through as the probe; it has
PROBE_SECONDS, however long other calls may take. The results of calls that began before the opening do not count.

The time is passed in, in seconds of any monotonic clock.
"""

from collections import deque
from collections.abc import Callable
from enum import Enum, StrEnum, unique
from typing import Final

from attrs import define, field, frozen

from protocol.common.growing_pause import GrowingPause
from protocol.common.transitions import Transitions

WINDOW: Final = 20
"""Calls."""
FAILURES: Final = WINDOW // 2
WINDOW_SECONDS: Final = 60.0
FIRST_REST: Final = 1.0
LONGEST_REST: Final = 10.0
JITTER: Final = 0.2
"""A rest is longer or shorter by up to this share of it, so that servers do not probe in step."""
PROBE_SECONDS: Final = 3.0


@unique
class BreakerState(Enum):
    """Whether calls are made."""

    CLOSED = "calls are made"
    OPEN = "no call is made until the rest is over"
    HALF_OPEN = "one call is under way, as the probe"
    FORGOTTEN = "nobody has called the backend for a while; the next call begins with a new breaker"

    @property
    def label(self) -> str:
        """For events, metrics and log lines."""
        return self.name.lower()


@unique
class BreakerEvent(Enum):
    """What happens to a breaker."""

    TOO_MANY_FAILURES = "half of the last calls have failed"
    PROBE = "the rest is over, and a call is let through"
    PROBE_ANSWERED = "the backend has answered the probe"
    PROBE_FAILED = "the backend has not answered the probe, or not in time"
    PROBE_WITHDRAWN = "the probe was cancelled together with its caller"
    UNUSED = "no call for a while"


TRANSITIONS: Final = Transitions(
    initial=BreakerState.CLOSED,
    rows={
        (BreakerState.CLOSED, BreakerEvent.TOO_MANY_FAILURES): BreakerState.OPEN,
        (BreakerState.OPEN, BreakerEvent.PROBE): BreakerState.HALF_OPEN,
        (BreakerState.HALF_OPEN, BreakerEvent.PROBE_ANSWERED): BreakerState.CLOSED,
        (BreakerState.HALF_OPEN, BreakerEvent.PROBE_FAILED): BreakerState.OPEN,
        (BreakerState.HALF_OPEN, BreakerEvent.PROBE_WITHDRAWN): BreakerState.OPEN,
        (BreakerState.CLOSED, BreakerEvent.UNUSED): BreakerState.FORGOTTEN,
        (BreakerState.OPEN, BreakerEvent.UNUSED): BreakerState.FORGOTTEN,
        (BreakerState.HALF_OPEN, BreakerEvent.UNUSED): BreakerState.FORGOTTEN,
    },
)


class OnBreaker(StrEnum):
    """What a question to the backend comes to while the breaker is open, by application."""

    TIMEOUT = "timeout"
    """As if no answer had come in time: `connect` is declined, all else goes by the `restClientConfig`."""
    ALLOW = "allow"
    """Allowed, `connect` too; without a `restClientConfig` nothing is denied in that session later on."""
    DENY = "deny"
    """Denied, whatever the `restClientConfig` says."""
    CALL = "call"
    """The backend is called nevertheless."""


class CallResult(Enum):
    """How a call ended, for the breaker."""

    ANSWERED = "an answer, whatever it says"
    FAILED = "unreachable, no answer in time, or a status of 500 and up"
    WITHDRAWN = "cancelled together with its caller"


@frozen(eq=False)
class Ticket:
    """The right to make one call, whose result is to be reported."""

    era: int
    """How often the breaker had changed its state when the call began."""
    probe_until: float | None = None
    """The deadline of a probe; None: this is none."""


@define
class Breaker:
    """One backend's breaker. `random` gives numbers from 0 to 1; `on_change` gets the state before and after."""

    _random: Callable[[], float] = field(alias="random")
    _on_change: Callable[[BreakerState, BreakerState], None] = field(alias="on_change")
    state: BreakerState = field(init=False, default=TRANSITIONS.initial)
    open_until: float = field(init=False, default=0.0)
    last_used: float = field(init=False, default=0.0)
    _failures: deque[tuple[float, bool]] = field(init=False, factory=lambda: deque(maxlen=WINDOW))
    """When each of the last calls ended, and whether it failed."""
    _era: int = field(init=False, default=0)
    _rest: GrowingPause = field(init=False, factory=lambda: GrowingPause(FIRST_REST, LONGEST_REST))
    _probe: Ticket | None = field(init=False, default=None)

    def refuses(self, now: float) -> bool:
        """Whether a call would not be made now. The first one after the rest would be made, as the probe."""
        self._end_overdue_probe(now)
        match self.state:
            case BreakerState.OPEN:
                return now < self.open_until
            case BreakerState.HALF_OPEN:
                return True
            case _:
                return False

    def admit(self, now: float) -> Ticket | None:
        """The right to make a call now; None if it must not be made."""
        self.last_used = now
        if self.refuses(now):
            return None
        if self.state is BreakerState.CLOSED:
            return Ticket(self._era)
        self._enter(BreakerEvent.PROBE)
        self._probe = Ticket(self._era, now + PROBE_SECONDS)
        return self._probe

    def report(self, ticket: Ticket, result: CallResult, now: float) -> None:
        """How a call that was admitted has ended. Of one from before the last change it does not matter."""
        self.last_used = now
        if ticket.era != self._era:
            return
        if ticket is self._probe:
            self._end_probe(result, now)
        elif result is not CallResult.WITHDRAWN:
            self._count(result is CallResult.FAILED, now)

    def forget(self) -> None:
        """The backend is not called any more."""
        self._enter(BreakerEvent.UNUSED)

    def _count(self, failed: bool, now: float) -> None:
        self._failures.append((now, failed))
        recent = sum(failed and now - ended <= WINDOW_SECONDS for ended, failed in self._failures)
        if failed and recent >= FAILURES:
            self._rest.reset()
            self._open(BreakerEvent.TOO_MANY_FAILURES, now)

    def _end_probe(self, result: CallResult, now: float) -> None:
        self._probe = None
        match result:
            case CallResult.ANSWERED:
                self._enter(BreakerEvent.PROBE_ANSWERED)
            case CallResult.FAILED:
                self._open(BreakerEvent.PROBE_FAILED, now)
            case CallResult.WITHDRAWN:
                self.open_until = now
                self._enter(BreakerEvent.PROBE_WITHDRAWN)

    def _end_overdue_probe(self, now: float) -> None:
        probe = self._probe
        if probe is not None and probe.probe_until is not None and now > probe.probe_until:
            self._end_probe(CallResult.FAILED, probe.probe_until)

    def _open(self, event: BreakerEvent, now: float) -> None:
        self.open_until = now + self._rest.next() * (1 + JITTER * (2 * self._random() - 1))
        self._enter(event)

    def _enter(self, event: BreakerEvent) -> None:
        before, self.state = self.state, TRANSITIONS.after(self.state, event)
        self._era += 1
        self._failures.clear()
        self._on_change(before, self.state)
