"""Hooks that wait for slow or dead backends: how much memory they take, and which are dropped when it is too much.

There are bounds for each session and for all sessions together. When a session exceeds its bounds, its oldest hook is
dropped; hooks that report the end of a stream or session go last. When the total exceeds its bounds, hooks are dropped
from the application that holds the most, there from the sessions that hold the most, again with end reports last. So
only those who flood the server lose hooks.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from actors.hooks.lanes.queued_weight import Load, Tally

MAX_WEIGHT = 32 * 1024 * 1024
"""Bytes that may wait in one session, since clients choose the size of their events."""
MAX_WEIGHT_OF_ALL = 256 * 1024 * 1024
"""Bytes that may wait in all sessions together."""


class WaitingHook(Protocol):
    """A hook that waits."""

    @property
    def load(self) -> Load: ...
    @property
    def last(self) -> bool:
        """Whether it reports the end of a stream or session."""

    def refuse(self) -> None:
        """It will never be sent."""


class Backlog:
    """All waiting hooks of all applications, bounded by `limit` hooks and `MAX_WEIGHT_OF_ALL`."""

    def __init__(self, limit: int, *, on_drop: Callable[[WaitingHook], None]) -> None:
        self.dropped = 0
        self.dropped_last = 0
        """Those dropped that told of an end."""
        self.limit = limit
        self._on_drop = on_drop
        self._waiting = 0
        self._tally = Tally()
        self._applications: dict[str, _Application] = {}

    def __len__(self) -> int:
        """How many hooks wait. Those under way have weight but are not counted."""
        return self._waiting

    @property
    def lengths(self) -> list[tuple[str, int]]:
        """How many wait of each application that has some."""
        return [(app, each.waiting) for app, each in self._applications.items() if each.waiting]

    @property
    def weight(self) -> int:
        """Weight of all hooks that wait or are under way, in bytes."""
        return self._tally.weight

    def account(self, app: str, *, limit: int) -> "Account":
        """An account for a new session, for at most `limit` hooks."""
        return Account(self, app, limit)

    def load_of(self, body: Mapping[str, Any]) -> Load:
        """What a hook with this body weighs."""
        return self._tally.load_of(body)

    # -- what accounts call ------------------------------------------------------------------------------------------

    def enter(self, account: "Account", load: Load) -> None:
        """One more hook waits."""
        self._waiting += 1
        self._tally.add(load)
        self._application(account.app).add(account, load)

    def begin(self, account: "Account") -> None:
        """A waiting hook is now under way."""
        self._waiting -= 1
        application = self._application(account.app)
        application.waiting -= 1
        application.settle(account)

    def leave(self, account: "Account", load: Load) -> None:
        """A hook that was under way is done."""
        self._tally.remove(load)
        application = self._application(account.app)
        application.remove(account, load)
        if application.is_empty:
            del self._applications[account.app]

    def relieve(self) -> None:
        """Drop hooks until all bounds hold or none is left to drop."""
        while self._waiting and (self._waiting > self.limit or self._tally.weight > MAX_WEIGHT_OF_ALL):
            holders = (application for application in self._applications.values() if application.has_waiting)
            largest = max(holders, key=lambda application: application.weight)
            largest.most_dispensable().drop_oldest()

    def note_drop(self, dropped: WaitingHook) -> None:
        """Count and report a dropped hook."""
        self.dropped += not dropped.last
        self.dropped_last += dropped.last
        self._on_drop(dropped)

    def _application(self, app: str) -> "_Application":
        return self._applications.get(app) or self._applications.setdefault(app, _Application())


class Account:
    """The waiting hooks of one session, oldest first; those that report an end are kept separately."""

    def __init__(self, backlog: Backlog, app: str, limit: int) -> None:
        self.app = app
        self._backlog = backlog
        self._limit = limit
        self._plain: OrderedDict[WaitingHook, None] = OrderedDict()
        self._last: OrderedDict[WaitingHook, None] = OrderedDict()
        self._tally = Tally()
        self.places: tuple[int | None, int | None] = (None, None)
        """Where its application keeps it; see `_Application`."""

    def __len__(self) -> int:
        return len(self._plain) + len(self._last)

    @property
    def weight(self) -> int:
        """Weight of the session's hooks that wait or are under way, in bytes."""
        return self._tally.weight

    @property
    def has_plain(self) -> bool:
        """Whether a hook waits that reports no end."""
        return bool(self._plain)

    @property
    def has_last(self) -> bool:
        """Whether a hook waits that reports an end."""
        return bool(self._last)

    def add(self, item: WaitingHook) -> None:
        """Add a waiting hook. Beyond the bounds the oldest, least important go; if it alone is too heavy, it goes."""
        self._of_its_kind(item)[item] = None
        self._tally.add(item.load)
        self._backlog.enter(self, item.load)
        if item.load.whole > MAX_WEIGHT:
            self._drop(item)
        while len(self) and (len(self) > self._limit or self._tally.weight > MAX_WEIGHT):
            self.drop_oldest()
        self._backlog.relieve()

    def begin(self, item: WaitingHook) -> None:
        """Its turn has come: it can no longer be dropped, and keeps its weight until `end`."""
        del self._of_its_kind(item)[item]
        self._backlog.begin(self)

    def end(self, item: WaitingHook) -> None:
        """It is done."""
        self._tally.remove(item.load)
        self._backlog.leave(self, item.load)

    def remove(self, item: WaitingHook) -> None:
        """It no longer waits, and will not be sent."""
        self.begin(item)
        self.end(item)

    def drop_oldest(self) -> None:
        """Drop the oldest hook that reports no end, or else the oldest of all."""
        self._drop(next(iter(self._plain or self._last)))

    def _drop(self, item: WaitingHook) -> None:
        self.remove(item)
        item.refuse()
        self._backlog.note_drop(item)

    def _of_its_kind(self, item: WaitingHook) -> OrderedDict[WaitingHook, None]:
        return self._last if item.last else self._plain


