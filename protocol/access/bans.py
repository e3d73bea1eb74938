"""Who may not connect, publish, play or join a room for a while, because they were kicked.

A ban holds within one application. It concerns connecting (then everything else too), one direction of streams of one
name, or one room, and either somebody (`kicks.Subject`) or everybody. Times are seconds since the epoch, because bans
outlive the process.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum
from typing import Final

from attrs import evolve, frozen

from protocol.access.kicks import BanBy, BanOrder, Subject


class BanAction(StrEnum):
    """What is forbidden."""

    CONNECT = "connect"
    PUBLISH = "publish"
    PLAY = "play"
    JOIN = "join"
    """Joining a room."""


BanKey = tuple[BanAction, str | None, str | None]
"""What it forbids, the name of streams or of a room, and whom; see `Ban`."""


@frozen(kw_only=True)
class Ban:
    """One ban."""

    id: str
    app_key: str
    action: BanAction
    name: str | None = None
    """Of the streams, or of the room; None for a ban on connecting."""
    who: str | None = None
    """`user:`, `token:`, `address:` or `session:`, and the value; None: everybody."""
    created: float
    until: float
    reason: str | None = None

    @property
    def key(self) -> BanKey:
        """Of two bans of an application with the same key, the later one replaces the other."""
        return self.action, self.name, self.who

    def info(self, now: float) -> str:
        """What those it concerns are told."""
        text = f"Banned for another {math.ceil(self.until - now)} s"
        return text if self.reason is None else f"{text}: {self.reason}"


EVERYBODY: Final = None


class BanTable:
    """All bans: at most `limit`. Beyond it, the oldest ban of the application that has the most is lifted."""

    def __init__(self, bans: Iterable[Ban] = (), *, limit: int, make_id: Callable[[], str]) -> None:
        self._limit = limit
        self._make_id = make_id
        self._by_app: dict[str, dict[BanKey, Ban]] = {}
        self._count = 0
        self.lifted_early = 0
        """How many were lifted because of the limit."""
        for ban in bans:
            self._add(ban)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Ban]:
        """All of them, also those whose time is over, oldest first within each application."""
        return (ban for of_app in self._by_app.values() for ban in of_app.values())

    # -- placing and lifting -----------------------------------------------------------------------

    def ban_session(self, order: BanOrder, subject: Subject, now: float) -> None:
        """Forbid the one who had this session to connect. Nothing happens if nobody knows who that is."""
        who = _address(subject) if order.by is BanBy.ADDRESS else subject.identity
        if who is not None:
            self._place(order, subject, BanAction.CONNECT, None, who, now)

    def ban_stream(self, order: BanOrder, subject: Subject, *, name: str, published: bool, now: float) -> None:
        """Forbid the one who had this stream, or everybody, to publish or play one of that name."""
        if (order.by or (BanBy.NAME if published else BanBy.USER)) is BanBy.NAME:
            self._place(order, subject, _action(published), name, EVERYBODY, now)
        else:
            self._place_on(order, subject, _action(published), name, now)

    def ban_member(self, order: BanOrder, subject: Subject, *, room: str, now: float) -> None:
        """Forbid the one who was in this room to join it."""
        self._place_on(order, subject, BanAction.JOIN, room, now)

    def lift(self, ids: Iterable[str]) -> int:
        """Lift the bans with these ids; how many there were."""
        wanted = set(ids)
        found = [ban for ban in self if ban.id in wanted]
        for ban in found:
            self._remove(ban)
        return len(found)

    def forget_expired(self, now: float) -> None:
        """Forget those whose time is over."""
        for ban in [ban for ban in self if ban.until <= now]:
            self._remove(ban)

    # -- asking ------------------------------------------------------------------------------------

    def of_session(self, subject: Subject, now: float) -> Ban | None:
        """The ban that forbids this client to connect."""
        keys: list[BanKey] = [(BanAction.CONNECT, None, who) for who in subject.names]
        return self._first(subject, keys, now)

    def of_stream(self, subject: Subject, *, name: str, published: bool, now: float) -> Ban | None:
        """The ban that forbids this owner to publish or play a stream of that name."""
        if subject.app_key not in self._by_app:
            return None
        action = _action(published)
        keys: list[BanKey] = [(action, name, who) for who in (EVERYBODY, *subject.names)]
        return self._first(subject, keys, now) or self.of_session(subject, now)

    def of_member(self, subject: Subject, *, room: str, now: float) -> Ban | None:
        """The ban that forbids this client to join that room."""
        keys: list[BanKey] = [(BanAction.JOIN, room, who) for who in subject.names]
        return self._first(subject, keys, now) or self.of_session(subject, now)

    # -- inside ------------------------------------------------------------------------------------

    def _first(self, subject: Subject, keys: list[BanKey], now: float) -> Ban | None:
        of_app = self._by_app.get(subject.app_key, {})
        found = (of_app[key] for key in keys if key in of_app)
        return next((ban for ban in found if ban.until > now), None)

    def _place_on(self, order: BanOrder, subject: Subject, action: BanAction, name: str, now: float) -> None:
        """On the user, who is the session if nothing else is known, or on the address."""
        own = subject.identity or f"session:{subject.session_id}"
        who = _address(subject) if order.by is BanBy.ADDRESS else own
        if who is not None:
            self._place(order, subject, action, name, who, now)

    def _place(
        self, order: BanOrder, subject: Subject, action: BanAction, name: str | None, who: str | None, now: float
    ) -> None:
        order.placed += 1
        ban = Ban(
            id=self._make_id(),
            app_key=subject.app_key,
            action=action,
            name=name,
            who=who,
            created=now,
            until=now + order.seconds,
            reason=order.reason,
        )
        if self._count >= self._limit:
            self.forget_expired(now)
        self._add(ban)

    def _add(self, ban: Ban) -> None:
        before = self._by_app.get(ban.app_key, {}).get(ban.key)
        if before is not None:
            self._remove(before)
            ban = evolve(ban, id=before.id)
        while self._count >= self._limit:
            fullest = max(self._by_app.values(), key=len)
            self._remove(next(iter(fullest.values())))
            self.lifted_early += 1
        self._by_app.setdefault(ban.app_key, {})[ban.key] = ban
        self._count += 1

    def _remove(self, ban: Ban) -> None:
        of_app = self._by_app[ban.app_key]
        del of_app[ban.key]
        self._count -= 1
        if not of_app:
            del self._by_app[ban.app_key]


def _action(published: bool) -> BanAction:
    return BanAction.PUBLISH if published else BanAction.PLAY


def _address(subject: Subject) -> str | None:
    return None if subject.address is None else f"address:{subject.address}"
