"""Whole nodes of a cluster in simulated time, over a registry in memory that is cut off, away and wiped at random.

    tally = await simulate(nodes=20, seconds=600, seed=1)       in a test with `autojump_clock`

Streams are published and stopped on all nodes all the time, under few names, and pages meet in rooms
(`room_simulation`). Every two minutes everything heals; 15 seconds later it is examined whether each stream has its
name in the registry, no two have the same, and the registry has no other; and whether each page knows who is in its
room. The same seed is the same run.
"""

import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import trio
import trio._core._run as trio_run
from attrs import define, field

from actors.cluster.cluster import Cluster, NodeParts
from actors.cluster.directory import ClusterDirectory
from actors.cluster.membership import NodeIdentity
from actors.node.bans import Bans
from actors.node.control import LocalNode
from actors.node.data_delivery import DataDelivery
from actors.node.directory import Claim, NameInUse
from actors.node.drain import Drain
from actors.node.ports.drain import LocalDrain
from actors.node.supervisor import Supervisor
from actors.node.termination import Follower
from actors.runtime.actor import Actor, StopReason
from actors.storage.run_record import RunRecord
from actors.stream.event_delivery import StreamEventDelivery
from config.live import Live
from config.settings import Settings
from protocol.cluster.members import MemberInfo
from protocol.node.descriptions import StreamDescription, StreamMeasures, StreamTraffic
from protocol.node.filters import StreamFilter
from tests.support.cluster.room_simulation import NodeRooms, RoomLife
from tests.support.redis.memory_redis import MemoryRedis

NAMES = 100
PERIOD = 120.0
"""Seconds between two examinations."""
QUIET = 15.0
"""Seconds before each, in which all is well and nothing is published or stopped."""
CATCHES_UP = 5.0
"""Seconds until a node has read in the log what it could not hear."""
OVER = StopReason(cause="over")
TERMINATED = StopReason(cause="terminated", info="terminated")


@define
class Tally:
    """What happened, and what must not have."""

    events: Counter[str] = field(factory=Counter)
    duplicates: int = 0
    ghosts: int = 0
    """Names in the registry that no stream has."""
    unregistered: int = 0
    survivors: int = 0
    """Streams that a terminate was for, and that live."""
    rooms: Counter[str] = field(factory=Counter)
    """See `RoomTally.faults`."""

    @property
    def faults(self) -> dict[str, int]:
        """What must not be, as far as it is."""
        names = {
            "duplicates": self.duplicates,
            "ghosts": self.ghosts,
            "unregistered": self.unregistered,
            "survivors": self.survivors,
        }
        return {name: number for name, number in {**names, **self.rooms}.items() if number}


class SimulatedStream(Actor[None]):
    """A publication without media: it takes its name as a real one does."""

    published = leads = True
    app_key, session_id, media_provider, room_name = "app", "session", "none", None
    has_video = has_audio = False
    weight, audience = 1, 0
    numbers: ClassVar[int] = 0

    def __init__(self, node: "SimulatedNode", name: str, media_session_id: str | None = None) -> None:
        super().__init__()
        SimulatedStream.numbers += 1
        self.node, self.name, self.node_id = node, name, node.name
        self.media_session_id = media_session_id or str(SimulatedStream.numbers)
        self.is_live = False
        self._claim: Claim[str] | None = None

    @property
    def status(self) -> str:
        return "PUBLISHING" if self.is_live else "PENDING"

    async def on_start(self) -> None:
        try:
            self._claim = await self.node.directory.request(self.name, self.media_session_id)
            await self.go_on()
            await self._claim.take()
            await self.go_on()
        except NameInUse:
            self.node.tally.events["refused"] += 1
            self.stop(OVER)
            return
        self._claim.announce(self.media_session_id)
        self.is_live = True

    def withdraw(self, reason: StopReason) -> None:
        self.is_live = False
        if self._claim is not None:
            self._claim.release()

    def release_followers(self, reason: StopReason) -> tuple[tuple[Follower, StopReason], ...]:
        return ()

    def describe(self, *, traffic: bool = True) -> StreamDescription:
        names = ("node_id", "app_key", "session_id", "media_session_id", "name", "published", "has_video", "has_audio")
        return StreamDescription(**{each: getattr(self, each) for each in names}, status=self.status, create_date=0)

    def measure(self) -> StreamMeasures:
        return StreamMeasures(traffic=StreamTraffic(), audio_codec=None, video_codec=None)


