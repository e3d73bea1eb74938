"""What the members of one room on one node are told: in order, a batch after the other, each until acknowledged.

What waits is bounded. When there is too much, events are dropped, and as soon as the node hears again it gets a fresh
list of members and streams; answers to commands and ends of seats are never dropped, for each has its own limit.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

import trio
from attrs import define, evolve

from actors.cluster.rooms.carrier import RoomCarrier
from protocol.access.kicks import Kick
from protocol.cluster.messages import NodeReply
from protocol.cluster.rooms.messages import (
    GAP,
    TAKEN,
    EventNews,
    Listing,
    ListingNews,
    RoomNews,
    RoomNewsItem,
)
from protocol.common.memory_budget import Allowance
from protocol.rooms.bans import RoomKey
from protocol.rooms.events import RoomEvent, RoomEventName

MOST_WAITING: Final = 500
"""Events that may wait for one node in one room."""
MOST_WAITING_ALL: Final = 20_000
"""The same for all nodes and rooms."""
BATCH: Final = 100
"""Items in one message; a list of all members counts for 25."""
_LIST_WEIGHT: Final = 25


@define
class LineCounters:
    """Totals of all lines of a node."""

    sent: int = 0
    """Messages."""
    dropped: int = 0
    """Events that there was no room for."""
    gaps: int = 0
    """How often a fresh list was sent in place of them."""


@define(eq=False)
class _Waiting:
    """`event`: that it was made of, to which further receivers may be added. `kick`: whose bans are to be counted."""

    item: RoomNewsItem
    event: RoomEvent | None = None
    kick: Kick | None = None


class NewsLine:
    """See above. `start` runs it in a task; `ask_listing` has `list_members` called while nobody is told something,
    which `is_telling` says; `on_gone`: nobody is there.
    """

    def __init__(
        self,
        key: RoomKey,
        member: str,
        line: str,
        *,
        carrier: RoomCarrier,
        start: Callable[["NewsLine"], None],
        ask_listing: Callable[["NewsLine"], None],
        on_gone: Callable[["NewsLine"], None],
        is_telling: Callable[[], bool],
        allowance: Allowance,
        counters: LineCounters,
    ) -> None:
        self.key, self.member, self.id = key, member, line
        self.heard = 0
        """The number of the latest message from there."""
        self.is_closed = False
        self._carrier = carrier
        self._start, self._ask_listing, self._on_gone = start, ask_listing, on_gone
        self._is_telling = is_telling
        self._allowance, self._counters = allowance, counters
        self._waiting: deque[_Waiting] = deque()
        self._events = 0
        self._number = 0
        self._is_running = self._has_gap = False
        self._rested = trio.Event()

    # -- what the room tells -----------------------------------------------------------------------

    def tell(self, seat: str, event: RoomEvent, members: Callable[[], Listing]) -> bool:
        """An event for one member there; whether there was room. `members`: who is in the room."""
        last = self._waiting[-1] if self._waiting else None
        if last is not None and last.event is event and isinstance(last.item, EventNews):
            last.item = evolve(last.item, to=(*last.item.to, seat))
            return True
        is_state = event.name is RoomEventName.STATE
        if self.is_closed or not (is_state or self._has_room()):
            return False
        news = EventNews(
            to=(seat,),
            name=event.name,
            info=None if is_state else event.info,
            about=event.about,
            members=members() if is_state else None,
        )
        self._append(_Waiting(news, event))
        return True

    def put(self, item: RoomNewsItem, kick: Kick | None = None) -> None:
        """Anything else."""
        self._append(_Waiting(item, kick=kick))

    def list_members(self, members: Listing) -> None:
        """Everybody there has been told everything, up to the gap: this takes its place."""
        self._has_gap = False
        self.put(ListingNews(members=members))

    def probe(self) -> None:
        """Find out whether the node will turn to the room again, once the line is closed."""
        if self.is_closed and not self._is_running:
            self._is_running = True
            self._start(self)

    def close(self) -> None:
        """Nobody there is to be told anything more by this line."""
        self.is_closed = True
        self._forget_all()

    async def settled(self) -> None:
        """Wait until everything is acknowledged, or nobody is there to do it."""
        while self._is_running:
            await self._rested.wait()

    def _has_room(self) -> bool:
        if not self._has_gap and self._events < MOST_WAITING and self._allowance.take(1):
            self._events += 1
            return True
        self._has_gap = True
        self._counters.dropped += 1
        return False

    def _append(self, waiting: _Waiting) -> None:
        if self.is_closed:
            return
        self._waiting.append(waiting)
        if not self._is_running:
            self._is_running = True
            self._start(self)

    def _forget_all(self) -> None:
        self._allowance.give_back(self._events)
        self._events = 0
        self._waiting.clear()

    # -- sending -----------------------------------------------------------------------------------

    async def run(self) -> None:
        """Send what waits; ends when nothing does."""
        try:
            if self.is_closed:
                await self._send([])
            while self._waiting and not self.is_closed:
                for _ in iter(self._is_telling, False):  # all members there are told an event, or none
                    await trio.lowlevel.checkpoint()
                await self._send(self._next_batch())
                self._mend()
        finally:
            self._is_running = False
            self._rested.set()
            self._rested = trio.Event()

    async def _send(self, batch: list[_Waiting]) -> None:
        self._number += 1
        self._counters.sent += 1
        app_key, name = self.key
        items = tuple(waiting.item for waiting in batch)
        news = RoomNews(app_key=app_key, name=name, line=self.id, number=self._number, news=items)
        reply = await self._carrier.send(self.member, news)
        if reply is None or reply.verdict != TAKEN:
            self.close()
            if reply is None or reply.verdict != GAP:  # else the node turns to the room again by itself
                self._on_gone(self)
        else:
            _count_bans(batch, reply)

    def _next_batch(self) -> list[_Waiting]:
        batch: list[_Waiting] = []
        weight = 0
        while self._waiting and weight < BATCH:
            waiting = self._waiting.popleft()
            if isinstance(waiting.item, EventNews) and waiting.item.members is None:
                self._events -= 1
                self._allowance.give_back(1)
            weight += _LIST_WEIGHT if _is_list(waiting.item) else 1
            batch.append(waiting)
        return batch

    def _mend(self) -> None:
        if self._has_gap and not self._waiting and not self.is_closed:
            self._counters.gaps += 1
            self._ask_listing(self)


def _is_list(item: RoomNewsItem) -> bool:
    return isinstance(item, ListingNews) or (isinstance(item, EventNews) and item.members is not None)


def _count_bans(batch: list[_Waiting], reply: NodeReply) -> None:
    for waiting in batch:
        if reply.banned and waiting.kick is not None and waiting.kick.ban is not None:
            waiting.kick.ban.placed += reply.banned
            return
