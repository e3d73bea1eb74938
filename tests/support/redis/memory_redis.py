"""The registry of a cluster in memory, with faults at will: the same outcomes as the scripts have inside Redis.

A contract suite runs over this one and a real redis-server, so that they stay the same.

    redis = MemoryRedis(); registry = redis.connect("node-1")
    redis.cut("node-1")        its requests are lost, or their replies
    redis.hang(); redis.wipe()
    saved = redis.saved(); redis.restart_with(saved)      its data is that of a moment ago
"""

import math
import random
from collections.abc import Callable, Sequence
from copy import deepcopy
from typing import Any, Final, TypeVar

import trio

from actors.cluster.registry.registry import PUBLICATIONS, RegistryUnavailable
from protocol.cluster.claims import Batch, BatchFate, BatchReply, ClaimSpace, Holder
from protocol.cluster.members import LEASE, SWEEP_AFTER, Beat, Member, MemberInfo
from protocol.cluster.scripts import LOG_PAGE, MAX_LOG, Joined, LogEntry, Sent, log_order
from tests.support.redis.memory_rows import MemoryRowRegistry, MemoryRows

T = TypeVar("T")
START_MS = 1_700_000_000_000
_DATA: Final = ("leases", "infos", "held", "numbers", "log", "boot", "epoch")


