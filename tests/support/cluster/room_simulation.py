"""Rooms in a simulated cluster: pages on all nodes that join, leave, vanish, publish and talk in few rooms.

Each page keeps what it was told. When all is well again, it must know exactly who is in its room and what they publish.
"""

import random
from collections import Counter
from collections.abc import Iterable
from itertools import count
from typing import Any, Protocol

import trio

from actors.cluster.cluster import Cluster
from actors.node.supervisor import Supervisor
from actors.node.termination import Follower
from actors.rooms import RoomDirectory, RoomMember, RoomServices
from actors.rooms.clustered import ClusterRooms
from config.settings import Settings
from protocol.access.kicks import Kick
from protocol.rooms.events import RoomEvent, RoomEventName
from protocol.rooms.info_texts import RoomRefused
from protocol.rooms.requests import JoinRequest, LeaveRequest, MessageRequest, StreamOver, StreamStarted

APP = "app"
ROOMS = 3
LOGINS = 12
MOST_PAGES = 24
SHARE = 0.3
"""Of the things that happen to names, as many happen in rooms."""


class RoomTally:
    """What must not have happened, by kind, and what has."""

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()


class NodeRooms:
    """The rooms of one start of a node, and the pages that are connected to it."""

    def __init__(self, name: str, supervisor: Supervisor, cluster: Cluster) -> None:
        services = RoomServices(node_id=name, settings=Settings(), wall_clock=lambda: 1000.0 + trio.current_time())
        self.here = RoomDirectory(services, supervisor)
        self.rooms = ClusterRooms(self.here, cluster.rooms)
        self.pages: list[SimulatedPage] = []


class SimulatedPage:
    """A session that is in one room, or wants to be."""

    def __init__(self, node: NodeRooms, tally: RoomTally, *, number: int, room: str, login: str) -> None:
        self.node, self.room, self.login = node, room, login
        self.is_in = False
        self.streams: dict[str, str] = {}
        self.view: dict[str, set[str]] | None = None
        self._tally, self._number = tally, number
        self._names = count(1)
        self._heard: set[int] = set()
        self.member: RoomMember | None = node.rooms.enter(
            (APP, room), self, login=login, session_id=f"session {number}", address="", called=room
        )
        self.member.submit(JoinRequest(at=self.member.room.now_ms(), operation=self._joined))

    def _joined(self, info: str | None) -> None:
        self.is_in = info is None
        self._tally.events["joined" if info is None else info] += 1

    def do(self, what: str, chance: random.Random, message: int) -> None:
        """One of the things that a page does. RoomRefused if it cannot."""
        if self.member is None:
            return
        match what:
            case "leave":
                self.member.submit(LeaveRequest(operation=lambda info: None))
            case "vanish":
                self.vanish()
            case "say":
                to = f"login {chance.randrange(LOGINS)}"
                self.member.submit(MessageRequest(to=to, text=message, operation=self._said))
            case "publish" if self.is_in:
                stream = f"{self._number}-{next(self._names)}"
                self.streams[stream] = stream
                at = self.member.room.now_ms()
                self.member.submit(StreamStarted(media_session_id=stream, name=stream, at=at))
            case "unpublish" if self.streams:
                stream = next(iter(self.streams))
                del self.streams[stream]
                self.member.submit(StreamOver(media_session_id=stream, failed=False))

    def vanish(self) -> None:
        """The session is gone."""
        if self.member is not None:
            self.member.lost()
        self._out()

    def _said(self, info: str | None) -> None:
        self._tally.events["said" if info is None else info] += 1

    def _out(self) -> None:
        self.is_in, self.member, self.view = False, None, None
        self.streams.clear()
        if self in self.node.pages:
            self.node.pages.remove(self)

    # -- as a client of rooms ----------------------------------------------------------------------

    def room_event(self, member: RoomMember, event: RoomEvent) -> None:
        match event.name, event.info:
            case RoomEventName.STATE, entries:
                self._fault("a second STATE", self.view is not None)
                self.view = {}
                for entry in entries:
                    login, name = (entry, None) if isinstance(entry, str) else (entry["login"], entry["name"])
                    self.view.setdefault(login, set()).update([] if name is None else [name])
            case RoomEventName.MESSAGE, {"text": int(number)}:
                self._fault("a message came twice", number in self._heard)
                self._heard.add(number)
            case name, info if self.view is not None:
                self._apply(name, info, self.view)
            case _:
                self._fault("an event before STATE", True)

    def _apply(self, name: str, info: Any, view: dict[str, set[str]]) -> None:
        login = info if isinstance(info, str) else info["login"]
        self._tally.events[name] += 1
        self._fault("an event about itself", login == self.login)
        match name:
            case RoomEventName.JOINED:
                self._fault("JOINED twice", login in view)
                view[login] = set()
            case RoomEventName.LEFT:
                self._fault("LEFT without JOINED", login not in view)
                view.pop(login, None)
            case RoomEventName.PUBLISHED:
                self._fault("PUBLISHED twice", info["name"] in view.get(login, ()))
                view.setdefault(login, set()).add(info["name"])
            case _:
                self._fault("an end without PUBLISHED", info["name"] not in view.get(login, ()))
                view.get(login, set()).discard(info["name"])

    def _fault(self, what: str, happened: bool) -> None:
        self._tally.faults[what] += happened

    def room_left(self, member: RoomMember) -> None:
        self.is_in = False

    def room_seat_taken(self, member: RoomMember, info: str | None, kick: Kick | None) -> None:
        self._out()

    def room_streams(self, member: RoomMember) -> Iterable[Follower]:
        return ()

    def room_refuses_stream(self, member: RoomMember, media_session_id: str, info: str) -> None:
        self.streams.pop(media_session_id, None)


