"""Who is next: applications take turns, as do the sessions of each; within a session, first come first served."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from attrs import frozen

T = TypeVar("T")


@frozen
class Caller:
    """Who an item waits for: an application's key and the id of one of its sessions."""

    app: str
    session: str


class FairQueue(Generic[T]):
    """Items that wait for their turn, each at most once. Every step takes constant time."""

    def __init__(self) -> None:
        self._apps: OrderedDict[str, OrderedDict[str, OrderedDict[T, None]]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def add(self, caller: Caller, item: T) -> None:
        """Append `item` to its session's queue."""
        sessions = self._apps.setdefault(caller.app, OrderedDict())
        sessions.setdefault(caller.session, OrderedDict())[item] = None
        self._length += 1

    def discard(self, caller: Caller, item: T) -> None:
        """Remove `item`, wherever it is; do nothing if it is not there."""
        sessions = self._apps.get(caller.app, OrderedDict())
        items = sessions.get(caller.session, OrderedDict())
        if items.pop(item, self) is None:
            self._length -= 1
            self._forget_empty(caller, sessions, items)

    def take(self, may: Callable[[str], bool] = lambda app: True) -> T | None:
        """Remove and return the next item of an application that may have a turn now; None if there is none."""
        for app in self._apps:
            if may(app):
                return self._take_of(app)
        return None

    def _take_of(self, app: str) -> T:
        sessions = self._apps[app]
        session, items = next(iter(sessions.items()))
        item, _ = items.popitem(last=False)
        self._length -= 1
        sessions.move_to_end(session)
        self._apps.move_to_end(app)
        self._forget_empty(Caller(app, session), sessions, items)
        return item

    def _forget_empty(
        self, caller: Caller, sessions: OrderedDict[str, OrderedDict[T, None]], items: OrderedDict[T, None]
    ) -> None:
        if not items:
            del sessions[caller.session]
        if not sessions:
            del self._apps[caller.app]
