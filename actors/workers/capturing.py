"""A process that brings one source into the server, from its connection to its end."""

import os
import socket
import stat
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import trio
from attrs import asdict, field, frozen

from actors.runtime.actor import StopReason
from actors.runtime.logs import get_logger
from actors.workers.worker import Worker, WorkerServices
from protocol.common.errors import ProtocolError

CANNOT_START: Final = "cannot-start"
NO_FILE: Final = "no-file"
DIED: Final = "worker-died"

log = get_logger("workers")

ReadFeed = Callable[[socket.socket], Awaitable[None]]
"""Reads what the process sends, until its end, and closes the socket. Raises ProtocolError."""


@frozen(kw_only=True)
class SourceJob:
    """What to open, and how: the job of the program, but for its descriptors."""

    url: str | None = field(default=None, repr=False)
    options: Mapping[str, str] = field(factory=dict, repr=False)
    connect_timeout: float
    read_timeout: float
    paced: bool = False
    """Whether it is read faster than it plays."""
    loops: bool = False
    offset: int = 0
    """Of timestamps, the same for every process that goes on with a source."""


class Capturing(Worker):
    """See above. `why` is a word for how it ended. `file`: in place of a URL."""

    program = "capture"

    def __init__(
        self, services: WorkerServices, job: SourceJob, file: Path | None, read_feed: ReadFeed, name: str
    ) -> None:
        super().__init__(services)
        self.why = DIED
        self.tracks: list[Mapping[str, Any]] = []
        """What the source has, once it is open."""
        self._job = job
        self._file = file
        self._read_feed = read_feed
        self._name = name

    def done(self, why: str, event: Mapping[str, Any]) -> StopReason:
        self.why = why
        return StopReason(cause=why)

    def take_event(self, event: Mapping[str, Any]) -> None:
        if event.get("event") == "source":
            self.tracks = event.get("tracks", [])
            log.info("source opened", name=self._name, tracks=self.tracks)

    async def on_start(self) -> None:
        try:
            await self._begin()
        except OSError as error:
            self.why = NO_FILE if self._file is not None else CANNOT_START
            log.warning("capture cannot start", name=self._name, error=error.strerror)
            self.stop(StopReason(cause=CANNOT_START))

    def end_log_fields(self) -> dict[str, object]:
        return {"name": self._name}

    # -- inside --------------------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        file = None if self._file is None else await trio.to_thread.run_sync(_open_file, self._file)
        try:
            await self._begin_with(file)
        finally:
            if file is not None:
                os.close(file)

    async def _begin_with(self, file: int | None) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            descriptors = (theirs.fileno(),) if file is None else (theirs.fileno(), file)
            await self.spawn({**asdict(self._job), "feed": theirs.fileno(), "file": file}, descriptors)
            self.nursery.start_soon(self._read, ours)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()

    async def _read(self, channel: socket.socket) -> None:
        try:
            await self._read_feed(channel)
        except ProtocolError as error:
            log.error("worker makes no sense", crash=None, program=self.program, why=str(error), name=self._name)
            if self._process is not None:
                self._process.kill()
        finally:
            channel.close()


def _open_file(path: Path) -> int:
    """A regular file, and no other. Raises OSError."""
    opened = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(opened).st_mode):
            raise FileNotFoundError(2, "no regular file")
    except BaseException:
        os.close(opened)
        raise
    return opened