class HasRooms(Protocol):
    """A node of the simulation."""

    name: str
    is_up: bool
    room_node: NodeRooms


class RoomLife:
    """What happens in all rooms."""

    def __init__(self, nodes: Iterable[HasRooms], chance: random.Random) -> None:
        self.tally = RoomTally()
        self._nodes, self._chance = list(nodes), chance
        self._pages, self._messages = count(1), count(1)

    def happen(self) -> None:
        """One thing, on some node; mostly nothing."""
        if self._chance.random() > SHARE:
            return
        node = self._chance.choice(self._nodes)
        if not node.is_up:
            return
        pages = node.room_node.pages
        what = self._chance.choices(("join", "leave", "vanish", "say", "publish", "unpublish"), (5, 1, 1, 4, 3, 2))[0]
        try:
            if what == "join" and len(self._all()) < MOST_PAGES:
                self._join(node.room_node)
            elif pages:
                self._chance.choice(pages).do(what, self._chance, next(self._messages))
        except RoomRefused as refused:
            self.tally.events[refused.info] += 1

    def _join(self, node: NodeRooms) -> None:
        room, login = f"room {self._chance.randrange(ROOMS)}", f"login {self._chance.randrange(LOGINS)}"
        node.pages.append(SimulatedPage(node, self.tally, number=next(self._pages), room=room, login=login))

    def _all(self) -> list[SimulatedPage]:
        return [page for node in self._nodes if node.is_up for page in node.room_node.pages]

    def examine(self) -> None:
        """All is well: count what is not."""
        for number in range(ROOMS):
            room = f"room {number}"
            pages = [page for page in self._all() if page.room == room]
            members = [page for page in pages if page.is_in]
            self.tally.faults["waits"] += len(pages) - len(members)
            self.tally.events["examined"] += len(members)
            self._examine(room, members)

    def _examine(self, room: str, members: list[SimulatedPage]) -> None:
        truth = {page.login: set(page.streams.values()) for page in members}
        for page in members:
            others = {login: streams for login, streams in truth.items() if login != page.login}
            self.tally.faults["another view"] += page.view != others
        self.tally.faults["two of one login"] += len(members) - len(truth)
        hosts = [found for node in self._nodes if node.is_up and (found := node.room_node.here.get((APP, room)))]
        self.tally.faults["hosts"] += len(hosts) != bool(members)
        known = {login for host in hosts for login in host.logins}
        self.tally.faults["ghosts"] += len(known - truth.keys())
