"""The shared tables of a cluster in memory: the same outcomes as the scripts of `protocol.cluster.row_scripts`."""

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from attrs import evolve

from protocol.cluster.row_scripts import Written
from protocol.cluster.rows import MOST_ROWS_AT_ONCE, TOMBSTONE_MS, RowName, RowPage, SharedRow

T = TypeVar("T")
Rows = Sequence[tuple[RowName, SharedRow]]
State = tuple[dict[RowName, SharedRow], dict[RowName, int], dict[str, int], int]


class RowHost(Protocol):
    """What they need of the registry in memory."""

    boot: str | None

    @property
    def now_ms(self) -> int: ...

    def publish(self, text: str) -> None:
        """To all members."""


class MemoryRows:
    """The server's side."""

    def __init__(self, host: RowHost) -> None:
        self._host = host
        self.rows: dict[RowName, SharedRow] = {}
        self._places: dict[RowName, int] = {}
        self._last: dict[str, int] = {}
        self._place = 0

    @property
    def state(self) -> "State":
        """Everything, as it is saved."""
        return self.rows, self._places, self._last, self._place

    @state.setter
    def state(self, state: "State") -> None:
        self.rows, self._places, self._last, self._place = state

    def texts(self, table: str) -> dict[str, str]:
        """For tests: what is there."""
        return {name.key: row.text for name, row in self.rows.items() if name.table == table and row.text is not None}

    def read(self, place: int, boot: str) -> RowPage:
        self._host.boot = self._host.boot or boot
        later = sorted((at, name) for name, at in self._places.items() if at > place)[:MOST_ROWS_AT_ONCE]
        return RowPage(
            boot=self._host.boot,
            rows=tuple((name, self.rows[name]) for _, name in later),
            place=later[-1][0] if later else 0,
            is_last=len(later) < MOST_ROWS_AT_ONCE,
        )

    def change(self, table: str, rows: Rows, boot: str, place: int, message: str) -> Written:
        self._sweep()
        if self._host.boot != boot:
            return Written(is_lost=True)
        if self._last.get(table, 0) > place:
            return Written(is_behind=True)
        version = self._next_place(0)
        for offset, (name, row) in enumerate(rows):
            self._place = version + offset
            self._put(name, evolve(row, version=version), self._place)
        self._host.publish(message)
        return Written(version=version)

    def merge(self, rows: Rows, boot: str, message: str) -> Written:
        self._sweep()
        if self._host.boot != boot:
            return Written(is_lost=True)
        counting = [(name, row) for name, row in rows if row.counts_more_than(self.rows.get(name))]
        for name, row in counting:
            at = self._next_place(row.version)
            self._put(name, evolve(row, version=row.version or at), at)
        if counting:
            self._host.publish(message)
        return Written(version=self._place)

    def take(self, name: RowName, message: str) -> str | None:
        self._sweep()
        before = self.rows.get(name)
        if before is None or before.text is None:
            return None
        at = self._next_place(before.version + 1)
        self._put(name, evolve(before, version=at, text=None), at)
        self._host.publish(message)
        return before.text

    def _next_place(self, least: int) -> int:
        self._place = max(self._place + 1, self._host.now_ms, least)
        return self._place

    def _put(self, name: RowName, row: SharedRow, at: int) -> None:
        if row.text is None and not row.expires:
            row = evolve(row, expires=self._host.now_ms + TOMBSTONE_MS)
        self.rows[name], self._places[name], self._last[name.table] = row, at, at

    def _sweep(self) -> None:
        for name in [name for name, row in self.rows.items() if 0 < row.expires <= self._host.now_ms]:
            del self.rows[name], self._places[name]


class Network(Protocol):
    """There and back, over a network that may be cut."""

    async def __call__(self, work: Callable[[], T]) -> T: ...


class MemoryRowRegistry:
    """A client's side."""

    def __init__(self, tables: Callable[[], MemoryRows], do: Network) -> None:
        self._tables, self._do = tables, do

    async def read(self, place: int, *, boot: str) -> RowPage:
        return await self._do(lambda: self._tables().read(place, boot))

    async def change(self, table: str, rows: Rows, *, boot: str, place: int, message: str) -> Written:
        return await self._do(lambda: self._tables().change(table, rows, boot, place, message))

    async def merge(self, rows: Rows, *, boot: str, message: str) -> Written:
        return await self._do(lambda: self._tables().merge(rows, boot, message))

    async def take(self, name: RowName, *, message: str) -> str | None:
        return await self._do(lambda: self._tables().take(name, message))
