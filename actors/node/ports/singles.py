"""Things of which a cluster has one, by kind and key: who claims one first has it, as it is with the name of a stream.

single = await singles.claim("call", call_id)      before it begins
single.release()                                   when it is over
"""

from collections.abc import Awaitable, Callable
from typing import Protocol


class SingleTaken(Exception):
    """Somebody else has it: this node, or another one."""


class SingleUnknown(Exception):
    """Nobody can tell, and `cluster.registry_down` wants it refused then; or this node may claim nothing."""


class Single(Protocol):
    """One that this node has."""

    def release(self) -> None:
        """It is over. Never waits; idempotent."""

    async def give_back(self) -> None:
        """The same, and wait until others may have it, for a bounded time."""


async def go_on() -> None:
    """Nothing follows from it."""


class Singles(Protocol):
    """See above."""

    async def claim(
        self, kind: str, key: str, on_lost: Callable[[], Awaitable[None]] = go_on, *, on_trust: bool = False
    ) -> Single:
        """Have it from now on. Raises SingleTaken or SingleUnknown.

        `on_lost`: it turns out later that another node has it, and this one has not; both were let in while nobody
        could tell. `on_trust`: it is let in then in any case, and claimed as soon as somebody can tell.
        """
