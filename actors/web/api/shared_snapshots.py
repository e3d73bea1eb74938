"""What many clients ask for again and again is made once in a while and shared."""

from collections.abc import Awaitable, Callable, Hashable
from typing import Final, Generic, TypeVar

import trio
from attrs import define, field

from actors.runtime.slices import let_go

V = TypeVar("V")

MAX_KEPT: Final = 32
"""Different snapshots kept; beyond that, the one asked for longest ago is dropped."""


@define(eq=False)
class _Snapshot(Generic[V]):
    made_at: float = 0.0
    value: V | None = None
    making: trio.Lock = field(factory=trio.Lock)


class SharedSnapshots(Generic[V]):
    """Snapshots by what they are of, each at most `max_age` seconds old when it is given out."""

    def __init__(self, max_age: float) -> None:
        self._max_age = max_age
        self._kept: dict[Hashable, _Snapshot[V]] = {}

    async def get(self, key: Hashable, make: Callable[[], Awaitable[V]]) -> V:
        """The snapshot of `key`, by `make` if there is none that is new enough. Who asks meanwhile waits for it."""
        snapshot = self._kept.pop(key) if key in self._kept else _Snapshot[V]()
        self._kept[key] = snapshot
        if len(self._kept) > MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        async with snapshot.making:
            now = trio.current_time()
            if snapshot.value is None or now - snapshot.made_at >= self._max_age:
                old = [*snapshot.value] if isinstance(snapshot.value, tuple) else []
                snapshot.value = None
                await let_go(old)
                snapshot.value = await make()
                snapshot.made_at = now
            return snapshot.value
