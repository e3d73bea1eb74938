"""What is counted of hooks, by application and method."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum

from protocol.hooks import Answered, HookMethod, NotSent, TimedOut, is_failure
from protocol.hooks import Outcome as HookResult
from protocol.metrics.histogram import WAITS, Histogram
from protocol.metrics.labels import OTHER, AppLabels, Labels, one_app

END = "end"
"""The kind of hooks that tell of the end of a stream or session; OTHER: all others."""


class HookOutcome(StrEnum):
    """How a hook ended, as a label."""

    OK = "ok"
    REFUSED = "refused"
    """The backend said no to a question."""
    ERROR = "error"
    """An answer other than 200, or one that cannot be used."""
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    OPEN = "open"
    """Not made: the breaker was open."""
    CANCELLED = "cancelled"
    """The asker has ended in the meantime."""


class HookCounts:
    """Counters since the start; the sender keeps them."""

    def __init__(self, apps: AppLabels | None = None) -> None:
        self._apps = apps or one_app()
        self.calls: Counter[Labels] = Counter()
        self.seconds: dict[Labels, Histogram] = {}
        self.waits: dict[str, Histogram] = {}
        self.retries: Counter[str] = Counter()
        self.drops: Counter[Labels] = Counter()
        self.breaker_changes: Counter[Labels] = Counter()

    def ended(self, app_key: str, method: HookMethod, outcome: HookOutcome, seconds: float) -> None:
        """A call has ended, `seconds` after it began."""
        app = self._apps.of(app_key)
        self.calls[app, method.value, outcome.value] += 1
        if outcome is HookOutcome.OPEN:
            return
        key = (app, method.value)
        (self.seconds.get(key) or self.seconds.setdefault(key, Histogram(WAITS))).observe(seconds)

    def waited(self, app_key: str, seconds: float) -> None:
        """A call begins, after so much time in its lane."""
        app = self._apps.of(app_key)
        if app not in self.waits:
            self.waits[app] = Histogram(WAITS)
            self.drops.update({(app, OTHER): 0, (app, END): 0})  # else nobody would see the first of them as growth
        self.waits[app].observe(seconds)

    def dropped(self, app_key: str, *, last: bool) -> None:
        """A hook that waited is given up; `last`: it told of an end."""
        self.drops[self._apps.of(app_key), END if last else OTHER] += 1

    def retried(self, app_key: str) -> None:
        """A call is made again."""
        self.retries[self._apps.of(app_key)] += 1

    def breaker_changed(self, app_key: str, state: str) -> None:
        """The breaker of an application's backend has another state."""
        self.breaker_changes[self._apps.of(app_key), state] += 1

    def summed(self, amounts: Iterable[tuple[str, float]]) -> Mapping[Labels, float]:
        """Amounts by application, those of applications without their own label together."""
        return self._joined(amounts, lambda some, more: some + more)

    def largest(self, amounts: Iterable[tuple[str, float]]) -> Mapping[Labels, float]:
        """The same, but the largest of those."""
        return self._joined(amounts, max)

    def _joined(
        self, amounts: Iterable[tuple[str, float]], join: Callable[[float, float], float]
    ) -> Mapping[Labels, float]:
        joined: dict[Labels, float] = {}
        for key, amount in amounts:
            labels = (self._apps.of(key),)
            joined[labels] = join(joined[labels], amount) if labels in joined else amount
        return joined

    def by_app(self, keys_and_states: Iterable[tuple[str, str]]) -> Mapping[Labels, int]:
        """How many applications have which state."""
        return Counter((self._apps.of(key), state) for key, state in keys_and_states)


def outcome_label(method: HookMethod, outcome: HookResult) -> HookOutcome | None:
    """How a call with that outcome is counted; None: there was none."""
    match outcome:
        case NotSent():
            return None
        case Answered(status=401 | 403) if method.is_question:
            return HookOutcome.REFUSED
        case Answered():
            return HookOutcome.ERROR if is_failure(method, outcome) else HookOutcome.OK
        case TimedOut(is_breaker_open=is_open):
            return HookOutcome.OPEN if is_open else HookOutcome.TIMEOUT
        case _:
            return HookOutcome.UNREACHABLE
