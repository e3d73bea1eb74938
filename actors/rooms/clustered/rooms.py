"""The rooms of a cluster as one node has them: those that are here, and those that somebody here is in."""

import uuid
from collections.abc import Awaitable, Callable, Iterable
from functools import partial

import trio
from attrs import evolve

from actors.cluster.rooms.carrier import RoomCarrier
from actors.node.termination import Follower
from actors.rooms.clustered.branch import BranchServices, RoomBranch
from actors.rooms.clustered.executing import RoomOrders
from actors.rooms.clustered.host import HostServices, RoomHost
from actors.rooms.clustered.news_line import MOST_WAITING_ALL, LineCounters, NewsLine
from actors.rooms.directory import RoomDirectory
from actors.rooms.member import RoomClient, RoomMember
from actors.rooms.room import RoomServices
from actors.runtime.actor import crash_guard
from actors.runtime.logs import get_logger
from protocol.cluster.claims import Named
from protocol.cluster.messages import NodeReply
from protocol.cluster.rooms.messages import ELSEWHERE, TAKEN, RoomAsk, RoomNews, RoomWords, SeekRoom
from protocol.cluster.rooms.presence import PATIENCE
from protocol.common.memory_budget import Allowance
from protocol.node.filters import RoomFilter
from protocol.rooms.bans import RoomKey
from protocol.rooms.info_texts import RoomInfo, RoomRefused

log = get_logger("rooms")

GATHER_TIMEOUT = 3.0
"""Seconds for all nodes to turn to a room that has moved; who comes later is told what was missed then."""
LOOK_AGAIN = 0.5
"""Seconds until it is asked again who has a room of which the registry knows nothing any more."""
SETTLE_SHARE = 0.7
"""Of the time that a request waits for nodes, how much the members' nodes may take."""