class MemoryRedis:
    """The server."""

    def __init__(self, *, chance: random.Random | None = None) -> None:
        self.chance = chance or random.Random(1)
        self.is_away = False
        self.cut_off: set[str] = set()
        self.loss = 0.0
        """How many of the messages between nodes are lost on the way, of 1."""
        self.skew_ms = 0
        """How far its clock has jumped."""
        self.max_delay = 0.0
        """Seconds of the network, each way, at most."""
        self.listeners: dict[str, _Listener] = {}
        self.epoch = self.wipes = 0
        self.wipe()

    def wipe(self) -> None:
        """All data is lost, as by FLUSHALL; subscriptions stay."""
        self.leases: dict[str, float] = {}
        self.infos: dict[str, tuple[str, str]] = {}
        self.held: dict[ClaimSpace, dict[str, Holder]] = {space: {} for space in ClaimSpace}
        self.numbers: dict[ClaimSpace, dict[str, int]] = {space: {} for space in ClaimSpace}
        self.log: list[LogEntry] = []
        self.boot: str | None = None
        self.tables = MemoryRows(self)
        self.epoch = 0
        self.wipes += 1

    def saved(self) -> dict[str, Any]:
        """Its data as it is now."""
        return deepcopy({name: getattr(self, name) for name in _DATA} | {"rows": self.tables.state})

    def restart_with(self, saved: dict[str, Any]) -> None:
        """It was killed, and has started again from this; or another one has taken its place."""
        for client in list(self.listeners):
            self.end_listening(client)
        data = deepcopy(saved)
        self.tables.state = data.pop("rows")
        for name, value in data.items():
            setattr(self, name, value)

    def connect(self, client: str, *, lease: float = LEASE, sweep_after: float = SWEEP_AFTER) -> "MemoryRegistry":
        """`lease` and `sweep_after`: seconds."""
        return MemoryRegistry(self, client, lease_ms=round(lease * 1000), sweep_ms=round(sweep_after * 1000))

    def cut(self, client: str) -> None:
        """The network between this client and the server is gone: nothing arrives, nothing says so."""
        self.cut_off.add(client)
        self.end_listening(client)

    def heal(self, client: str) -> None:
        self.cut_off.discard(client)

    def go_away(self) -> None:
        """The server is killed, or hangs; its data stays."""
        self.is_away = True
        for client in list(self.listeners):
            self.end_listening(client)

    def come_back(self) -> None:
        self.is_away = False

    def end_listening(self, client: str) -> None:
        listener = self.listeners.pop(client, None)
        if listener is not None:
            listener.ended.set()

    # -- what the scripts do -----------------------------------------------------------------------

    @property
    def names(self) -> dict[str, Holder]:
        """Of publications."""
        return self.held[PUBLICATIONS]

    @property
    def rooms(self) -> dict[str, Holder]:
        return self.held[ClaimSpace.ROOMS]

    @property
    def now_ms(self) -> int:
        return START_MS + self.skew_ms + int(trio.current_time() * 1000)

    def is_alive(self, member: str) -> bool:
        return self.leases.get(member, -math.inf) > self.now_ms

    def alive(self) -> list[str]:
        """Members whose lease runs, as a sorted set lists them."""
        return [member for _, member in sorted((end, each) for each, end in self.leases.items() if end > self.now_ms)]

    def join(self, node: str, place: str, info: str, lease_ms: int) -> Joined:
        self.epoch = max(self.epoch + 1, self.now_ms)
        for member, (known, _) in list(self.infos.items()):
            if member.startswith(f"{node}/") and known == place:
                self.leave(member)
        member = f"{node}/{self.epoch}"
        self.leases[member] = self.now_ms + lease_ms
        self.infos[member] = place, info
        return Joined(member=member, now_ms=self.now_ms)

    def beat(self, member: str, place: str, info: str, boot: str, *, lease_ms: int, sweep_ms: int) -> Beat:
        kept = self.is_alive(member)
        self.leases[member] = self.now_ms + lease_ms
        self.infos[member] = place, info
        self.boot = self.boot or boot
        dead = [each for each, end in self.leases.items() if end <= self.now_ms - sweep_ms]
        for each in dead:
            self._forget(each)
        return Beat(
            now_ms=self.now_ms,
            kept=kept,
            boot=self.boot,
            names=len(self.names),
            last_log_id=self.log[-1].id if self.log else "0-0",
            swept=len(dead),
            members=tuple(Member(name=each, info=MemberInfo.decode(self.infos[each][1])) for each in self.alive()),
        )

    def leave(self, member: str) -> None:
        self.leases[member] = 0
        self.infos.pop(member, None)

    def _forget(self, member: str) -> None:
        self.leases.pop(member, None)
        self.infos.pop(member, None)
        for numbers in self.numbers.values():
            numbers.pop(member, None)

    def write(self, member: str, batch: Batch, *, space: ClaimSpace = PUBLICATIONS) -> BatchReply:
        names, numbers = self.held[space], self.numbers[space]
        if batch.number <= numbers.get(member, 0):
            return BatchReply(fate=BatchFate.STALE)
        numbers[member] = batch.number
        for named in batch.releases:
            if names.get(named.name) == Holder(member, named.media_session_id):
                del names[named.name]
        if not self.is_alive(member):
            return BatchReply(fate=BatchFate.FENCED)
        holders: list[Holder | None] = []
        for named in batch.claims:
            holder = names.get(named.name)
            is_free = holder is None or holder.member == member or not self.is_alive(holder.member)
            if is_free:
                names[named.name] = Holder(member, named.media_session_id)
            holders.append(None if is_free else holder)
        return BatchReply(fate=BatchFate.DONE, holders=tuple(holders))

    def locate(self, name: str, *, space: ClaimSpace = PUBLICATIONS) -> Holder | None:
        holder = self.held[space].get(name)
        return holder if holder is not None and self.is_alive(holder.member) else None

    def send(self, text: str, *, logged: bool) -> Sent:
        log_id = self._logged(text) if logged else None
        self.publish(text, log_id)
        return Sent(log_id=log_id, members=tuple(self.alive()))

    def publish(self, text: str, log_id: str | None = None) -> None:
        for listener in list(self.listeners.values()):
            self._deliver(listener, log_id, text)

    def _logged(self, text: str) -> str:
        last = log_order(self.log[-1].id) if self.log else (0, 0)
        now = max((self.now_ms, 0), (last[0], last[1] + 1))
        log_id = f"{now[0]}-{now[1]}"
        self.log = [*self.log[-MAX_LOG:], LogEntry(log_id, text)]
        return log_id

    def tell(self, member: str, text: str) -> None:
        for listener in list(self.listeners.values()):
            if listener.member == member:
                self._deliver(listener, None, text)

    def _deliver(self, listener: "_Listener", log_id: str | None, text: str) -> None:
        is_lost = bool(self.loss) and self.chance.random() < self.loss
        if listener.client not in self.cut_off and not is_lost:
            listener.on_message(log_id, text)

    def read_log(self, after: str) -> Sequence[LogEntry]:
        return [entry for entry in self.log if log_order(entry.id) > log_order(after)][:LOG_PAGE]

    def purge(self, space: ClaimSpace) -> int:
        held = self.held[space]
        self.held[space] = {name: holder for name, holder in held.items() if holder.member in self.leases}
        return 0


