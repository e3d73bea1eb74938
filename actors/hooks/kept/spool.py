"""Notifications that could not be delivered, kept on disk until they can be (see `replay`).

They are in memory first, and written 20 at a time or after 50 ms, by a thread; nobody waits for that. While the disk
cannot be written, or hangs, they stay in memory, within bounds. `page` has those in memory too, after those on disk,
which are older.

While something of a lane waits, whatever else its session has to tell waits behind it, so that the order holds.
"""

import functools
import math
import os
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Final, Protocol, TypeVar

import trio
from attrs import define

from actors.events.event_log import EventLog
from actors.hooks.call_log import HookCall, Progress
from actors.hooks.hook_request import Unwritable, written
from actors.hooks.kept.attempts import KeptAttempts
from actors.hooks.kept.spool_index import SpoolIndex
from actors.hooks.kept.unwritten_hooks import UnwrittenHooks
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.storage.hook_spool import HookSpoolFile, RemovedRow, SpoolFileError
from config.apps import App
from config.live import follow
from config.settings import HookOrder, Settings
from protocol.hooks.kept_hook import KeptHook
from protocol.metrics.histogram import DELAYS, Histogram
from protocol.node.server_events import EventType

log = get_logger("hooks")

T = TypeVar("T")

COMMIT_SECONDS: Final = 0.05
COMMIT_HOOKS: Final = 20
MOST_IN_ONE: Final = 1000
"""Hooks, and removals, in one commit, however many have gathered."""
TIDY_SECONDS: Final = 10.0
"""How often what is too old, or too much, is removed."""
RETRY_SECONDS: Final = 5.0
"""How long to leave a disk alone that cannot be written."""
MEMORY_HOOKS: Final = 10_000
MEMORY_SIZE: Final = 32 * 1024 * 1024
"""Bytes of hooks that stay in memory while the disk cannot be written."""


class Offload(Protocol):
    """Runs something that blocks, one at a time."""

    async def __call__(self, function: Callable[[], T], /) -> T: ...


def one_thread() -> Offload:
    """Runs it in a thread, and what comes next after it."""
    limiter = trio.CapacityLimiter(1)

    async def run(function: Callable[[], T], /) -> T:
        return await trio.to_thread.run_sync(function, limiter=limiter)

    return run


@define
class SpoolCounts:
    """Since the start."""

    kept: int = 0
    delivered: int = 0
    dropped: int = 0
    dropped_ends: int = 0

    @property
    def all_dropped(self) -> int:
        return self.dropped + self.dropped_ends

    def drop(self, rows: Iterable[RemovedRow]) -> None:
        """These are lost."""
        for row in rows:
            self.dropped += not row.last
            self.dropped_ends += row.last


def open_spool(settings: Settings, path: Path, events: EventLog) -> "Spool":
    """The spool of a server, with what an earlier run has left."""
    spool = Spool(settings, HookSpoolFile(path, sync=settings.rest_spool_sync), events=events)
    spool.open()
    return spool


