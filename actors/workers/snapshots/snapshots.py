"""Pictures of publications: who gets one at once, who has to wait, and for how long.

One process takes all of them. It is started when a picture is wanted, and ended when none has been for a while. All who
want the same picture within a second get the same, or the same refusal if what the publisher sends is none.

Publishers share: one whose key frames do not come, or are large, keeps no other one's pictures waiting.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Final

import trio
from attrs import asdict, define, field, frozen

from actors.node.ports.snapshot import NotInTime, NotShown, SnapshotRefused
from actors.runtime.actor import ActorStopped, StopReason, crash_guard
from actors.runtime.fair_queue import Caller
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.runtime.shared_slots import SharedSlots, may_take
from actors.workers.processes.tap_channel import OpenTap
from actors.workers.processes.worker import WorkerServices
from actors.workers.snapshots.snapshot_worker import FAILED, Shot, SnapshotWorker
from config.settings import Settings
from protocol.stream.pictures import Picture, PictureSpec

PICTURE_AGE: Final = 1.0
"""Seconds for which a picture is as good as new, and a failure of the publisher's is remembered."""
AT_ONCE: Final = 8
"""Pictures that the process is at, at a time; it makes one after the other, but key frames are waited for together."""
HANG_TIMEOUT: Final = 3.0
"""Seconds in which the process must notice that a picture is not wanted any more, or it hangs."""
IDLE_TIMEOUT: Final = 60.0
"""Seconds without any request after which the process is ended."""
MOST_KEPT: Final = 32 << 20
"""Bytes of pictures that are kept for PICTURE_AGE; beyond it, one is taken anew for each who wants it."""
ENTRY_BYTES: Final = 1024
"""What a failure that is remembered counts as."""
TOO_MANY: Final = "Too many snapshots"
NOT_IN_TIME: Final = "No key frame came in time"
IDLE: Final = StopReason(cause="idle")

log = get_logger("workers")


@define(eq=False)
class SnapshotCounts:
    """Plain numbers that only grow."""

    taken: int = 0
    shared: int = 0
    """Requests that got a picture which was taken, or being taken, for another one."""
    failed: int = 0
    late: int = 0
    """Those of the failed for which no key frame came in time, or no process had time."""
    refused: int = 0


@frozen(kw_only=True)
class SnapshotRequest:
    """A publication of which a picture is wanted. `deadline`: when it is too late, on trio's clock."""

    publication: str
    """What tells publications apart."""
    publisher: str
    """What tells the clients apart that publish."""
    open_tap: OpenTap
    spec: PictureSpec
    deadline: float

    @property
    def caller(self) -> Caller:
        """Who waits for a turn: publishers take turns, and the publications of each."""
        return Caller(self.publisher, self.publication)

    @property
    def key(self) -> tuple[str, PictureSpec]:
        """Requests with the same get the same picture."""
        return self.publication, self.spec


@define(eq=False)
class _Exposure:
    """A picture that is being taken, or has just been."""

    request: SnapshotRequest
    done: trio.Event = field(factory=trio.Event)
    result: Picture | SnapshotRefused = field(factory=lambda: SnapshotRefused(FAILED))

    def end(self, result: Picture | SnapshotRefused) -> None:
        """Those who wait get this."""
        self.result = result
        self.done.set()


