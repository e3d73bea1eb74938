"""A recording: one publication, one process, one file."""

import os
import socket
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol

import trio
from attrs import frozen

from actors.node.recorder_port import RecordingRefused
from actors.runtime.actor import StopReason
from actors.runtime.logs import get_logger
from actors.workers.record_folder import MATROSKA, MP4, DiskLimits, RecordFolder
from actors.workers.worker import Worker, WorkerServices
from protocol.stream.record_names import RecordFacts, file_stem

SOCKET_BUFFER: Final = 4 << 20
"""Bytes that may wait for a recorder, if the system allows it: what it may be late by."""
_SO_SNDBUFFORCE: Final = 32

log = get_logger("workers")


class WorkerTap(Protocol):
    """What hands a publication's packets to the process: `actors.media.tap.Tap`."""

    packets: int
    dropped: int

    def request_key_frame(self) -> None: ...
    def close(self) -> None: ...


OpenTap = Callable[[socket.socket, Callable[[], None]], WorkerTap]
"""Opens a tap that sends to this socket, and calls when the publication has ended or the process is gone."""


@frozen(kw_only=True)
class RecordJob:
    """What to record, and how far."""

    facts: RecordFacts
    template: str
    ending: str
    open_tap: OpenTap
    limits: DiskLimits
    max_file_bytes: int


class Recording(Worker):
    """From the first packet to the finished file. `finish` ends it; so do the end of the publication and the limits."""

    program = "recorder"

    def __init__(
        self, services: WorkerServices, folder: RecordFolder, job: RecordJob, wall_clock: Callable[[], float]
    ) -> None:
        super().__init__(services)
        self.facts = job.facts
        self.running_name = folder.reserve(file_stem(job.template, job.facts), job.ending)
        """The file's name until its end is known."""
        self.file: Path | None = None
        """The finished file; None until then, and if there is none."""
        self.refusal: RecordingRefused | None = None
        self.started = trio.Event()
        """It runs, or will not; `refusal` says which."""
        self.writing = trio.Event()
        """The first frames are in the file."""
        self.bytes = self.dropped = 0
        self._job = job
        self._folder = folder
        self._wall_clock = wall_clock
        self._final = ""
        self._tap: WorkerTap | None = None
        self._has_part = False
        self._is_whole = False

    @property
    def becomes_mp4(self) -> bool:
        """Whether its file is one that is to be turned into an MP4."""
        return self._job.ending == MP4 and self.file is not None

    @property
    def is_ending(self) -> bool:
        """Whether it was told to end, or has ended."""
        return bool(self._final) or self.reason is not None

    def finish(self) -> str:
        """End it, when everything that came so far is written; the name that its file will have. Never waits."""
        if not self._final:
            stem = file_stem(self._job.template, self.facts, int(self._wall_clock() * 1000))
            is_same = stem == file_stem(self._job.template, self.facts)
            self._final = self.running_name if is_same else self._folder.reserve(stem, self._job.ending)
            if self.reason is None and self._nursery is not None:
                self.nursery.start_soon(self._end_process)
        return self._final

    # -- the actor -----------------------------------------------------------------------------------------------

    async def on_start(self) -> None:
        try:
            await self._begin()
        except RecordingRefused as refused:
            self._refuse(refused)
        except OSError as error:
            self._refuse(RecordingRefused(f"Cannot record: {error.strerror}", "records.folder"))
        finally:
            self.started.set()

    def take_event(self, event: Mapping[str, Any]) -> None:
        if event.get("event") == "started":
            self.writing.set()
        elif event.get("event") == "keyframe" and self._tap is not None:
            self._tap.request_key_frame()

    def take_figures(self, event: Mapping[str, Any]) -> None:
        size = event.get("bytes")
        self.bytes = size if isinstance(size, int) else self.bytes

    def done(self, why: str, event: Mapping[str, Any]) -> StopReason:
        self._is_whole = why != "disk-full"
        return StopReason(cause=why)

    def teardown(self, reason: StopReason) -> None:
        if self._tap is not None:
            self.dropped = self._tap.dropped
            self._tap.close()

    async def on_stop(self, reason: StopReason) -> None:
        await super().on_stop(reason)
        final = self.finish()
        if self._has_part:
            written = _as_written(final)
            finish = partial(self._folder.finish, self.running_name, written, is_whole=self._is_whole)
            try:
                if await trio.to_thread.run_sync(finish):
                    self.file = self._folder.path / written
            except OSError as error:
                log.error("recording cannot be finished", crash=None, error=str(error), **self.end_log_fields())
        self._folder.release(self.running_name)
        self._folder.release(final)

    def drop_references(self) -> None:
        self._tap = None

    def end_log_fields(self) -> dict[str, object]:
        return {
            "id": self.facts.media_session_id,
            "name": self.facts.stream_name,
            "file": self._final or self.running_name,
            "bytes": self.bytes,
            "dropped": self._tap.dropped if self._tap is not None else self.dropped,
        }

    # -- inside --------------------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        part = await trio.to_thread.run_sync(self._folder.open_part, self.running_name, self._job.limits)
        self._has_part = True
        try:
            await self._begin_with(part)
        finally:
            os.close(part)

    async def _begin_with(self, part: int) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            await self.go_on()
            _enlarge(ours)
            self._tap = self._job.open_tap(ours, self._tap_ended)
            job = {
                "tap": theirs.fileno(),
                "file": part,
                "max_bytes": self._job.max_file_bytes,
                "min_free": self._job.limits.min_free,
            }
            await self.spawn(job, (theirs.fileno(), part))
            if self._final:  # it was told to end meanwhile
                await self._end_process()
        finally:
            theirs.close()
            if self._tap is None:
                ours.close()

    async def _end_process(self) -> None:
        self.limit_end()
        await self.tell({"do": "stop"})

    def _refuse(self, refused: RecordingRefused) -> None:
        self.refusal = refused
        self.stop(StopReason(cause="refused", info=refused.info))

    def _tap_ended(self) -> None:
        if self.reason is None and self._nursery is not None:
            self.limit_end()


def _as_written(name: str) -> str:
    """The name of the file before it is turned into an MP4."""
    return name.removesuffix(MP4) + MATROSKA if name.endswith(MP4) else name


def _enlarge(channel: socket.socket) -> None:
    for option in (_SO_SNDBUFFORCE, socket.SO_SNDBUF):  # the first is for root, the second may give less
        try:
            channel.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER)
        except OSError:
            continue
        return