class Spool:
    """What is kept of all applications, on disk in `file`; without one nothing is. `open` comes first, `close` last."""

    def __init__(
        self,
        settings: Settings,
        file: HookSpoolFile | None,
        *,
        offload: Offload | None = None,
        wall_clock: Callable[[], float] = time.time,
        events: EventLog | None = None,
    ) -> None:
        self.counts = SpoolCounts()
        self.commit_seconds = Histogram(DELAYS)
        self.index = SpoolIndex()
        self.wall_clock = wall_clock
        self.changed = trio.Event()
        """Set when something has changed, and replaced by a new one."""
        self.keeps_anything = file is not None
        self._file = file or HookSpoolFile(Path(os.devnull) / "none")  # never opened
        self._offload = offload or one_thread()
        self._events = events or EventLog()
        self._log = RateLimitedLog(log, clock=trio.current_time)
        self._unwritten = UnwrittenHooks()
        self._removed: OrderedDict[int, None] = OrderedDict()
        """Numbers of what is kept no longer, and is on disk or about to be."""
        self._attempts = KeptAttempts()
        self._commit_began = math.inf
        """When the commit that is under way began; inf: none is."""
        self._paged: dict[str, set[int]] = {}
        """Numbers of the last page of each application, as far as they are still kept."""
        self._is_failing = False
        follow(settings, self._adopt)

    def _adopt(self, settings: Settings) -> None:
        self._max_size, self._max_age = settings.rest_spool_max_size, settings.rest_spool_max_age
        self._is_one_lane = settings.rest_hook_order is HookOrder.GLOBAL

    def open(self) -> None:
        """Read what an earlier run has left. Blocks."""
        if not self._file.exists:
            return
        try:
            self.index.begin(*self._file.totals(), is_one_lane=self._is_one_lane)
        except SpoolFileError as error:
            log.error("hooks of an earlier run cannot be read", cause=str(error))
            return
        if self._file.was_set_aside:
            log.error("the file of kept hooks was none: it is set aside", path=str(self._file.path))
        if self.index.rows:
            log.warning("hooks are kept from an earlier run", count=self.index.rows)

    # -- what lanes call -----------------------------------------------------------------------------------------------

    def keeps(self, app: App, lane: str, *, last: bool) -> bool:
        """Whether a notification that cannot be delivered is kept."""
        keeps = self.index.is_waiting(app.key, lane) or app.keep_policy.keeps(last=last)
        return keeps and self.keeps_anything

    def keep(self, call: HookCall, lane: str, progress: Progress, *, event_time: float, last: bool) -> None:
        """Keep a notification that could not be delivered."""
        try:
            hook = _kept(call, progress, self.index.next_number, lane, event_time, last)
        except Unwritable:
            return
        self._unwritten.add(hook)
        self.index.add(hook)
        self.counts.kept += 1
        if self._is_failing:
            self._stay_in_bounds()
        elif trio.current_time() - self._commit_began > RETRY_SECONDS:
            self._fail(SpoolFileError(f"{self._file.path}: the disk has not answered for {RETRY_SECONDS:g} s"))
        self._wake()

    # -- what the replay calls -----------------------------------------------------------------------------------------

    async def page(self, app_key: str, *, after: int, limit: int) -> list[KeptHook]:
        """What waits of an application, in order, from the first number above `after` on. Raises SpoolFileError."""
        page = await self.look(app_key, after=after, limit=limit)
        self._paged[app_key] = {hook.number for hook in page}
        return page

    async def look(self, app_key: str, *, after: int = 0, limit: int) -> list[KeptHook]:
        """The same, for somebody who only looks."""
        found: list[KeptHook] = []
        if self._file.exists:
            found = await self._offload(functools.partial(self._file.page, app_key, after=after, limit=limit))
        rows = {hook.number: hook for hook in found if hook.number not in self._removed}
        if len(found) < limit:
            mine = (each for each in self._unwritten.of_app(app_key) if each.number > after)
            rows.update((each.number, each) for each in islice(mine, limit))
        return [self._attempts.counted(rows[number]) for number in sorted(rows)[:limit]]

    def delivered(self, hook: KeptHook) -> None:
        """It, from the application's last page, has been answered, and is kept no longer."""
        if hook.number not in self._paged.get(hook.app_key, ()):
            return  # dropped in the meantime
        self.counts.delivered += 1
        self._remove(hook)
        self._wake()

    def failed(self, hook: KeptHook, attempts: int) -> None:
        """It, from the application's last page, has been sent so often by now, and stays."""
        if attempts > hook.attempts and hook.number in self._paged.get(hook.app_key, ()):
            self._attempts.note(hook.number, attempts)
            self._wake()

    # -- what operators call -------------------------------------------------------------------------------------------

    def unwritten_of(self, app_key: str) -> int:
        """How many of an application are not on disk yet."""
        return sum(1 for _ in self._unwritten.of_app(app_key))

    async def drop(self, app_key: str) -> int:
        """Remove all that waits of an application; how many. Raises SpoolFileError."""
        mine = list(self._unwritten.of_app(app_key))
        for hook in mine:
            self._remove(hook)
        if not self._file.exists:
            return len(mine)
        count = len(mine) + len(await self._in_file(functools.partial(self._file.remove_app, app_key)))
        await self._offload(self._file.compact)
        self._wake()
        return count

    # -- life ----------------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Write what gathers, and remove what is too old or too much, until cancelled."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tidy_up)
            while True:
                while not self._work:
                    await self.changed.wait()
                with trio.move_on_after(COMMIT_SECONDS):
                    while self._work < COMMIT_HOOKS:
                        await self.changed.wait()
                await self._commit()

    def close(self) -> None:
        """Write what is left. Blocks."""
        try:
            if self._work:
                self._file.write(tuple(self._unwritten), tuple(self._removed), self._attempts.some(self._work))
        except SpoolFileError as error:
            log.error("hooks that were kept are lost", cause=str(error), count=len(self._unwritten))
        self._file.close()

    # -- inside --------------------------------------------------------------------------------------------------------

    @property
    def _work(self) -> int:
        return len(self._unwritten) + len(self._removed) + len(self._attempts)

    def _wake(self) -> None:
        self.changed.set()
        self.changed = trio.Event()

    async def _commit(self) -> None:
        added = self._unwritten.begin(MOST_IN_ONE)
        removed, attempts = tuple(islice(self._removed, MOST_IN_ONE)), self._attempts.some(MOST_IN_ONE)
        self._commit_began, began = trio.current_time(), time.perf_counter()
        try:
            await self._offload(functools.partial(self._file.write, added, removed, attempts))
        except SpoolFileError as error:
            self._end_commit(is_written=False)
            self._fail(error)
            await trio.sleep(RETRY_SECONDS)
            return
        self.commit_seconds.observe(time.perf_counter() - began)
        self._end_commit(is_written=True)
        for number in removed:
            del self._removed[number]
        self._attempts.written(attempts)
        self._recovered()
        self._wake()
        if not self.index.totals and not self._work:
            await self._offload(self._file.compact)

    async def _tidy_up(self) -> None:
        while True:
            await trio.sleep(TIDY_SECONDS)
            if not self.index.totals or not self._file.exists:
                continue
            try:
                oldest = self.wall_clock() - self._max_age
                self._note_drops(await self._in_file(functools.partial(self._file.remove_older, oldest)))
                excess = self.index.size - self._max_size
                if excess > 0:
                    self._note_drops(await self._in_file(functools.partial(self._file.shrink, excess)))
                self.index.note_oldest(await self._offload(self._file.oldest))
            except SpoolFileError as error:
                self._fail(error)

    async def _in_file(self, remove: Callable[[], Iterable[RemovedRow]]) -> list[RemovedRow]:
        """Remove from the file; what of it had not been delivered."""
        rows = [row for row in await self._offload(remove) if row.number not in self._removed]
        for row in rows:
            self._forget(row)
        return rows

    def _forget(self, row: RemovedRow) -> None:
        self._paged.get(row.app_key, set()).discard(row.number)
        self._attempts.forget(row.number)
        self.index.remove(row)

    def _remove(self, hook: KeptHook) -> None:
        self._forget(RemovedRow.of(hook))
        if not self._unwritten.take_back(hook.number):
            self._removed[hook.number] = None

    def _end_commit(self, *, is_written: bool) -> None:
        self._commit_began = math.inf
        self._unwritten.end(is_written=is_written)

    def _stay_in_bounds(self) -> None:
        while len(self._unwritten) > MEMORY_HOOKS or self._unwritten.size > MEMORY_SIZE:
            hook = self._unwritten.most_dispensable()
            if hook is None:
                return
            self._remove(hook)
            self._note_drops([RemovedRow.of(hook)])

    def _note_drops(self, rows: Sequence[RemovedRow]) -> None:
        self.counts.drop(rows)
        if rows:
            app, dropped = rows[-1].app_key, self.counts.all_dropped
            if self._log.error("hooks that were kept are dropped: too old or too many", app=app, dropped=dropped):
                self._events.emit(EventType.HOOK_DROPPED, app=app, dropped=dropped)

    def _fail(self, error: SpoolFileError) -> None:
        if not self._is_failing:
            log.error("hooks are kept in memory only: the file cannot be written", cause=str(error))
        self._is_failing = True
        self._stay_in_bounds()

    def _recovered(self) -> None:
        if self._is_failing:
            log.warning("hooks are kept on disk again")
        self._is_failing = False


def _kept(call: HookCall, progress: Progress, number: int, lane: str, event_time: float, last: bool) -> KeptHook:
    """As it is kept. Raises Unwritable."""
    return KeptHook(
        number=number,
        app_key=call.app.key,
        lane=lane,
        method=call.method,
        hook_id=progress.hook_id,
        attempts=progress.attempt,
        event_time=event_time,
        last=last,
        content=written(call),
    )