class ClusterRooms:
    """Implements `actors.rooms.RoomPlaces`, and `RoomHandler` for what other nodes say. `here`: rooms of this node."""

    def __init__(self, here: RoomDirectory, carrier: RoomCarrier) -> None:
        self.lines = LineCounters()
        self.moves = 0
        """Rooms that have come from another node, or were looked for there."""
        self._here, self._carrier = here, carrier
        self._orders = RoomOrders(here, self.settled)
        self._running: set[NewsLine] = set()
        self._hosts: dict[RoomKey, RoomHost] = {}
        self._branches: dict[RoomKey, RoomBranch] = {}
        self._is_closing = False
        self._ended_one = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._host_services = HostServices(
            directory=here,
            carrier=carrier,
            allowance=Allowance(MOST_WAITING_ALL),
            counters=self.lines,
            start=self._start_line,
            streams_here=self._streams_here,
            gather=self._gather,
            moved=self._move_away,
        )
        wall_clock = here.services.wall_clock
        self._branch_services = BranchServices(
            carrier=carrier,
            now_ms=lambda: int(wall_clock() * 1000),
            new_id=lambda: uuid.uuid4().hex,
            host=self._host,
            is_here=self._hosts.__contains__,
            is_closing=lambda: self._is_closing,
        )
        here.on_end = self._ended
        carrier.open(self)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hold the tasks of rooms until cancelled."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    async def finish(self, timeout: float) -> None:
        """At the end of the server, when its sessions have ended: wait until other nodes know it."""
        with trio.move_on_after(timeout):
            while self._branches or self._running:
                await self._ended_one.wait()

    def _note_end(self) -> None:
        self._ended_one.set()
        self._ended_one = trio.Event()

    def statistics(self) -> dict[str, int]:
        """For the server's statistics."""
        return {
            "cluster_rooms_here": len(self._hosts),
            "cluster_rooms_joined": len(self._branches),
            "cluster_rooms_moved": self.moves,
            "cluster_room_messages": self.lines.sent,
            "cluster_room_events_dropped": self.lines.dropped,
            "cluster_room_gaps": self.lines.gaps,
        }

    # -- for sessions ------------------------------------------------------------------------------

    @property
    def services(self) -> RoomServices:
        return self._here.services

    def get(self, key: RoomKey) -> RoomBranch | None:
        """The room of this application and name, if somebody here is in it."""
        return self._branches.get(key)

    def enter(
        self, key: RoomKey, client: RoomClient, *, login: str, session_id: str, address: str, called: str
    ) -> RoomMember:
        """A seat for `client` in a room, wherever it is. Raises RoomRefused."""
        branch = self._branches.get(key)
        if branch is None:
            branch = self._open(key)
        return branch.enter(client, login=login, session_id=session_id, address=address, called=called)

    def _open(self, key: RoomKey) -> RoomBranch:
        if len(self._branches) >= self.services.settings.rooms_max_rooms:
            raise RoomRefused(RoomInfo.TOO_MANY_ROOMS, limit="rooms.max_rooms")
        if self._nursery is None:
            raise RoomRefused(RoomInfo.SERVER_IS_SHUTTING_DOWN)
        branch = self._branches[key] = RoomBranch(key, self._branch_services)
        self._nursery.start_soon(self._run_branch, branch)
        return branch

    async def _run_branch(self, branch: RoomBranch) -> None:
        try:
            with crash_guard(lambda error: log.error("room crashed", room=branch.name, crash=error)):
                await branch.run()
        finally:
            del self._branches[branch.key]
            self._note_end()

    # -- for operators -----------------------------------------------------------------------------

    @property
    def here(self) -> RoomDirectory:
        """The rooms of this node."""
        return self._here

    async def settled(self, query: RoomFilter) -> tuple[str, ...]:
        """Wait until all members of such rooms here have been told everything. The nodes that do not acknowledge it."""
        running = [line for line in self._running if query.matches(app_key=line.key[0], name=line.key[1])]
        with trio.move_on_after(self.services.settings.cluster_answer_timeout * SETTLE_SHARE):
            for line in running:
                await line.settled()
        return tuple(sorted({line.member for line in running if line in self._running}))

    # -- for other nodes ---------------------------------------------------------------------------

    async def carry_out(self, ask: RoomAsk, blank: NodeReply) -> NodeReply:
        """The reply: `blank`, filled in."""
        match ask:
            case RoomWords():
                self._carrier.heard(ask.member)
                host = self._hosts.get(ask.key)
                return evolve(blank, verdict=ELSEWHERE if host is None else host.take(ask))
            case RoomNews():
                branch = self._branches.get(ask.key)
                verdict, banned = (ELSEWHERE, 0) if branch is None else await branch.take(ask)
                return evolve(blank, verdict=verdict, banned=banned)
            case SeekRoom():
                return evolve(blank, count=int(self._turn_to(ask)), verdict=TAKEN)
        return await self._orders.carry_out(ask, blank)

    def _turn_to(self, ask: SeekRoom) -> bool:
        """Whether members of this node come."""
        branch = self._branches.get(ask.key)
        if branch is None or not branch.has_members or branch.host == ask.member:
            return False
        self._carrier.heard(ask.member)
        if branch.host is not None and not self._hosts.get(ask.key):
            branch.detach()
        return True

    def beaten(self, *, is_intact: bool) -> None:
        """Turn away from nodes that are gone, and again to those that may have missed this one."""
        gone = self._carrier.is_gone
        for branch in tuple(self._branches.values()):
            if branch.host and gone(branch.host):
                branch.detach()
            elif branch.host and not is_intact:
                self._start(partial(self._turn_again, branch, branch.host))
        for host in tuple(self._hosts.values()):
            if not is_intact:
                host.check()
            host.probe()
            for member in host.members():
                if gone(member):
                    host.drop(member)

    async def _turn_again(self, branch: RoomBranch, host: str) -> None:
        """A registry that has lost its data learns who has a room by that node's next beat: until then all goes on."""
        with trio.move_on_after(PATIENCE):
            # Redis tells nobody that the entry is written again.
            while branch.host == host and await self._carrier.holder_of(branch.key) is None:  # noqa: ASYNC110
                await trio.sleep(LOOK_AGAIN)
        if branch.host == host:
            branch.detach(is_known=not self._carrier.is_gone(host))

    def tick(self) -> None:
        """Refuse what waits for too long."""
        now = trio.current_time()
        for branch in tuple(self._branches.values()):
            branch.tick(now)

    def lost_room(self, key: RoomKey) -> None:
        """Another node has it."""
        host = self._hosts.pop(key, None)
        if host is not None:
            log.info("room is on another node now", room=key[1], app=key[0])
            host.abandon()

    # -- rooms that are here -----------------------------------------------------------------------

    def _host(self, key: RoomKey, named: Named) -> None:
        self._hosts[key] = RoomHost(key, named, self._host_services)

    def _ended(self, key: RoomKey) -> None:
        """Nobody is in the room any more."""
        host = self._hosts.get(key)
        if host is not None and host.is_empty:
            self._give_back(host)

    def _move_away(self, host: RoomHost) -> None:
        """This server ends: another one is to have the room."""
        self._is_closing = True
        self._give_back(host)
        host.abandon()

    def _give_back(self, host: RoomHost) -> None:
        if self._hosts.get(host.key) is host:
            del self._hosts[host.key]
            self._carrier.claims.release(host.named)

    def _gather(self, host: RoomHost) -> None:
        self.moves += 1
        self._start(partial(self._gather_all, host))

    async def _gather_all(self, host: RoomHost) -> None:
        with trio.move_on_after(GATHER_TIMEOUT):
            app_key, name = host.key
            ask = SeekRoom(app_key=app_key, name=name, member=self._carrier.member)
            gathered = await self._carrier.ask_all(ask)
            coming = {reply.sender for reply in gathered.replies if reply.count}
            while any(not host.has_line(member) for member in coming):
                await host.changed.wait()
        host.gathered()

    def _streams_here(self, key: RoomKey, seat: str) -> Iterable[Follower]:
        branch = self._branches.get(key)
        return () if branch is None else branch.streams_of(seat)

    def _start_line(self, line: NewsLine) -> None:
        self._running.add(line)
        self._start(partial(self._run_line, line))

    async def _run_line(self, line: NewsLine) -> None:
        try:
            await line.run()
        finally:
            self._running.discard(line)
            self._note_end()

    def _start(self, work: Callable[[], Awaitable[None]]) -> None:
        if self._nursery is not None:
            self._nursery.start_soon(self._guarded, work)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        with crash_guard(lambda error: log.error("room crashed", crash=error)):
            await work()
