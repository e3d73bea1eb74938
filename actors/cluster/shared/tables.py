"""The tables that all nodes share: applications, accounts, sources, bans, and who is logged in to a page.

    TableStore.change ─► SharedStore ─► SharedTables.commit ─► Redis ─► a notice to all nodes ─► each reads what is new

Every node has a full copy and works from it, so Redis may be away. A change is first made in Redis, which refuses it if
another node has changed the table meanwhile; it is then made again on the table as it is. While Redis is away, a change
is made here, and merged when it is back: of two changes of one row, the later one counts.
"""

import time
import uuid
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Generic, Protocol, TypeVar

import trio

from actors.cluster.membership import Membership
from actors.cluster.registry.registry import RegistryUnavailable
from actors.cluster.registry.rows import RowRegistry
from actors.cluster.shared.row_memory import RowMemory
from actors.runtime.actor import crash_guard
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.storage.table_store import TableStore, TableStoreError
from config.tables.rows import TableForm
from protocol.cluster.messages import Notice
from protocol.cluster.rows import RowCopy, RowName, SharedRow, differences

log = get_logger("cluster")

T = TypeVar("T")


class Participant(Protocol):
    """A part of the server whose table is shared."""

    @property
    def table(self) -> str: ...

    @property
    def is_kept(self) -> bool:
        """Whether its file has what is in force."""

    async def adopt(self) -> None:
        """Other nodes have changed the table: `SharedTables.texts` has it."""