class SimulatedNode:
    """One node, which may be killed and starts again."""

    def __init__(
        self, redis: MemoryRedis, name: str, chance: random.Random, tally: Tally, *, identity: str | None = None
    ) -> None:
        self.name, self.tally = name, tally
        self._identity = NodeIdentity(node=identity or name, place=name)
        self._redis, self._chance = redis, chance
        self._killed = trio.CancelScope()
        self.is_up = False
        self.is_over = False
        self.down_for = 0.0
        self.prepare: Callable[[Cluster], None] = lambda cluster: None
        """Called at each start, before the node joins."""
        self.live = Live(Settings())
        self.rows_path: Path | None = None
        self.wall_clock: Callable[[], float] = time.time

    async def run(self) -> None:
        while not self.is_over:
            with trio.CancelScope() as self._killed:
                await self._live()
            self.is_up = False
            self._redis.end_listening(self.name)
            await trio.sleep(self.down_for)

    async def _live(self) -> None:
        self.supervisor = Supervisor(record=RunRecord())
        self.registry = self._redis.connect(self.name)
        self.drain = Drain(self.supervisor)
        self.drain.serve()
        self.cluster = Cluster(self.registry, self._parts(), chance=self._chance)
        self.prepare(self.cluster)
        self.room_node = NodeRooms(self.name, self.supervisor, self.cluster)
        self.directory: ClusterDirectory[str] = ClusterDirectory(self.cluster.names, self.cluster)
        async with trio.open_nursery() as nursery:
            await nursery.start(self.supervisor.run)
            await nursery.start(self.room_node.rooms.run)
            await nursery.start(self.cluster.run)
            self.is_up = True

    def _parts(self) -> NodeParts:
        return NodeParts(
            identity=self._identity,
            node_id=self.name,
            node=LocalNode(self.name, self.supervisor, dict),
            supervisor=self.supervisor,
            bans=Bans(),
            data=DataDelivery(self.name, self.supervisor),
            stream_events=StreamEventDelivery(self.supervisor),
            drain=LocalDrain(self.drain, self.name),
            settings=self.live.settings,
            info=lambda: MemberInfo(node_id=self.name, state=self.drain.state),
            name_in_use=OVER,
            rows_path=self.rows_path,
            wall_clock=self.wall_clock,
        )

    def kill(self, down_for: float) -> None:
        """At once: nobody is told."""
        self.down_for = down_for
        self._killed.cancel()

    def end(self) -> None:
        self.is_over = True
        self._killed.cancel()

    def streams(self) -> list[SimulatedStream]:
        live = self.supervisor.streams() if self.is_up else ()
        return [stream for stream in live if isinstance(stream, SimulatedStream)]

    def publish(self, name: str, media_session_id: str | None = None) -> None:
        if self.is_up:
            self.supervisor.adopt_stream(SimulatedStream(self, name, media_session_id))


