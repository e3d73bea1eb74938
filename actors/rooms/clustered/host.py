"""A room that is on this node. Its members are guests: sessions of this node and of others, each behind a line."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Final

import trio
from attrs import define

from actors.cluster.rooms.carrier import HERE, RoomCarrier
from actors.node.termination import Follower
from actors.rooms.clustered.guest import Guest
from actors.rooms.clustered.news_line import LineCounters, NewsLine
from actors.rooms.directory import RoomDirectory
from actors.runtime.actor import StopReason
from protocol.cluster.claims import Named
from protocol.cluster.rooms.messages import (
    GAP,
    TAKEN,
    Listing,
    MovedNews,
    OutNews,
    RoomWord,
    RoomWords,
    SeatRecord,
    TakeSeat,
    listing_of,
)
from protocol.common.memory_budget import Allowance
from protocol.rooms.bans import RoomKey
from protocol.rooms.info_texts import RoomInfo, RoomRefused

MOVED: Final = StopReason(cause="moved")
"""Another node has the room, or is to have it."""


@define(kw_only=True)
class HostServices:
    """What all rooms on this node share."""

    directory: RoomDirectory
    carrier: RoomCarrier
    allowance: Allowance
    counters: LineCounters
    start: Callable[[NewsLine], None]
    """Runs a line in a task."""
    streams_here: Callable[[RoomKey, str], Iterable[Follower]]
    """The streams of a seat of this node."""
    gather: Callable[["RoomHost"], None]
    """Has all nodes come that have members in it; then `gathered` is called."""
    moved: Callable[["RoomHost"], None]
    """It must not be here any more."""


class RoomHost:
    """See above. `named`: the claim under which the room is here."""

    def __init__(self, key: RoomKey, named: Named, services: HostServices) -> None:
        self.key, self.named = key, named
        self._services = services
        self._lines: dict[str, NewsLine] = {}
        self._guests: dict[str, Guest] = {}
        self.changed = trio.Event()
        """Set, and replaced, when a node has turned to it."""
        self._has_gathered = self._is_gathering = self._is_over = False

    @property
    def is_empty(self) -> bool:
        """Whether nobody is in it or asks to join."""
        return not self._guests

    def has_line(self, member: str) -> bool:
        """Whether this member has turned to the room."""
        return member in self._lines

    def members(self) -> Iterator[str]:
        """The nodes whose members are in it."""
        return iter(tuple(self._lines))

    # -- what the members' nodes say ---------------------------------------------------------------

    def take(self, words: RoomWords) -> str:
        """The verdict about a message."""
        line = self._lines.get(words.member)
        if line is not None and line.id == words.line and words.number <= line.heard:
            return TAKEN  # once more
        if words.number == 1:
            line = self._attach(words)
        elif line is None or line.id != words.line or words.number != line.heard + 1:
            return GAP
        line.heard = words.number
        for word in words.words:
            self._hear(line, word)
        return TAKEN

    def drop(self, member: str) -> None:
        """This node is gone, and its members with it."""
        line = self._lines.pop(member, None)
        if line is not None:
            line.close()
            for guest in self._of(line):
                guest.lost()

    def abandon(self) -> None:
        """Another node is to have it: the members' nodes turn there, and their members notice nothing."""
        if self._is_over:
            return
        self._is_over = True
        for guest in self._guests.values():
            guest.is_mute = True
        self._guests.clear()
        for line in self._lines.values():
            line.put(MovedNews())
        self._lines.clear()
        room = self._services.directory.get(self.key)
        if room is not None:
            room.stop(MOVED)

    def check(self) -> None:
        """Tell all who is in it. Nodes whose members have left since, which this one has not heard, will say so."""
        for line in self._lines.values():
            self._ask_listing(line)

    def probe(self) -> None:
        """Members whose node has broken its line are in the room until it is known what becomes of them."""
        for line in self._lines.values():
            line.probe()

    def gathered(self) -> None:
        """All who have members in it have come."""
        self._is_gathering = False
        self._when_done(self._guests.values(), self.check)

    # -- inside ------------------------------------------------------------------------------------

    def _attach(self, words: RoomWords) -> NewsLine:
        services = self._services
        before = self._lines.get(words.member)
        line = self._lines[words.member] = NewsLine(
            self.key,
            words.member,
            words.line,
            carrier=services.carrier,
            start=services.start,
            ask_listing=self._ask_listing,
            on_gone=self._gone,
            is_telling=self._is_telling,
            allowance=services.allowance,
            counters=services.counters,
        )
        known = {record.seat for record in words.records}
        for guest in () if before is None else tuple(self._of(before)):
            if guest.seat in known:
                guest.line = line
            else:
                guest.lost()
        if before is not None:
            before.close()
        self.changed.set()
        self.changed = trio.Event()
        if words.records:
            self._welcome_back(line, words.records)
        return line

    def _welcome_back(self, line: NewsLine, records: Iterable[SeatRecord]) -> None:
        for record in records:
            known = self._guests.get(record.seat)
            guest = known if known is not None and not known.is_mute else self._enter(line, record)
            if guest is not None:
                guest.reconcile(record)
        if not self._has_gathered:
            self._has_gathered = self._is_gathering = True
            self._services.gather(self)
        elif not self._is_gathering:
            self._when_done(self._of(line), lambda: self._ask_listing(line))

    def _enter(self, line: NewsLine, record: TakeSeat | SeatRecord) -> Guest | None:
        guest = Guest(self, line, record.seat)
        try:
            member = self._services.directory.enter(
                self.key,
                guest,
                login=record.login,
                session_id=record.session_id,
                address=record.address,
                called=self.key[1],
            )
        except RoomRefused as refused:
            self._refuse(line, record.seat, refused)
            return None
        guest.place = member
        self._guests[record.seat] = guest
        return guest

    def _refuse(self, line: NewsLine, seat: str, refused: RoomRefused) -> None:
        if refused.info == RoomInfo.SERVER_IS_SHUTTING_DOWN:
            self._services.moved(self)
            return
        services = self._services.directory.services
        services.counters.refused += 1
        if refused.limit is not None:
            services.refusals.warning("refused by a room", room=self.key[1], info=refused.info, limit=refused.limit)
        line.put(OutNews(seat=seat, info=refused.info, is_refused=True))

    def _hear(self, line: NewsLine, word: RoomWord) -> None:
        if self._is_over:
            return
        if isinstance(word, TakeSeat):
            self._enter(line, word)
            return
        guest = self._guests.get(word.seat)
        if guest is not None:
            guest.hear(word)

    def _when_done(self, guests: Iterable[Guest], then: Callable[[], None]) -> None:
        """When all that these have asked for is done."""
        asked = [guest for guest in guests if not guest.is_mute]
        left = len(asked)

        def answered(is_in: bool) -> None:
            nonlocal left
            left -= 1
            if not left:
                then()

        for guest in asked:
            guest.look(answered)

    def _ask_listing(self, line: NewsLine) -> None:
        """Have the list sent when nobody is just being told something."""
        self._ask_next(line, deque(guest for guest in self._of(line) if not guest.is_mute))

    def _ask_next(self, line: NewsLine, guests: deque[Guest]) -> None:
        """One who is just being removed is no help: others are being told so."""

        def answered(is_in: bool) -> None:
            if line.is_closed or self._is_over or self._is_gathering:
                return
            if is_in:
                line.list_members(self.listing())
            else:
                self._ask_next(line, guests)

        if guests:
            guests.popleft().look(answered)

    def listing(self) -> Listing:
        """Who is in it."""
        room = self._services.directory.get(self.key)
        return () if room is None else listing_of(room.describe())

    def _is_telling(self) -> bool:
        room = self._services.directory.get(self.key)
        return room is not None and room.is_telling

    def _gone(self, line: NewsLine) -> None:
        if self._lines.get(line.member) is line:
            self.drop(line.member)

    def _of(self, line: NewsLine) -> Iterable[Guest]:
        return [guest for guest in self._guests.values() if guest.line is line]

    # -- what guests tell --------------------------------------------------------------------------

    def is_open(self, info: str | None) -> bool:
        """Whether something else ends than the whole server: then the room goes on, on another node."""
        if info == RoomInfo.SERVER_IS_SHUTTING_DOWN:
            self._services.moved(self)
        return not self._is_over

    def vacated(self, guest: Guest, info: str | None) -> bool:
        """It is out. False: nobody is to be told."""
        if not self.is_open(info):
            return False
        if self._guests.get(guest.seat) is guest:
            del self._guests[guest.seat]
        return True

    def streams_of(self, guest: Guest) -> Iterable[Follower]:
        """Its streams in the room, if they are on this node."""
        return self._services.streams_here(self.key, guest.seat) if guest.line.member == HERE else ()
