"""What waits before backends that are slow or dead: how much it weighs, and what is dropped when it is too much.

Bounds hold for each session and for all together. Beyond a session's, its own oldest goes: what tells of no end (of a
stream, of the session) first. Beyond that of all, something goes from the application that holds the most, in it from
the sessions that hold the most, again what tells of no end first: who floods loses, and nobody else does.
"""

from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from actors.hooks.queued_weight import Load, Tally

MAX_WEIGHT = 32 * 1024 * 1024
"""Bytes that may wait in one session: clients choose how large their events are."""
MAX_WEIGHT_OF_ALL = 256 * 1024 * 1024
"""Bytes that may wait in all sessions together."""


class WaitingHook(Protocol):
    """A hook that waits."""

    @property
    def load(self) -> Load: ...
    @property
    def last(self) -> bool:
        """Whether it tells of an end."""

    def refuse(self) -> None:
        """It will never be sent."""


class Backlog:
    """Everything that waits, of all applications, and its bounds: `limit` hooks and `MAX_WEIGHT_OF_ALL`."""

    def __init__(self, limit: int, *, on_drop: Callable[[WaitingHook], None]) -> None:
        self.dropped = 0
        self.dropped_last = 0
        """Those dropped that told of an end."""
        self._limit = limit
        self._on_drop = on_drop
        self._waiting = 0
        self._tally = Tally()
        self._applications: dict[str, _Application] = {}

    def __len__(self) -> int:
        """How many hooks wait; those under way are weighed, and not counted."""
        return self._waiting

    @property
    def weight(self) -> int:
        """Of all that waits or is under way, in bytes."""
        return self._tally.weight

    def account(self, app: str, *, limit: int) -> "Account":
        """A new session's, for `limit` hooks."""
        return Account(self, app, limit)

    def load_of(self, body: Mapping[str, Any]) -> Load:
        """What a hook with this body weighs."""
        return self._tally.load_of(body)

    # -- what accounts call ------------------------------------------------------------------------------------------

    def enter(self, account: "Account", load: Load) -> None:
        """One more waits."""
        self._waiting += 1
        self._tally.add(load)
        self._application(account.app).add(account, load)

    def begin(self, account: "Account") -> None:
        """One that waited is under way."""
        self._waiting -= 1
        self._application(account.app).settle(account)

    def leave(self, account: "Account", load: Load) -> None:
        """One that was under way is over."""
        self._tally.remove(load)
        application = self._application(account.app)
        application.remove(account, load)
        if application.is_empty:
            del self._applications[account.app]

    def relieve(self) -> None:
        """Drop until all bounds hold, or nothing is left that could be dropped."""
        while self._waiting and (self._waiting > self._limit or self._tally.weight > MAX_WEIGHT_OF_ALL):
            holders = (application for application in self._applications.values() if application.has_waiting)
            largest = max(holders, key=lambda application: application.weight)
            largest.most_dispensable().drop_oldest()

    def note_drop(self, dropped: WaitingHook) -> None:
        """Count it and tell of it."""
        self.dropped += not dropped.last
        self.dropped_last += dropped.last
        self._on_drop(dropped)

    def _application(self, app: str) -> "_Application":
        return self._applications.get(app) or self._applications.setdefault(app, _Application())


class Account:
    """What waits in one session; oldest first, what tells of an end apart."""

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
        """Of what waits or is under way, in bytes."""
        return self._tally.weight

    @property
    def has_plain(self) -> bool:
        """Whether something waits that tells of no end."""
        return bool(self._plain)

    @property
    def has_last(self) -> bool:
        """Whether something waits that tells of an end."""
        return bool(self._last)

    def add(self, item: WaitingHook) -> None:
        """One more waits. If that is too much, the oldest that matter least go; alone too heavy, it goes itself."""
        self._of_its_kind(item)[item] = None
        self._tally.add(item.load)
        self._backlog.enter(self, item.load)
        if item.load.whole > MAX_WEIGHT:
            self._drop(item)
        while len(self) and (len(self) > self._limit or self._tally.weight > MAX_WEIGHT):
            self.drop_oldest()
        self._backlog.relieve()

    def begin(self, item: WaitingHook) -> None:
        """Its turn has come: it can be dropped no more, and weighs until `end`."""
        del self._of_its_kind(item)[item]
        self._backlog.begin(self)

    def end(self, item: WaitingHook) -> None:
        """It is over."""
        self._tally.remove(item.load)
        self._backlog.leave(self, item.load)

    def remove(self, item: WaitingHook) -> None:
        """It waits no more, and will not be sent."""
        self.begin(item)
        self.end(item)

    def drop_oldest(self) -> None:
        """Drop the oldest that tells of no end, or else the oldest."""
        self._drop(next(iter(self._plain or self._last)))

    def _drop(self, item: WaitingHook) -> None:
        self.remove(item)
        item.refuse()
        self._backlog.note_drop(item)

    def _of_its_kind(self, item: WaitingHook) -> OrderedDict[WaitingHook, None]:
        return self._last if item.last else self._plain


class _Application:
    """What waits in the sessions of one application, and which of them hold the most."""

    def __init__(self) -> None:
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
        self._tally.add(load)
        self.settle(account)

    def remove(self, account: Account, load: Load) -> None:
        self._tally.remove(load)
        self.settle(account)

    def settle(self, account: Account) -> None:
        """Keep the account where its weight and what waits in it put it."""
        magnitude = account.weight.bit_length()
        plain, last = magnitude if account.has_plain else None, magnitude if account.has_last else None
        before = account.places
        if before != (plain, last):
            self._plain.move(account, before[0], plain)
            self._last.move(account, before[1], last)
            account.places = (plain, last)

    def most_dispensable(self) -> Account:
        """One that holds as much as any, within a factor of two, and has something that tells of no end if any has."""
        return (self._plain or self._last).largest()


class _ByMagnitude:
    """Accounts by the number of bits in their weight, so that a large one is found at once among ten thousand."""

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
