"""A recording: one publication, one process, one file after the other.

If the process dies or hangs, another one goes on in a new file, at the next key frame; not more often than RESTARTS.
"""

import os
import socket
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import trio
from attrs import frozen

from actors.node.ports.recorder import RecordingRefused, TellStatus
from actors.runtime.actor import StopReason
from actors.runtime.logs import get_logger
from actors.workers.processes.process import ProgramSource
from actors.workers.processes.shared_process import LEAVE_TIMEOUT, SharedRecorder
from actors.workers.processes.tap_channel import OpenTap, WorkerTap, read_interval, tap_channel
from actors.workers.processes.worker import Worker, WorkerMessage, WorkerServices
from actors.workers.recording.record_folder import DiskLimits, RecordFolder
from actors.workers.recording.record_part import RecordPart
from actors.workers.recording.record_parts import RecordParts
from protocol.common.rate_limit import RateLimit
from protocol.stream.record_names import RecordFacts
from protocol.stream.record_status import RecordNotice, RecordStatus
from protocol.stream.rotation import Rotation

RESTARTS: Final = (1 / 600, 3)
"""Processes that may follow others that have died: so many per second, and at once."""
RESTART_PAUSE: Final = 0.15
"""Seconds from one of them to the next one, which leaves the processors to media."""

log = get_logger("workers")


@frozen(kw_only=True)
class RecordJob:
    """What to record, and how far.

    `on_file` is told of each file but the last one, when it is written; `on_figures` that more is in the folder;
    `on_restart` that another process goes on.
    """

    facts: RecordFacts
    template: str
    open_tap: OpenTap
    limits: DiskLimits
    max_file_bytes: int
    rotation: Rotation
    tell: TellStatus
    on_file: Callable[[RecordPart], None]
    on_figures: Callable[[], None]
    on_restart: Callable[[], None]


