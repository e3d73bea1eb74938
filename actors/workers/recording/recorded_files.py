"""What becomes of each file that a recording has written: its final name, an MP4, and who is told of it."""

from collections.abc import Awaitable, Callable, Collection
from pathlib import Path
from typing import Protocol

import trio

from actors.runtime.actor import StopReason, crash_guard
from actors.runtime.logs import get_logger
from actors.workers.processes.worker import WorkerServices
from actors.workers.processes.worker_counts import RecordingCounts
from actors.workers.recording.hook_script import HookScript
from actors.workers.recording.record_folder import MP4, RecordFolder
from actors.workers.recording.record_part import RecordPart
from actors.workers.recording.remuxing import Remuxing
from protocol.stream.record_status import RecordNotice, RecordStatus

log = get_logger("workers")


class FinishLater(Protocol):
    """Runs an async function in a task that the end of the server waits for."""

    def __call__(self, run: Callable[[RecordPart], Awaitable[None]], what: RecordPart, /) -> None: ...


class RecordedFiles:
    """See above. It also finishes what an earlier server left over."""

    def __init__(
        self,
        folder: RecordFolder,
        services: WorkerServices,
        counts: RecordingCounts,
        script: HookScript,
        finish_later: FinishLater,
    ) -> None:
        self.script = script
        self._folder = folder
        self._services = services
        self._counts = counts
        self._finish_later = finish_later
        self._unfinished: set[RecordPart] = set()
        self._rescued: list[Path] = []
        """Files of an earlier server that are to become MP4."""
        self._remuxings: set[Remuxing] = set()

    @property
    def is_remuxing(self) -> bool:
        return bool(self._remuxings)

    @property
    def unfinished(self) -> Collection[RecordPart]:
        """Files that are written, and not yet done with."""
        return tuple(self._unfinished)

    def take_rotated(self, part: RecordPart) -> None:
        """A file is written, and its recording goes on in the next one."""
        log.info("recording goes on in a new file", id=part.facts.media_session_id, file=part.final, bytes=part.bytes)
        self.take(part)

    def take(self, part: RecordPart) -> None:
        """A file is written."""
        self._unfinished.add(part)
        self._finish_later(self._finish, part)

    async def delivered(self, media_session_ids: Collection[str]) -> None:
        """Wait until nothing that is written of these publications is still to be told of."""
        for part in [each for each in self._unfinished if each.facts.media_session_id in media_session_ids]:
            await part.delivered.wait()

    def stop(self, reason: StopReason) -> None:
        """No longer turn files into MP4; the next start does it."""
        for remuxing in tuple(self._remuxings):
            remuxing.stop(reason)

    # -- what was left over --------------------------------------------------------------------------------------

    def rescue(self) -> None:
        """Finish what was left over. For a thread."""
        try:
            for name in self._folder.unfinished():
                self._rescue_one(name)
        except OSError as error:
            log.error("recordings cannot be rescued", error=str(error))

    async def remux_rescued(self) -> None:
        """Turn into MP4 what is to be one, one after the other."""
        for file in self._rescued:
            await self._remux(file)

    def _rescue_one(self, name: str) -> None:
        try:
            final = self._folder.rescue(name)
        except OSError as error:  # the others are not to suffer from it
            log.error("recordings cannot be rescued", file=name, error=str(error))
            return
        self._counts.rescued += final is not None
        if final is not None and name.endswith(MP4):
            self._rescued.append(self._folder.path / final)
        log.warning("recording was left unfinished", file=name, kept=final)

    # -- inside --------------------------------------------------------------------------------------------------

    async def _finish(self, part: RecordPart) -> None:
        try:
            await part.complete(is_whole=True)
            if part.becomes_mp4 and part.file is not None:
                part.file = await self._remux(part.file)
            if part.file is not None:
                part.bytes = await trio.to_thread.run_sync(_size, part.file, part.bytes)
                self._tell(part, part.file)
                part.delivered.set()
                await self.script.run(part.facts.stream_name, part.file)
        finally:
            part.delivered.set()
            self._unfinished.discard(part)

    def _tell(self, part: RecordPart, file: Path) -> None:
        self._counts.files += 1
        self._counts.bytes += part.bytes
        part.tell(
            RecordNotice(
                status=RecordStatus.FINISHED,
                file_name=file.name,
                size=part.bytes,
                duration=part.duration_ms,
                start=part.start,
            )
        )

    async def _remux(self, file: Path) -> Path:
        """Make it an MP4; the file that there is then."""
        remuxing = Remuxing(self._services, file)
        self._remuxings.add(remuxing)
        try:
            with crash_guard(lambda error: log.error("recording crashed", crash=error, actor=repr(remuxing))):
                await remuxing.run()
        finally:
            self._remuxings.discard(remuxing)
        return remuxing.file


def _size(file: Path, written: int) -> int:
    """Bytes of a finished file, which was mended or made into an MP4; what was written, if it is gone already."""
    try:
        return file.stat().st_size
    except OSError:
        return written