class _Application:
    """The waiting hooks of one application's sessions, and which sessions hold the most."""

    def __init__(self) -> None:
        self.waiting = 0
        self._tally = Tally()
        self._plain = _ByMagnitude()
        self._last = _ByMagnitude()

    @property
    def weight(self) -> int:
        return self._tally.weight

    @property
    def has_waiting(self) -> bool:
        return bool(self._plain or self._last)

    @property
    def is_empty(self) -> bool:
        return not self._tally.weight

    def add(self, account: Account, load: Load) -> None:
        self.waiting += 1
        self._tally.add(load)
        self.settle(account)

    def remove(self, account: Account, load: Load) -> None:
        self._tally.remove(load)
        self.settle(account)

    def settle(self, account: Account) -> None:
        """File the account by its weight and by what waits in it."""
        magnitude = account.weight.bit_length()
        plain, last = magnitude if account.has_plain else None, magnitude if account.has_last else None
        before = account.places
        if before != (plain, last):
            self._plain.move(account, before[0], plain)
            self._last.move(account, before[1], last)
            account.places = (plain, last)

    def most_dispensable(self) -> Account:
        """One of the heaviest accounts (within a factor of two), preferring those with a hook that reports no end."""
        return (self._plain or self._last).largest()


class _ByMagnitude:
    """Accounts by the bit length of their weight, to find a large one among ten thousand at once."""

    def __init__(self) -> None:
        self._accounts: dict[int, OrderedDict[Account, None]] = {}

    def __bool__(self) -> bool:
        return bool(self._accounts)

    def move(self, account: Account, before: int | None, after: int | None) -> None:
        if before == after:
            return
        if before is not None:
            accounts = self._accounts[before]
            del accounts[account]
            if not accounts:
                del self._accounts[before]
        if after is not None:
            self._accounts.setdefault(after, OrderedDict())[account] = None

    def largest(self) -> Account:
        return next(iter(self._accounts[max(self._accounts)]))
