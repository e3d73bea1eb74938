"""All recordings of the server: who may begin one, those that run, and what was left over from before."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import trio
from attrs import asdict, frozen

from actors.node.recorder_port import RecordingRefused, RecordWish
from actors.runtime.actor import SHUTDOWN, ActorStopped, crash_guard
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.workers.hook_script import HookScript
from actors.workers.record_folder import MP4, DiskLimits, RecordFolder
from actors.workers.record_part import RecordPart, TellStatus
from actors.workers.recording import Recording, RecordJob
from actors.workers.remuxing import Remuxing
from actors.workers.tap_channel import OpenTap
from actors.workers.worker import FINISH_TIMEOUT, WorkerServices
from actors.workers.worker_counts import RecordingCounts
from config.settings import RecordPolicy, Settings
from protocol.containers.recording_series import NEVER
from protocol.stream.record_names import RecordFacts
from protocol.stream.record_status import RecordNotice, RecordStatus

OFF: Final = "Recording is switched off"
NOT_THIS_APP: Final = "Recording is not for this application"
TOO_MANY: Final = "Too many recordings"
NOTHING: Final = "Nothing was recorded"

log = get_logger("workers")


FAILURES: Final[Mapping[str, str]] = {
    "worker-died": "The recorder has died",
    "crash": "Failed by error",
    "disk-full": "The disk is full",
    "no-room": "The folder of recordings is full",
}
"""Causes by which recordings end too early, as backends are told."""


def _tell_nobody(notice: RecordNotice) -> None:
    """Nobody is interested."""


@frozen(kw_only=True)
class RecordRequest:
    """A publication to be recorded. `wish`: of REST; None: its page wants it. `tell`: of what becomes of it."""

    facts: RecordFacts
    app_key: str
    open_tap: OpenTap
    wish: RecordWish | None = None
    tell: TellStatus = _tell_nobody


class Recordings:
    """See above. It is a service; `run` holds the tasks of all recordings."""

    def __init__(self, settings: Settings, folder: Path, wall_clock: Callable[[], float]) -> None:
        self.folder = RecordFolder(settings.records_folder or folder)
        self.counts = RecordingCounts()
        self.services = WorkerServices()
        self.script = HookScript(settings)
        self._settings = settings
        self._wall_clock = wall_clock
        self._running: dict[str, Recording] = {}
        self._all: set[Recording] = set()
        self._unfinished: set[RecordPart] = set()
        """Files that are written, and not yet done with."""
        self._changed = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._looks = False
        """Whether the folder is being looked at."""
        self._left_over: list[Path] = []
        """Files of an earlier server that are to become MP4."""
        self._remuxings: set[Remuxing] = set()
        self._refusals = RateLimitedLog(log, clock=trio.current_time)

    def __len__(self) -> int:
        return len(self._all)

    def statistics(self) -> Mapping[str, int]:
        """The group `records` of `/?action=stat`."""
        counts = asdict(self.counts) | asdict(self.script.counts)
        return {"recordings": len(self), **{f"recordings_{name}": value for name, value in counts.items()}}

    def __iter__(self) -> Iterator[Recording]:
        """Those that run, oldest first."""
        return (recording for recording in self._running.values() if not recording.is_ending)

    def of(self, media_session_id: str) -> Recording | None:
        """The one of a publication, if it runs."""
        recording = self._running.get(media_session_id)
        return None if recording is None or recording.is_ending else recording

    def start(self, request: RecordRequest) -> Recording:
        """Begin a recording; one of the same publication that runs ends first. Raises RecordingRefused."""
        try:
            self._admit(request)
        except RecordingRefused as refused:
            self._note_refusal(request, refused)
            raise
        before = self.of(request.facts.media_session_id)
        if before is not None:
            before.finish()
        recording = Recording(self.services, self.folder, self._job(request), self._wall_clock)
        if self._nursery is None:
            raise ActorStopped("recordings are not served")
        self._nursery.start_soon(self._oversee, recording, request)
        self._running[recording.facts.media_session_id] = recording
        self._all.add(recording)
        return recording

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Finish what was left over, and hold the tasks of recordings until cancelled."""
        await trio.to_thread.run_sync(self._rescue)
        async with trio.open_nursery() as self._nursery:
            task_status.started()
            for file in self._left_over:
                await self._remux(file)
            await trio.sleep_forever()

    async def drain(self) -> None:
        """Finish all that run, and wait for their files: FINISH_TIMEOUT seconds and a little more."""
        for recording in tuple(self._all):
            recording.finish()
        with trio.move_on_after(FINISH_TIMEOUT + 1):
            while self._all or self._unfinished or self._remuxings:
                await self._changed.wait()
        for worker in (*self._all, *self._remuxings):
            worker.stop(SHUTDOWN)

    # -- inside --------------------------------------------------------------------------------------------------

    def _admit(self, request: RecordRequest) -> None:
        settings = self._settings
        if not settings.record_streams:
            raise RecordingRefused(OFF, "record_streams")
        allowed = settings.record_streams_app_keys
        if request.wish is None and allowed and request.app_key not in allowed:
            raise RecordingRefused(NOT_THIS_APP, "record_streams_app_keys")
        if len(self._all) >= settings.records_max_running:
            raise RecordingRefused(TOO_MANY, "records.max_running")

    def _job(self, request: RecordRequest) -> RecordJob:
        settings, wish = self._settings, request.wish or RecordWish()
        template = settings.stream_record_policy_template
        if settings.stream_record_policy is RecordPolicy.STREAM_NAME:
            template = "{streamName}"
        return RecordJob(
            facts=request.facts,
            template=wish.template or template,
            open_tap=request.open_tap,
            limits=DiskLimits(max_bytes=settings.records_max_bytes, min_free=settings.records_min_free),
            max_file_bytes=settings.records_max_file_bytes,
            rotation=wish.rotation or settings.record_rotation or NEVER,
            tell=request.tell,
            on_file=self._take_file,
            on_figures=self._watch_room,
        )

    async def _oversee(self, recording: Recording, request: RecordRequest) -> None:
        try:
            with crash_guard(lambda error: log.error("recording crashed", crash=error, actor=repr(recording))):
                await recording.run()
            self._note_end(recording, request)
            if recording.refusal is None:
                self._start_finishing(recording.part)
        finally:
            self._all.discard(recording)
            if self._running.get(recording.facts.media_session_id) is recording:
                del self._running[recording.facts.media_session_id]
            self._tell_change()

    def _take_file(self, part: RecordPart) -> None:
        """A file is written, and its recording goes on in the next one."""
        log.info("recording goes on in a new file", id=part.facts.media_session_id, file=part.final, bytes=part.bytes)
        self._start_finishing(part)

    def _start_finishing(self, part: RecordPart) -> None:
        if self._nursery is not None:
            self._unfinished.add(part)
            self._nursery.start_soon(self._finish_file, part)

    async def _finish_file(self, part: RecordPart) -> None:
        try:
            await part.complete(is_whole=True)
            await self._deliver(part)
        finally:
            self._unfinished.discard(part)
            self._tell_change()

    async def _deliver(self, part: RecordPart) -> None:
        """What is done with each file that is complete."""
        if part.becomes_mp4 and part.file is not None:
            part.file = await self._remux(part.file)
        if part.file is not None:
            self.counts.files += 1
            self.counts.bytes += part.bytes
            part.tell(
                RecordNotice(
                    status=RecordStatus.FINISHED, file_name=part.file.name, size=part.bytes, duration=part.duration_ms
                )
            )
            await self.script.run(part.facts.stream_name, part.file)

    async def _remux(self, file: Path) -> Path:
        """Make it an MP4; the file that there is then."""
        remuxing = Remuxing(self.services, file)
        self._remuxings.add(remuxing)
        try:
            with crash_guard(lambda error: log.error("recording crashed", crash=error, actor=repr(remuxing))):
                await remuxing.run()
        finally:
            self._remuxings.discard(remuxing)
            self._tell_change()
        return remuxing.file

    def _watch_room(self) -> None:
        """More is in the folder: all recordings end when it has `records.max_bytes`."""
        if self._nursery is not None and not self._looks and self.folder.may_have(self._settings.records_max_bytes):
            self._looks = True
            self._nursery.start_soon(self._look)

    async def _look(self) -> None:
        try:
            usage = await trio.to_thread.run_sync(self.folder.usage)
        except OSError as error:
            log.error("the folder of recordings cannot be looked at", error=str(error))
            return
        finally:
            self._looks = False
        if usage >= self._settings.records_max_bytes:
            running = tuple(self)
            log.warning("recordings end, their folder is full", recordings=len(running), setting="records.max_bytes")
            for recording in running:
                recording.finish("no-room")

    def _tell_change(self) -> None:
        self._changed.set()
        self._changed = trio.Event()

    def _note_end(self, recording: Recording, request: RecordRequest) -> None:
        counts, cause = self.counts, recording.reason.cause if recording.reason else "unknown"
        if recording.refusal is not None:
            self._note_refusal(request, recording.refusal)
            return
        counts.started += 1
        counts.failed += cause in FAILURES
        kept = recording.file is not None or recording.files > 0
        counts.finished += kept
        info = FAILURES.get(cause, None if kept else NOTHING)
        if info is not None:
            request.tell(RecordNotice(status=RecordStatus.FAILED, info=info))
        log.info("recording ended", cause=cause, kept=kept, **recording.end_log_fields())

    def _note_refusal(self, request: RecordRequest, refused: RecordingRefused) -> None:
        self.counts.refused += 1
        if request.wish is None:  # REST has its answer
            request.tell(RecordNotice(status=RecordStatus.FAILED, info=refused.info))
        self._refusals.warning(
            "recording refused",
            id=request.facts.media_session_id,
            name=request.facts.stream_name,
            info=refused.info,
            setting=refused.setting,
        )

    def _rescue(self) -> None:
        try:
            for name in self.folder.unfinished():
                self._rescue_one(name)
        except OSError as error:
            log.error("recordings cannot be rescued", error=str(error))

    def _rescue_one(self, name: str) -> None:
        try:
            final = self.folder.rescue(name)
        except OSError as error:  # the others are not to suffer from it
            log.error("recordings cannot be rescued", file=name, error=str(error))
            return
        self.counts.rescued += final is not None
        if final is not None and name.endswith(MP4):
            self._left_over.append(self.folder.path / final)
        log.warning("recording was left unfinished", file=name, kept=final)
