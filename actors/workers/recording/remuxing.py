"""A finished recording of H264 becomes an MP4, in a process beside the server; if that fails, it stays as it is."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import trio

from actors.runtime.actor import StopReason
from actors.runtime.logs import get_logger
from actors.workers.processes.worker import Worker, WorkerServices
from actors.workers.recording.record_folder import PART

ROOM: Final = 64 << 20
"""Bytes by which an MP4 may be larger than the Matroska file."""
MADE: Final = "ended"
FAILED: Final = frozenset({"worker-died", "disk-full", "failed", "refused"})
"""Ends after which it would fail again."""

log = get_logger("workers")


class Remuxing(Worker):
    """See above. `file` is the MP4 in the end, or the file that was to become one."""

    program = "remuxer"

    def __init__(self, services: WorkerServices, source: Path) -> None:
        super().__init__(services)
        self.file = source
        self._is_made = False
        self._source = source
        self._target = source.with_suffix(".mp4")
        self._part = source.with_name(f"{self._target.name}{PART}")

    async def on_start(self) -> None:
        try:
            await self._begin()
        except OSError as error:
            self._log_failure(str(error))
            self.stop(StopReason(cause="refused"))

    def done(self, why: str, event: Mapping[str, Any]) -> StopReason:
        self._is_made = why == MADE
        return StopReason(cause=why)

    async def on_stop(self, reason: StopReason) -> None:
        await super().on_stop(reason)
        has_failed = reason.cause in FAILED
        if has_failed and reason.cause != "refused":
            self._log_failure(reason.cause)
        try:
            self.file = await trio.to_thread.run_sync(self._finish, has_failed)
        except OSError as error:
            self._log_failure(str(error))

    def _log_failure(self, error: str) -> None:
        log.error("recording stays in Matroska", error=error, file=self._source.name)

    def end_log_fields(self) -> dict[str, object]:
        return {"file": self._target.name}

    async def _begin(self) -> None:
        source, target, size = await trio.to_thread.run_sync(self._open)
        try:
            await self.go_on()
            job = {"source": source, "target": target, "max_bytes": size + ROOM}
            await self.spawn(job, (source, target))
        finally:
            os.close(source)
            os.close(target)

    def _open(self) -> tuple[int, int, int]:
        source = os.open(self._source, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            return source, os.open(self._part, flags, 0o600), os.fstat(source).st_size
        except BaseException:
            os.close(source)
            raise

    def _finish(self, has_failed: bool) -> Path:
        """What is left of an MP4 that was not finished tells the next start to do it again."""
        if not self._is_made:
            if has_failed:
                self._part.unlink(missing_ok=True)
            return self._source
        self._part.rename(self._target)
        self._source.unlink()
        return self._target
