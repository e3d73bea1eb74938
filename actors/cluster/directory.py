"""The names of all nodes: those of this one, and for every other name the registry."""

import math
from typing import ClassVar, Protocol, TypeVar

from actors.cluster.names import ClusterNames, NameOutcome
from actors.cluster.registry.registry import RegistryUnavailable
from actors.node.directory import (
    Claim,
    Directory,
    NameInUse,
    NameUnavailable,
    NotPublished,
    PublishedElsewhere,
)
from protocol.cluster.claims import Holder, Named

B = TypeVar("B")
B_co = TypeVar("B_co", covariant=True)


class Elsewhere(Protocol):
    """What the directory needs of its node."""

    async def locate(self, name: str) -> Holder | None:
        """The other member that holds `name`. Raises RegistryUnavailable."""

    async def is_playing(self, holder: Holder, name: str) -> bool:
        """Whether that member has media under this name."""


class Pulling(Protocol[B_co]):
    """Who brings publications of other nodes here."""

    def find(self, name: str) -> B_co | None:
        """The broadcast of a publication that has been brought here and goes on."""

    async def pull(self, name: str, holder: Holder) -> B_co:
        """Bring it here, from that member. Raises NotPublished, PublishedElsewhere or NotReady."""


class ClusterDirectory(Directory[B]):
    """See above. `relays`: None as long as nothing is brought here."""

    is_shared: ClassVar[bool] = True

    def __init__(self, names: ClusterNames, elsewhere: Elsewhere) -> None:
        super().__init__()
        self._names = names
        self._elsewhere = elsewhere
        self.relays: Pulling[B] | None = None

    async def request(self, name: str, media_session_id: str) -> Claim[B]:
        """As on one node, where another node's stream is one more that may hold the name."""
        claim = await super().request(name, media_session_id)
        try:
            if await self._is_elsewhere(name):
                raise NameInUse(name)
        except BaseException:
            claim.release()
            raise
        return claim

    async def hold(self, claim: Claim[B]) -> None:
        await super().hold(claim)
        if not self.is_holder(claim):
            return  # its stream has ended
        match await self._names.claim(_named(claim)):
            case NameOutcome.TAKEN:
                raise NameInUse(claim.name)
            case NameOutcome.REFUSED:
                raise NameUnavailable(claim.name)

    def forget(self, claim: Claim[B]) -> None:
        super().forget(claim)
        self._names.release(_named(claim))

    async def locate(self, name: str, *, timeout: float = math.inf) -> B:
        try:
            return await self.locate_here(name, timeout=timeout)
        except NotPublished:
            pass  # here
        relayed = None if self.relays is None else self.relays.find(name)
        return await self._bring(name) if relayed is None else relayed

    async def is_available(self, name: str) -> bool:
        if self.is_announced(name):
            return True
        try:
            holder = await self._elsewhere.locate(name)
            return holder is not None and await self._elsewhere.is_playing(holder, name)
        except RegistryUnavailable:
            return False

    async def find_elsewhere(self, name: str) -> B | None:
        if self.holder_of(name) is not None or self.relays is None:
            return None
        relayed = self.relays.find(name)
        try:
            return await self._bring(name) if relayed is None else relayed
        except NotPublished:
            return None

    async def _bring(self, name: str) -> B:
        try:
            holder = await self._elsewhere.locate(name)
        except RegistryUnavailable:
            raise PublishedElsewhere(name) from None
        if holder is None:
            raise NotPublished(name)
        if self.relays is None:
            raise PublishedElsewhere(name)
        return await self.relays.pull(name, holder)

    async def _is_elsewhere(self, name: str) -> bool:
        """Whether it is known that another node has it."""
        try:
            return await self._elsewhere.locate(name) is not None
        except RegistryUnavailable:
            return self.relays is not None and self.relays.find(name) is not None  # else the claim decides


def _named(claim: Claim[B]) -> Named:
    return Named(claim.name, claim.media_session_id)