class Recording(Worker):
    """From the first packet to the finished file. `finish` ends it; so do the end of the publication and the limits."""

    program = "recorder"
    cleanup_timeout = LEAVE_TIMEOUT + 5.0  # the file is finished after its process has been left, which may hang

    def __init__(
        self, services: WorkerServices, folder: RecordFolder, job: RecordJob, wall_clock: Callable[[], float]
    ) -> None:
        super().__init__(services)
        self.facts = job.facts
        self._parts = RecordParts(
            folder, job.template, job.facts, job.tell, job.on_file, lambda: int(wall_clock() * 1000)
        )
        self.refusal: RecordingRefused | None = None
        self.started = trio.Event()
        """It runs, or will not; `refusal` says which."""
        self.writing = trio.Event()
        """The first frames are in the file."""
        self.dropped = 0
        """Packets."""
        self._restarts = RateLimit(*RESTARTS)
        self._is_apart = False
        """Whether its process is to have no other recorder: it may be this one that those before have died of."""
        self._job = job
        self._is_ending = False
        self._tap: WorkerTap | None = None
        self._channel: socket.socket | None = None
        """By which the process gets its next files."""
        self._wanted: Collection[str] = ()
        """Codecs of the next file, when it is wanted."""
        self._is_whole = False
        self._why = ""
        """Why it was told to end, if not by `finish`."""

    @property
    def part(self) -> RecordPart:
        """The file that is being written, the last one in the end."""
        return self._parts.current

    @property
    def files(self) -> int:
        """How many there were before this one."""
        return self._parts.before

    @property
    def running_name(self) -> str:
        """The file's name until its end is known."""
        return self.part.running_name

    @property
    def file(self) -> Path | None:
        """The finished file, the last one; None until then, and if there is none."""
        return self.part.file

    @property
    def bytes(self) -> int:
        """Of the file."""
        return self.part.bytes

    @property
    def is_ending(self) -> bool:
        """Whether it was told to end, or has ended."""
        return self._is_ending or self.reason is not None

    def finish(self, why: str = "") -> str:
        """End it, when everything that came so far is written; the name that its file will have. Never waits."""
        if not self._is_ending:
            self._is_ending, self._why = True, why
            if self.reason is None and self._nursery is not None:
                self.nursery.start_soon(self._end_process)
        return self._parts.settle()

    # -- the actor -----------------------------------------------------------------------------------------------

    @property
    def source(self) -> ProgramSource | None:
        hosts = self._shared.recorder_hosts
        return None if self._is_apart or not hosts.are_held else SharedRecorder(hosts, self._job.max_file_bytes)

    async def on_start(self) -> None:
        try:
            await self._begin()
        except RecordingRefused as refused:
            self._refuse(refused)
        except OSError as error:
            self._refuse(RecordingRefused(f"Cannot record: {error.strerror or error}", "records.folder"))
        finally:
            self.started.set()

    async def handle(self, message: WorkerMessage) -> None:
        await super().handle(message)
        if self._wanted:
            codecs, self._wanted = self._wanted, ()
            await self._open_next(codecs)

    def take_event(self, event: Mapping[str, Any]) -> None:
        match event.get("event"):
            case "started":
                self.take_figures(event)
                self._note_start()
            case "keyframe" if self._tap is not None:
                self._tap.request_key_frame()
            case "rotate" if self._parts.following is None and not self.is_ending:
                self._wanted = [str(codec) for codec in event.get("codecs", ())]
            case "rotated":
                self._parts.rotated(event)
            case "slow":
                self._shared.complaints.warning(
                    "disk of recordings is slow", seconds=event.get("seconds"), **self.end_log_fields()
                )

    def take_figures(self, event: Mapping[str, Any]) -> None:
        self.part.take_figures(event)
        self._job.on_figures()

    def done(self, why: str, event: Mapping[str, Any]) -> StopReason:
        self._is_whole = why != "disk-full"
        return StopReason(cause=(self._why or why) if why == "stopped" else why)

    def goes_on(self) -> bool:
        return not self._is_ending and self.started.is_set() and self._restarts.take(trio.current_time())

    async def begin_anew(self) -> None:
        self._job.on_restart()
        self._is_apart = True
        self._close_channels()
        self._wanted = ()
        await self._parts.complete(is_whole=False)
        if self._is_ending:  # it was told to end meanwhile
            self.stop(StopReason(cause=self._why or "stopped"))
            return
        self._parts.begin_anew()
        log.warning("recording goes on with another process", **self.end_log_fields())
        try:
            async with self._shared.restart:
                await self._begin()
                await trio.sleep(RESTART_PAUSE)
        except RecordingRefused as refused:
            log.warning("recording ends without a next file", info=refused.info, setting=refused.setting)
            self.stop(StopReason(cause="no-room"))
        except OSError as error:
            log.error("worker cannot be started", program=self.program, error=str(error))
            self.stop(StopReason(cause="worker-died"))

    def teardown(self, reason: StopReason) -> None:
        self._close_channels()

    async def on_stop(self, reason: StopReason) -> None:
        await super().on_stop(reason)
        self.finish()
        await self._parts.complete(is_whole=self._is_whole)

    def drop_references(self) -> None:
        self._tap = self._channel = None

    def end_log_fields(self) -> dict[str, object]:
        return {
            "id": self.facts.media_session_id,
            "name": self.facts.stream_name,
            "file": self.part.final or self.running_name,
            "bytes": self.bytes,
            "dropped": self.dropped + (self._tap.dropped if self._tap is not None else 0),
        }

    # -- inside --------------------------------------------------------------------------------------------------

    def _note_start(self) -> None:
        if not self.writing.is_set():
            self.writing.set()
            self._job.tell(RecordNotice(status=RecordStatus.STARTED, file_name=self.running_name))

    def _close_channels(self) -> None:
        tap, self._tap = self._tap, None
        if tap is not None:
            self.dropped += tap.dropped
            tap.close()
        channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    async def _begin(self) -> None:
        part = await trio.to_thread.run_sync(self.part.open, self._job.limits)
        try:
            await self._begin_with(part)
        finally:
            os.close(part)

    async def _begin_with(self, part: int) -> None:
        with ExitStack() as theirs:
            await self.go_on()
            self._channel, files = _pair(theirs)
            ours, other = tap_channel()
            theirs.callback(other.close)
            tap = other.fileno()
            interval = read_interval(ours)
            self._tap = self._job.open_tap(ours, self._tap_ended)
            rotation = self._job.rotation
            job = {
                "tap": tap,
                "file": part,
                "files": files,
                "max_bytes": self._job.max_file_bytes,
                "min_free": self._job.limits.min_free,
                "read_interval": interval,
                "rotation": {"bytes": rotation.max_bytes, "ms": rotation.max_ms},
            }
            await self.spawn(job, (tap, part, files))
            if self._is_ending:  # it was told to end meanwhile
                await self._end_process()

    async def _open_next(self, codecs: Collection[str]) -> None:
        """Give the process its next file; it ends where there is none."""
        part = self._parts.follow(codecs)
        try:
            descriptor = await trio.to_thread.run_sync(part.open, self._job.limits)
        except RecordingRefused as refused:
            self._end_without_next(refused.info, refused.setting)
        except OSError as error:
            self._end_without_next(str(error), "records.folder")
        else:
            try:
                if self._channel is not None:
                    socket.send_fds(self._channel, [b"f"], [descriptor])
            except OSError:  # the process is gone
                pass
            finally:
                os.close(descriptor)

    def _end_without_next(self, info: str, setting: str) -> None:
        log.warning("recording ends without a next file", info=info, setting=setting, **self.end_log_fields())
        self.finish("no-room")

    async def _end_process(self) -> None:
        self.limit_end()
        await self.tell({"do": "stop"})

    def _refuse(self, refused: RecordingRefused) -> None:
        self.refusal = refused
        self.stop(StopReason(cause="refused", info=refused.info))

    def _tap_ended(self) -> None:
        if self.reason is None and self._nursery is not None:
            self.limit_end()


def _pair(theirs: ExitStack) -> tuple[socket.socket, int]:
    """Our end of a pair of sockets, and the descriptor of the other one, which is closed with `theirs`."""
    ours, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    theirs.callback(other.close)
    ours.setblocking(False)
    return ours, other.fileno()
