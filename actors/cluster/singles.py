"""What there is one of in the cluster, beside publications and rooms: claimed as they are, in a table of its own.

Groups of recordings, the beginning of a capture, calls, and requests of REST with a key. A claim is this node's as long
as its lease runs. While Redis is away, `cluster.registry_down` decides, unless who claims goes on in any case; what is
begun then is claimed when Redis is back.
"""

import json
import uuid
from collections.abc import Awaitable, Callable

import trio

from actors.cluster.membership import Membership
from actors.cluster.names import ClusterNames, NameOutcome
from actors.cluster.registry.registry import Registry
from actors.node.ports.singles import SingleTaken, SingleUnknown, go_on
from actors.runtime.actor import crash_guard
from actors.runtime.logs import get_logger
from config.settings import RegistryDown, Settings
from protocol.cluster.claims import Batch, BatchReply, ClaimSpace, Holder, Named

log = get_logger("cluster")


class SinglesTable:
    """The registry's table of singles, as `ClusterNames` writes it."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def write(self, member: str, batch: Batch) -> BatchReply:
        """Raises RegistryUnavailable."""
        return await self._registry.write(member, batch, space=ClaimSpace.SINGLES)


class ClusterSingles:
    """Implements `actors.node.ports.singles.Singles`. `run` writes."""

    def __init__(self, registry: Registry, membership: Membership, settings: Settings) -> None:
        self.names = ClusterNames(
            SinglesTable(registry),
            accepts_on_trust=lambda: settings.cluster_registry_down is RegistryDown.ACCEPT,
            timeout=settings.cluster_timeout,
            on_lost=self._lost,
            renew=membership.renew,
            is_superseded=lambda: membership.is_superseded,
            is_quiet=True,
        )
        membership.followers.append(self.names)
        self._registry = registry
        self._held: dict[str, HeldSingle] = {}
        self._nursery: trio.Nursery | None = None

    def __len__(self) -> int:
        return len(self._held)

    async def claim(
        self, kind: str, key: str, on_lost: Callable[[], Awaitable[None]] = go_on, *, on_trust: bool = False
    ) -> "HeldSingle":
        """See `Singles.claim`."""
        entry = _entry(kind, key)
        if entry in self._held:
            raise SingleTaken
        single = self._held[entry] = HeldSingle(self, Named(entry, uuid.uuid4().hex), on_lost)
        try:
            outcome = await self.names.claim(single.named, on_trust=on_trust)
        except BaseException:
            single.release()
            raise
        if outcome in (NameOutcome.TAKEN, NameOutcome.REFUSED):
            single.release()
            raise SingleTaken if outcome is NameOutcome.TAKEN else SingleUnknown
        return single

    async def holder(self, kind: str, key: str) -> str | None:
        """The member that has it, as far as the registry knows. Raises RegistryUnavailable."""
        holder = await self._registry.locate(_entry(kind, key), space=ClaimSpace.SINGLES)
        return None if holder is None else holder.member

    def forget(self, single: "HeldSingle") -> bool:
        """It is over; whether it was not before."""
        if self._held.get(single.named.name) is not single:
            return False
        del self._held[single.named.name]
        return True

    async def run(self) -> None:
        """Write claims until cancelled."""
        async with trio.open_nursery() as self._nursery:
            await self.names.run()

    def _lost(self, named: Named, holder: Holder) -> None:
        single = self._held.get(named.name)
        if single is not None and single.named == named and self._nursery is not None:
            self.forget(single)
            self._nursery.start_soon(_tell_guarded, single)


class HeldSingle:
    """Implements `actors.node.ports.singles.Single`."""

    def __init__(self, singles: ClusterSingles, named: Named, on_lost: Callable[[], Awaitable[None]]) -> None:
        self.named, self.on_lost = named, on_lost
        self._singles = singles

    @property
    def is_confirmed(self) -> bool:
        """Whether the registry says so, and it is not taken on trust."""
        return self._singles.names.table.holds(self.named)

    def release(self) -> None:
        if self._singles.forget(self):
            self._singles.names.release(self.named)

    async def give_back(self) -> None:
        if self._singles.forget(self):
            await self._singles.names.give_back(self.named)


async def _tell_guarded(single: HeldSingle) -> None:
    with crash_guard(lambda error: log.error("the loss of a claim crashed", crash=error)):
        await single.on_lost()


def _entry(kind: str, key: str) -> str:
    return json.dumps([kind, key], separators=(",", ":"))