class SharedTables:
    """See above."""

    def __init__(
        self,
        registry: RowRegistry,
        membership: Membership,
        memory: RowMemory,
        *,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.copy = RowCopy()
        self.synced = trio.Event()
        """Set once this node has what the others have."""
        self.conflicts = 0
        """Changes that were made again, because another node had changed the table."""
        self._registry, self._membership, self._memory = registry, membership, memory
        self._clock = wall_clock
        self._participants: dict[str, Participant] = {}
        self._remembered: set[str] = set()
        self._known = memory.load()
        self._differing: set[str] = set()
        self._is_up, self._work = False, trio.Event()
        self._is_doubted = False
        self._syncing = trio.Lock()
        self._begun = self._ended = self._broken = 0
        """Numbers of the latest look at Redis that has begun, ended well, and not."""
        self._log = RateLimitedLog(log, clock=trio.current_time)

    def add(
        self,
        participant: Participant,
        texts: Mapping[str, str] | None,
        *,
        expiry: Mapping[str, int] = MappingProxyType({}),
    ) -> None:
        """Share a table from now on. `texts`: what this node has kept of it; None if it keeps nothing.

        `expiry`: when rows expire, in ms of Redis's clock.
        """
        self._participants[participant.table] = participant
        if texts is not None:
            self._remembered.add(participant.table)
            self.copy.begin(participant.table, texts, self._known, self.now_ms(), expiry=expiry)

    def now_ms(self) -> float:
        """Redis's clock; this machine's, until it is known."""
        return self._clock() * 1000 if self._membership.view is None else self._membership.redis_now_ms()

    def texts(self, table: str) -> dict[str, str]:
        """The rows of a table, the oldest first."""
        return self.copy.texts(table, self.now_ms())

    def text(self, table: str, key: str) -> str | None:
        """One row."""
        return self.copy.text(RowName(table, key), self.now_ms())

    # -- for the node ------------------------------------------------------------------------------

    def beaten(self, member: str, *, is_intact: bool) -> None:
        """A beat was answered. A notice may have been lost, so look."""
        self._is_up = True
        if not is_intact:
            self.doubt()
        self._work.set()

    def doubt(self) -> None:
        """Redis may have lost something, or have gone back to what it was: the next look writes and reads all."""
        self._is_doubted = True
        self._work.set()

    def failed(self) -> None:
        """Redis does not answer."""
        self._is_up = False

    def noticed(self) -> None:
        """Another node, or this one, has changed something."""
        self._work.set()

    async def run(self) -> None:
        """Read and write what is due, until cancelled."""
        while True:
            await self._work.wait()
            self._work = trio.Event()
            with crash_guard(lambda error: log.error("shared tables crashed", crash=error)):
                await self.refresh()
                await self._remember()

    # -- changing ----------------------------------------------------------------------------------

    async def commit(self, table: str, before: Mapping[str, str], after: Mapping[str, str]) -> bool:
        """Make a change on all nodes. False: the table is not as it was before; `texts` has it.

        Rows that could not be in force beside those that are changed now may be in force afterwards: the next `refresh`
        looks.
        """
        self._differing.add(table)
        self._work.set()
        changed = differences(before, after)
        rows = [(RowName(table, key), SharedRow(text=text)) for key, text in changed.items()]
        if self._is_up:
            try:
                return await self._commit(table, rows)
            except RegistryUnavailable:
                pass  # it may have been done; of the two, the later one will count
        self._log.warning("a change is made on this node alone", table=table, cause="Redis does not answer")
        for name, row in rows:
            self.copy.change(name, row.text, self.now_ms())
        return True

    async def _commit(self, table: str, rows: list[tuple[RowName, SharedRow]]) -> bool:
        if self.copy.boot is None or self.copy.has_unsent(table):
            await self._sync()  # what is waiting goes first
            return False
        boot, place = self.copy.boot, self.copy.place
        written = await self._registry.change(table, rows, boot=boot, place=place, message=self.message())
        if written.is_lost or written.is_behind:
            self.conflicts += 1
            await self._sync()
            return False
        for name, row in rows:
            self.copy.confirm(name, SharedRow(text=row.text, version=written.version))
        return True

    def put(self, table: str, key: str, text: str | None, *, expires: int = 0) -> None:
        """Change one row, whatever others have made of it; None removes it. `refresh` tells the others at once."""
        self.copy.change(RowName(table, key), text, self.now_ms(), expires=expires)
        self._work.set()

    async def take(self, table: str, key: str) -> str | None:
        """The text of a row, which is removed: of all who ask, on whatever node, one gets it. RegistryUnavailable."""
        text = await self._registry.take(RowName(table, key), message=self.message())
        self._work.set()
        return text

    async def refresh(self) -> None:
        """Read what is new, and write what is due. Returns when it is in effect, or Redis does not answer."""
        try:
            await self._sync()
        except RegistryUnavailable as error:
            log.debug("shared tables are not read", error=error)
            await self._adopt()
        else:
            await self._adopt()
            self.synced.set()

    async def _adopt(self) -> None:
        self._differing |= {each.table for each in self._participants.values() if not each.is_kept}
        for table in sorted(self._differing & self._participants.keys()):
            self._differing.discard(table)
            await self._participants[table].adopt()

    async def _sync(self) -> None:
        """Those who wait for one that is under way share the next one."""
        asked = self._begun
        async with self._syncing:
            if self._ended > asked:
                return
            if self._broken > asked or not self._is_up:
                raise RegistryUnavailable("Redis did not answer the last time")
            self._begun += 1
            try:
                await self._read_and_write()
            except RegistryUnavailable:
                self._broken = self._begun
                raise
            self._ended = self._begun

    async def _read_and_write(self) -> None:
        if self._is_doubted:
            self._is_doubted = False
            self.copy.distrust()
        self.copy.forget_expired(self.now_ms())
        await self._read()
        while batch := self.copy.batch():
            written = await self._registry.merge(batch, boot=self.copy.boot or "", message=self.message())
            if not written.is_lost:
                self.copy.acknowledge(batch)
            await self._read()

    async def _read(self) -> None:
        while True:
            page = await self._registry.read(self.copy.place, boot=uuid.uuid4().hex)
            if self.copy.boot not in (None, page.boot):
                self.copy.distrust()
                self.copy.boot = page.boot
                continue
            self.copy.boot = page.boot
            self._differing |= self.copy.take_in(page)
            for name in page.faulty:
                cause = f"what Redis has of {name.key[:100]!r} is no row"
                self._log.warning("a row of a shared table is not in force", table=name.table[:100], cause=cause)
            if page.is_last:
                return

    def message(self) -> str:
        """What all nodes are told of a change."""
        return Notice(about=Notice.TABLES, sender=self._membership.member or "").encode()

    async def _remember(self) -> None:
        """What is known of the tables as they are in their files."""
        kept = {each.table for each in self._participants.values() if each.is_kept}
        before = {name: row for name, row in self._known.items() if name.table not in kept}
        self._known = {**before, **self.copy.known(self._remembered & kept)}
        try:
            if self._memory.needs(self._known):
                await trio.to_thread.run_sync(self._memory.save, self._known)
        except OSError as error:
            self._log.error("shared tables cannot be remembered", cause=error.strerror)


class SharedStore(Generic[T]):
    """A table of the state folder that is shared."""

    def __init__(self, tables: SharedTables, store: TableStore[T], form: TableForm[T]) -> None:
        self.table = form.name
        self._tables, self._store, self._form = tables, store, form
        self._log = RateLimitedLog(log, clock=trio.current_time)
        store.share = self._share
        tables.add(self, form.texts(store.table))

    @property
    def is_kept(self) -> bool:
        return self._store.is_kept

    async def adopt(self) -> None:
        try:
            await self._store.adopt(self._assembled)
        except TableStoreError as error:
            self._log.error("a change of another node is not kept here", table=self.table, cause=str(error))

    async def _share(self, before: T, after: T) -> T | None:
        newer = self._assembled(before)
        if newer == before and await self._tables.commit(self.table, self._form.texts(before), self._form.texts(after)):
            return None
        return self._assembled(before)

    def _assembled(self, before: T) -> T:
        assembled = self._form.table(self._tables.texts(self.table), before)
        for fault in assembled.faults:
            self._log.warning("a row of a shared table is not in force", table=self.table, cause=fault)
        return assembled.table
