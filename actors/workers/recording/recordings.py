"""All recordings of the server: who may begin one, those that run, and what was left over from before."""

from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import trio
from attrs import asdict, frozen

from actors.node.ports.recorder import RecordingRefused, RecordWish, TellStatus
from actors.runtime.actor import SHUTDOWN, ActorStopped, crash_guard
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.workers.processes.tap_channel import OpenTap
from actors.workers.processes.worker import FINISH_TIMEOUT, WorkerServices
from actors.workers.processes.worker_counts import RecordingCounts
from actors.workers.recording.hook_script import HookScript
from actors.workers.recording.record_folder import DiskLimits, RecordFolder
from actors.workers.recording.record_part import RecordPart
from actors.workers.recording.recorded_files import RecordedFiles
from actors.workers.recording.recording import Recording, RecordJob
from config.settings import RecordPolicy, Settings
from protocol.containers.depayloaders import CALL_CODECS, can_be_kept
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


T = TypeVar("T")


def _end_nothing() -> None:
    """There are no groups."""


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

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        wall_clock: Callable[[], float],
        *,
        beside: Callable[[Path], Sequence[Path]] | None = None,
    ) -> None:
        path = settings.records_folder or folder
        self.folder = RecordFolder(path) if beside is None else RecordFolder(path, partial(beside, path))
        self.counts = RecordingCounts()
        self.services = WorkerServices()
        self._settings = settings
        self._wall_clock = wall_clock
        self._running: dict[tuple[str, str], Recording] = {}
        """By group (none: empty) and publication."""
        self._all: set[Recording] = set()
        self._tasks = 0
        """Those that are done with what is written."""
        self.end_groups: Callable[[], None] = _end_nothing
        """Called when the server ends."""
        self._changed = trio.Event()
        self._nursery: trio.Nursery | None = None
        self._looks = False
        """Whether the folder is being looked at."""
        self._refusals = RateLimitedLog(log, clock=trio.current_time)
        self.files = RecordedFiles(self.folder, self.services, self.counts, HookScript(settings), self.finish_later)

    def __len__(self) -> int:
        return len(self._all)

    def statistics(self) -> Mapping[str, int]:
        """The group `records` of `/?action=stat`."""
        counts = asdict(self.counts) | asdict(self.files.script.counts)
        return {"recordings": len(self), **{f"recordings_{name}": value for name, value in counts.items()}}

    def __iter__(self) -> Iterator[Recording]:
        """Those that run and belong to no group, oldest first."""
        return (each for (group, _), each in self._running.items() if not group and not each.is_ending)

    def of(self, media_session_id: str, group: str = "") -> Recording | None:
        """The one of a publication, if it runs."""
        recording = self._running.get((group, media_session_id))
        return None if recording is None or recording.is_ending else recording

    def start(self, request: RecordRequest) -> Recording:
        """Begin a recording; one of the same publication and group that runs ends first. Raises RecordingRefused."""
        try:
            self._admit(request)
        except RecordingRefused as refused:
            self._note_refusal(request, refused)
            raise
        key = _key(request)
        before = self.of(key[1], key[0])
        if before is not None:
            before.finish()
        recording = Recording(self.services, self.folder, self._job(request), self._wall_clock)
        if self._nursery is None:
            raise ActorStopped("recordings are not served")
        self._nursery.start_soon(self._oversee, recording, request)
        self._running[key] = recording
        self._all.add(recording)
        return recording

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Finish what was left over, and hold the tasks of recordings until cancelled."""
        await trio.to_thread.run_sync(self.files.rescue)
        async with trio.open_nursery() as self._nursery:
            await self._nursery.start(self.services.recorder_hosts.run)
            task_status.started()
            await self.files.remux_rescued()
            self._tell_change()
            await trio.sleep_forever()

    async def drain(self) -> None:
        """Finish all that run, and wait for their files: FINISH_TIMEOUT seconds and a little more."""
        self.end_groups()
        for recording in tuple(self._all):
            recording.finish()
        with trio.move_on_after(FINISH_TIMEOUT + 1):
            while self._all or self._tasks or self.files.is_remuxing:
                await self._changed.wait()
        for recording in tuple(self._all):
            recording.stop(SHUTDOWN)
        self.files.stop(SHUTDOWN)

    def finish_later(self, run: Callable[[T], Awaitable[None]], what: T) -> None:
        """Run this as a task of ours, which `drain` waits for."""
        if self._nursery is not None:
            self._tasks += 1
            self._nursery.start_soon(self._finish, run, what)

    async def until_finished(self, name: str) -> None:
        """Wait for the file of this name, if its recording has just ended, or has gone on in the next one."""
        for part in self._finishing(name):
            await part.delivered.wait()
            return

    def is_finishing(self, name: str) -> bool:
        """Whether a file of this name is being finished."""
        return any(self._finishing(name))

    # -- inside --------------------------------------------------------------------------------------------------

    def _finishing(self, name: str) -> Iterator[RecordPart]:
        ending = [recording.part for recording in self._all if recording.is_ending]
        return (part for part in (*ending, *self.files.unfinished) if part.final == name)

    def _admit(self, request: RecordRequest) -> None:
        settings = self._settings
        if not settings.record_streams:
            raise RecordingRefused(OFF, "record_streams")
        allowed = settings.record_streams_app_keys
        if request.wish is None and allowed and request.app_key not in allowed:
            raise RecordingRefused(NOT_THIS_APP, "record_streams_app_keys")
        if len(self._all) >= settings.records_max_running:
            raise RecordingRefused(TOO_MANY, "records.max_running")
        for codec in (request.facts.audio_codec, request.facts.video_codec):
            if codec is not None and not can_be_kept(codec):
                raise RecordingRefused(f"Streams with {codec} are not recorded", CALL_CODECS)

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
            tell=request.tell if wish.hearing is None else wish.hearing(request.tell, request.facts),
            on_file=self.files.take_rotated,
            on_figures=self._watch_room,
            on_restart=self._count_restart,
        )

    async def _finish(self, run: Callable[[T], Awaitable[None]], what: T) -> None:
        try:
            with crash_guard(lambda error: log.error("recording crashed", crash=error, actor=repr(what))):
                await run(what)
        finally:
            self._tasks -= 1
            self._tell_change()

    async def _oversee(self, recording: Recording, request: RecordRequest) -> None:
        try:
            with crash_guard(lambda error: log.error("recording crashed", crash=error, actor=repr(recording))):
                await recording.run()
            self._note_end(recording, request)
            if recording.refusal is None:
                self.files.take(recording.part)
            else:
                recording.part.delivered.set()
        finally:
            self._all.discard(recording)
            if self._running.get(_key(request)) is recording:
                del self._running[_key(request)]
            self._tell_change()

    def _count_restart(self) -> None:
        self.counts.restarted += 1

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
            running = [each for each in self._all if not each.is_ending]
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


def _key(request: RecordRequest) -> tuple[str, str]:
    return ("" if request.wish is None else request.wish.group), request.facts.media_session_id