class Simulation:
    """See above."""

    def __init__(self, nodes: int, seed: int) -> None:
        self._chance = random.Random(seed)
        self.tally = Tally()
        self.redis = MemoryRedis(chance=random.Random(seed + 1))
        self.redis.max_delay = 0.05
        self.nodes = [
            SimulatedNode(self.redis, f"n{number}", random.Random(seed + number), self.tally) for number in range(nodes)
        ]
        self.rooms = RoomLife(self.nodes, random.Random(seed + 2))
        self.tally.rooms = self.rooms.tally.faults
        self._terminated: set[str] = set()
        self._hears_since = dict.fromkeys((node.name for node in self.nodes), 0.0)

    async def run(self, seconds: float) -> Tally:
        async with trio.open_nursery() as nursery:
            for node in self.nodes:
                nursery.start_soon(node.run)
            end = trio.current_time() + seconds
            while trio.current_time() < end:
                await self._one_period(nursery)
            for node in self.nodes:
                node.end()
        return self.tally

    async def _one_period(self, nursery: trio.Nursery) -> None:
        with trio.move_on_after(PERIOD - QUIET):
            while True:
                await trio.sleep(self._chance.expovariate(10))
                self._happen(nursery)
                self.rooms.happen()
        self._heal()
        await trio.sleep(QUIET)
        self._examine()

    def _happen(self, nursery: trio.Nursery) -> None:
        node = self._chance.choice(self.nodes)
        what = self._chance.choices(
            ("publish", "stop", "terminate", "cut", "kill", "outage", "wipe"), (50, 40, 3, 2, 1, 0.3, 0.5)
        )[0]
        self.tally.events[what] += 1
        match what:
            case "publish":
                node.publish(f"name {self._chance.randrange(NAMES)}")
            case "stop" if streams := node.streams():
                self._chance.choice(streams).stop(OVER)
            case "terminate" if node.is_up:
                nursery.start_soon(self._terminate, node, f"name {self._chance.randrange(NAMES)}")
            case "cut":
                self.redis.cut(node.name)
                nursery.start_soon(self._heal_later, node.name, self._chance.uniform(0.1, 20))
            case "kill":
                node.kill(self._chance.uniform(0.1, 20))
            case "outage" if not self.redis.is_away:
                self.redis.go_away()
                nursery.start_soon(self._come_back_later, self._chance.uniform(0.1, 20))
            case "wipe":
                self._forget_unheard()
                self.redis.wipe()

    def _forget_unheard(self) -> None:
        """What a node that is, or just was, cut off has not heard is lost with the log: who wants it sees 503, and
        repeats it.
        """
        for node in self.nodes:
            is_new = trio.current_time() < self._hears_since[node.name] + CATCHES_UP
            if is_new or node.name in self.redis.cut_off:
                self._terminated -= {stream.media_session_id for stream in node.streams()}

    async def _terminate(self, node: SimulatedNode, name: str) -> None:
        living = {stream.media_session_id for each in self.nodes for stream in each.streams() if stream.name == name}
        wiped = self.redis.wipes
        query = StreamFilter(name=name)
        answer = await node.cluster.control.terminate(
            query, TERMINATED, dry_run=False, deadline=trio.current_time() + 5
        )
        is_heard = answer.coverage is not None and not answer.coverage.is_cut_off and self.redis.wipes == wiped
        if is_heard:  # a request that never reached the log, or that was wiped from it, is repeated by who wants it
            self._terminated |= living

    async def _heal_later(self, client: str, seconds: float) -> None:
        await trio.sleep(seconds)
        self.redis.heal(client)
        self._hears_since[client] = trio.current_time()

    async def _come_back_later(self, seconds: float) -> None:
        await trio.sleep(seconds)
        self.redis.come_back()
        self._hears_since = dict.fromkeys(self._hears_since, trio.current_time())

    def _heal(self) -> None:
        self.redis.come_back()
        for node in self.nodes:
            self.redis.heal(node.name)
            node.down_for = 0.1

    def _examine(self) -> None:
        streams = [stream for node in self.nodes for stream in node.streams()]
        owners = Counter(stream.name for stream in streams)
        held = {stream.name for stream in streams if self._has_its_name(stream)}
        self.tally.events["examined"] += len(streams)
        self.tally.duplicates += sum(count - 1 for count in owners.values())
        self.tally.unregistered += len(owners.keys() - held)
        ghosts = {name for name, holder in self.redis.names.items() if self.redis.is_alive(holder.member)}
        self.tally.ghosts += len(ghosts - owners.keys())
        self.tally.survivors += sum(stream.media_session_id in self._terminated for stream in streams)
        self.rooms.examine()
        self.tally.events["lost"] = sum(node.cluster.names.lost for node in self.nodes)

    def _has_its_name(self, stream: SimulatedStream) -> bool:
        holder = self.redis.names.get(stream.name)
        member = stream.node.cluster.membership.member
        return holder is not None and (holder.member, holder.media_session_id) == (member, stream.media_session_id)


async def simulate(*, nodes: int, seconds: float, seed: int) -> Tally:
    """Run it in the order that the seed says, whatever else has run in this process."""
    schedule: Any = trio_run
    before = schedule._ALLOW_DETERMINISTIC_SCHEDULING, schedule._r
    schedule._ALLOW_DETERMINISTIC_SCHEDULING, schedule._r = True, random.Random(seed)
    SimulatedStream.numbers = 0
    try:
        return await Simulation(nodes, seed).run(seconds)
    finally:
        schedule._ALLOW_DETERMINISTIC_SCHEDULING, schedule._r = before