class Snapshots:
    """See above. It is a service; `run` holds its tasks."""

    def __init__(self, settings: Settings, workers: WorkerServices) -> None:
        self.counts = SnapshotCounts()
        self._settings = settings
        self._workers = workers
        self._exposures: dict[tuple[str, PictureSpec], _Exposure] = {}
        self._waiting: Counter[str] = Counter()
        """By publisher."""
        self._kept = 0
        self._slots = SharedSlots(AT_ONCE, is_shared=lambda: True)
        self._worker: SnapshotWorker | None = None
        self._idle = trio.CancelScope()
        self._nursery: trio.Nursery | None = None
        self._refusals = RateLimitedLog(log, clock=trio.current_time)

    def __len__(self) -> int:
        """How many pictures are being waited for."""
        return self._waiting.total()

    @property
    def timeout(self) -> float:
        """Seconds that a picture may take."""
        return self._settings.snapshot_timeout

    def statistics(self) -> Mapping[str, int]:
        """The group `snapshots` of `/?action=stat`."""
        counts = asdict(self.counts)
        return {"snapshots": len(self), **{f"snapshots_{name}": value for name, value in counts.items()}}

    async def take(self, request: SnapshotRequest) -> Picture:
        """A picture. Raises SnapshotRefused."""
        exposure = self._exposures.get(request.key)
        if exposure is None:
            exposure = self._begin(request)
        else:
            self.counts.shared += 1
        await exposure.done.wait()
        if isinstance(exposure.result, SnapshotRefused):
            raise type(exposure.result)(exposure.result.info, exposure.result.setting)
        return exposure.result

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Hold the tasks of pictures and of their process until cancelled."""
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            await trio.sleep_forever()

    # -- inside --------------------------------------------------------------------------------------------------

    def _begin(self, request: SnapshotRequest) -> _Exposure:
        if self._nursery is None:
            raise SnapshotRefused(FAILED)
        free = self._settings.snapshot_max_waiting - len(self)
        if not may_take(self._waiting[request.publisher], free):
            self.counts.refused += 1
            self._refusals.warning("snapshot refused", limit="snapshot.max_waiting")
            raise SnapshotRefused(TOO_MANY, "snapshot.max_waiting")
        exposure = self._exposures[request.key] = _Exposure(request)
        self._waiting[request.publisher] += 1
        self._nursery.start_soon(self._expose, exposure)
        return exposure

    async def _expose(self, exposure: _Exposure) -> None:
        request = exposure.request
        try:
            with crash_guard(lambda error: log.error("snapshot crashed", crash=error)):
                exposure.end(await self._result(request))
        finally:
            self._leave(request)
            exposure.done.set()
            if not isinstance(exposure.result, Picture | NotShown):
                del self._exposures[request.key]
        if isinstance(exposure.result, Picture | NotShown):
            await self._keep(exposure, exposure.result)

    def _leave(self, request: SnapshotRequest) -> None:
        self._waiting[request.publisher] -= 1
        if not self._waiting[request.publisher]:
            del self._waiting[request.publisher]

    async def _keep(self, exposure: _Exposure, result: Picture | NotShown) -> None:
        size = len(result.data) if isinstance(result, Picture) else ENTRY_BYTES
        self._kept += size
        try:
            if self._kept <= MOST_KEPT:
                await trio.sleep(PICTURE_AGE)
        finally:
            self._kept -= size
            del self._exposures[exposure.request.key]

    async def _result(self, request: SnapshotRequest) -> Picture | SnapshotRefused:
        result: Picture | SnapshotRefused = NotInTime(NOT_IN_TIME, "snapshot.timeout")
        with trio.move_on_at(request.deadline):
            await self._slots.take(request.caller)
            try:
                result = await self._shoot(request)
            finally:
                self._slots.give_back(request.caller)
        if isinstance(result, Picture):
            self.counts.taken += 1
        else:
            self.counts.failed += 1
            self.counts.late += isinstance(result, NotInTime)
        return result

    async def _shoot(self, request: SnapshotRequest) -> Picture | SnapshotRefused:
        worker = self._running_worker()
        await worker.ready.wait()
        try:
            shot = worker.begin(request.spec, request.open_tap)
        except OSError as error:
            log.error("snapshot cannot be taken", error=str(error))
            return SnapshotRefused(FAILED)
        try:
            await shot.ended.wait()
        finally:
            shot.close()
            if not shot.ended.is_set() and self._nursery is not None:
                self._nursery.start_soon(_expect_end, worker, shot)
        return shot.picture or shot.refusal or SnapshotRefused(FAILED)

    # -- the process ---------------------------------------------------------------------------------------------

    def _running_worker(self) -> SnapshotWorker:
        """The actor of the process, which may still have to start."""
        self._idle.deadline = trio.current_time() + IDLE_TIMEOUT
        if self._worker is None or self._worker.reason is not None:
            if self._nursery is None:
                raise ActorStopped("snapshots are not served")
            self._worker = SnapshotWorker(self._workers)
            self._nursery.start_soon(self._oversee, self._worker)
        return self._worker

    async def _oversee(self, worker: SnapshotWorker) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._stop_when_idle, worker)
            with crash_guard(lambda error: log.error("snapshot worker crashed", crash=error, actor=repr(worker))):
                await worker.run()
            nursery.cancel_scope.cancel()

    async def _stop_when_idle(self, worker: SnapshotWorker) -> None:
        with trio.CancelScope(deadline=trio.current_time() + IDLE_TIMEOUT) as self._idle:
            await trio.sleep_forever()
        worker.stop(IDLE)


async def _expect_end(worker: SnapshotWorker, shot: Shot) -> None:
    """The process must notice that a picture is not wanted any more."""
    with trio.move_on_after(HANG_TIMEOUT):
        await shot.ended.wait()
    if not shot.ended.is_set():
        worker.hangs()