class _Listener:
    def __init__(self, client: str, member: str, on_message: Callable[[str | None, str], None]) -> None:
        self.client, self.member, self.on_message = client, member, on_message
        self.ended = trio.Event()


class MemoryRegistry:
    """A client's side: implements `actors.cluster.registry.registry.Registry`."""

    def __init__(self, redis: MemoryRedis, client: str, *, lease_ms: int, sweep_ms: int) -> None:
        self._redis, self._client = redis, client
        self._lease_ms, self._sweep_ms = lease_ms, sweep_ms
        self.timeout = 1.0
        self.calls = 0
        self.rows = MemoryRowRegistry(lambda: redis.tables, self._do)

    async def join(self, *, node: str, place: str, info: str) -> Joined:
        return await self._do(lambda: self._redis.join(node, place, info, self._lease_ms))

    async def beat(self, *, member: str, place: str, info: str, boot: str) -> Beat:
        return await self._do(lambda: self._beaten(member, place, info, boot))

    def _beaten(self, member: str, place: str, info: str, boot: str) -> Beat:
        times = {"lease_ms": self._lease_ms, "sweep_ms": self._sweep_ms}
        return self._redis.beat(member, place, info, boot, **times)

    async def write(self, member: str, batch: Batch, *, space: ClaimSpace = PUBLICATIONS) -> BatchReply:
        return await self._do(lambda: self._redis.write(member, batch, space=space))

    async def locate(self, name: str, *, space: ClaimSpace = PUBLICATIONS) -> Holder | None:
        return await self._do(lambda: self._redis.locate(name, space=space))

    async def send(self, text: str, *, logged: bool) -> Sent:
        return await self._do(lambda: self._redis.send(text, logged=logged))

    async def tell(self, member: str, text: str) -> None:
        await self._do(lambda: self._redis.tell(member, text))

    async def reply(self, member: str, text: str) -> None:
        await self.tell(member, text)

    async def read_log(self, after: str) -> Sequence[LogEntry]:
        return await self._do(lambda: self._redis.read_log(after))

    async def purge(self, cursor: int, *, space: ClaimSpace = PUBLICATIONS) -> int:
        return await self._do(lambda: self._redis.purge(space))

    async def leave(self, member: str) -> None:
        await self._do(lambda: self._redis.leave(member))

    async def listen(
        self, member: str, *, on_open: Callable[[], None], on_message: Callable[[str | None, str], None]
    ) -> None:
        await self._cross()
        listener = self._redis.listeners[self._client] = _Listener(self._client, member, on_message)
        try:
            on_open()
            await listener.ended.wait()
        finally:
            if self._redis.listeners.get(self._client) is listener:
                del self._redis.listeners[self._client]
        raise RegistryUnavailable("the subscription has ended")

    async def _do(self, work: Callable[[], T]) -> T:
        """There and back; either way may be cut. What is cut on the way back has been done."""
        self.calls += 1
        await self._cross()
        done = work()
        await self._cross()
        return done

    async def _cross(self) -> None:
        redis = self._redis
        await trio.sleep(redis.chance.uniform(0, redis.max_delay) if redis.max_delay else 0)
        if redis.is_away or self._client in redis.cut_off:
            await trio.sleep(self.timeout)
            raise RegistryUnavailable("no answer in time")
