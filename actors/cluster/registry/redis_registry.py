"""The registry in Redis. Imported only where `cluster.redis_url` is set: it loads coredis."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import trio
from coredis.retry import NoRetryPolicy

from actors.cluster.registry.link import Call, ClusterLink
from actors.cluster.registry.redis_client import LinkFailed, ScriptRefused, one_kind_of_failure
from actors.cluster.registry.registry import PUBLICATIONS, RegistryUnavailable
from actors.cluster.registry.rows import RedisRows
from actors.runtime.actor import ActorStopped
from protocol.cluster import scripts
from protocol.cluster.claims import Batch, BatchReply, ClaimSpace, Holder
from protocol.cluster.members import BEAT_INTERVAL, LEASE, SWEEP_AFTER, Beat
from protocol.cluster.scripts import Joined, LogEntry, Script, Sent, UnexpectedReply

T = TypeVar("T")
URGENT = (scripts.JOIN, scripts.BEAT, scripts.WRITE, scripts.LEAVE)
"""Without them this node loses its lease, and others the names that it gives back."""


class RedisRegistry:
    """Implements `actors.cluster.registry.registry.Registry`."""

    def __init__(self, link: ClusterLink, *, lease: float = LEASE, sweep_after: float = SWEEP_AFTER) -> None:
        self._link = link
        self._lease_ms, self._sweep_ms = round(lease * 1000), round(sweep_after * 1000)
        self._prefix = f"wcs:{link.url.db}"  # channels are the same for all databases of one Redis
        self.rows = RedisRows(self._run, self._all)

    async def join(self, *, node: str, place: str, info: str) -> Joined:
        return await self._run(scripts.JOIN, scripts.decode_joined, node, place, info, self._lease_ms)

    async def beat(self, *, member: str, place: str, info: str, boot: str) -> Beat:
        times = self._lease_ms, self._sweep_ms
        return await self._run(scripts.BEAT, scripts.decode_beat, member, place, info, *times, boot)

    async def write(self, member: str, batch: Batch, *, space: ClaimSpace = PUBLICATIONS) -> BatchReply:
        names = [text for each in (*batch.releases, *batch.claims) for text in (each.name, each.media_session_id)]

        def decode(reply: Any) -> BatchReply:
            return scripts.decode_written(reply, len(batch.claims))

        script = scripts.SPACES[space].write
        return await self._run(script, decode, member, batch.number, len(batch.releases), *names)

    async def locate(self, name: str, *, space: ClaimSpace = PUBLICATIONS) -> Holder | None:
        return await self._run(scripts.SPACES[space].locate, scripts.decode_located, name)

    async def send(self, text: str, *, logged: bool) -> Sent:
        return await self._run(scripts.SEND, scripts.decode_sent, self._all, text, int(logged))

    async def tell(self, member: str, text: str) -> None:
        await self._run(None, lambda reply: None, self._of(member), f"- {text}")

    async def reply(self, member: str, text: str) -> None:
        await self._link.do(Call(script=None, arguments=(self._of(member), f"- {text}")))

    async def read_log(self, after: str) -> Sequence[LogEntry]:
        return await self._run(scripts.READ_LOG, scripts.decode_log, after)

    async def purge(self, cursor: int, *, space: ClaimSpace = PUBLICATIONS) -> int:
        return await self._run(scripts.SPACES[space].purge, scripts.decode_cursor, cursor)

    async def leave(self, member: str) -> None:
        await self._run(scripts.LEAVE, lambda reply: None, member)

    async def listen(
        self, member: str, *, on_open: Callable[[], None], on_message: Callable[[str | None, str], None]
    ) -> None:
        subscription = _Subscription(on_open, on_message)
        reason = "the subscription has ended"
        try:
            with one_kind_of_failure():
                await self._listen([self._all, self._of(member)], subscription)
        except (LinkFailed, ScriptRefused) as error:
            reason = str(error)
        if not subscription.is_open:
            await self._run(None, lambda reply: None, self._of(member), "-")  # if Redis forbids it, it says so here
        raise RegistryUnavailable(reason)

    async def _listen(self, channels: list[str], subscription: "_Subscription") -> None:
        async with self._link.open_client() as client:
            async with client.pubsub(
                channels=channels, retry_policy=NoRetryPolicy(), max_idle_seconds=BEAT_INTERVAL
            ) as messages:
                async for message in messages:
                    if message["type"] == "subscribe":
                        subscription.confirmed(of=len(channels))
                    elif message["type"] == "message":
                        subscription.take(_decoded(message["data"]))

    @property
    def _all(self) -> str:
        return f"{self._prefix}:all"

    def _of(self, member: str) -> str:
        return f"{self._prefix}:re:{member}"

    async def _run(self, script: Script | None, decode: Callable[[Any], T], *arguments: str | int) -> T:
        call = Call(script=script, arguments=arguments, is_urgent=script in URGENT)
        try:
            return decode(await self._link.ask(call, timeout=2 * self._link.timeout))
        except (trio.TooSlowError, ActorStopped):
            raise RegistryUnavailable("no answer in time") from None
        except UnexpectedReply as error:
            raise RegistryUnavailable(f"another program uses the keys wcs:*: unexpected reply {error}") from None


class _Subscription:
    """What is heard, once Redis has confirmed each channel."""

    def __init__(self, on_open: Callable[[], None], on_message: Callable[[str | None, str], None]) -> None:
        self.is_open = False
        self._confirmed = 0
        self._on_open, self._on_message = on_open, on_message

    def confirmed(self, *, of: int) -> None:
        self._confirmed += 1
        if self._confirmed == of:
            self.is_open = True
            self._on_open()

    def take(self, text: str) -> None:
        log_id, _, message = text.partition(" ")
        self._on_message(None if log_id == "-" else log_id, message)


def _decoded(data: Any) -> str:
    return data.decode(errors="replace") if isinstance(data, bytes) else str(data)
