"""The names of all nodes: those of this one, and for every other name the registry."""

import math
from typing import ClassVar, Protocol, TypeVar

from actors.cluster.names import ClusterNames, NameOutcome
from actors.cluster.registry import RegistryUnavailable
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


class Elsewhere(Protocol):
    """What the directory needs of its node."""

    async def locate(self, name: str) -> Holder | None:
        """The other member that holds `name`. Raises RegistryUnavailable."""

    async def is_playing(self, holder: Holder, name: str) -> bool:
        """Whether that member has media under this name."""


class ClusterDirectory(Directory[B]):
    """See above."""

    is_shared: ClassVar[bool] = True

    def __init__(self, names: ClusterNames, elsewhere: Elsewhere) -> None:
        super().__init__()
        self._names = names
        self._elsewhere = elsewhere

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
            return await super().locate(name, timeout=timeout)
        except NotPublished:
            pass  # here
        try:
            holder = await self._elsewhere.locate(name)
        except RegistryUnavailable:
            raise PublishedElsewhere(name) from None
        raise NotPublished(name) if holder is None else PublishedElsewhere(name)

    async def is_available(self, name: str) -> bool:
        if self.is_announced(name):
            return True
        try:
            holder = await self._elsewhere.locate(name)
            return holder is not None and await self._elsewhere.is_playing(holder, name)
        except RegistryUnavailable:
            return False

    async def _is_elsewhere(self, name: str) -> bool:
        """Whether it is known that another node has it."""
        try:
            return await self._elsewhere.locate(name) is not None
        except RegistryUnavailable:
            return False  # the claim decides


def _named(claim: Claim[B]) -> Named:
    return Named(claim.name, claim.media_session_id)
