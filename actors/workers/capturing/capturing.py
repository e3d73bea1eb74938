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
from actors.workers.capturing.processor_share import ProcessorShare
from actors.workers.capturing.source_forwarder import SourceForwarder
from actors.workers.processes.worker import HANG_TIMEOUT, Worker, WorkerServices
from protocol.common.errors import ProtocolError

CANNOT_START: Final = "cannot-start"
NO_FILE: Final = "no-file"
DIED: Final = "worker-died"
DENIED: Final = "denied"
"""The source led to where clients may not have the server go."""

UNREACHABLE: Final = "unreachable"

log = get_logger("workers")

ReadFeed = Callable[[socket.socket], Awaitable[None]]
"""Reads what the process sends, until its end, and closes the socket. Raises ProtocolError."""


@frozen(kw_only=True)
class SourceJob:
    """What to open, and how: the job of the program, but for its descriptors."""

    url: str | None = field(default=None, repr=False)
    options: Mapping[str, str] = field(factory=dict, repr=False)
    ca_file: str | None = None
    """The certificates that are trusted: the one file that it may read."""
    connect_timeout: float
    read_timeout: float
    paced: bool = False
    """Whether it is read faster than it plays."""
    loops: bool = False
    transcode: int = 0
    """The bit rate, in bit/s, of a picture that browsers cannot be sent as it is; 0: such a source is refused."""
    offset: int = 0
    """Of timestamps, the same for every process that goes on with a source."""
    ports: tuple[int, ...] = ()
    """Cut off from every network, it reaches these ports through the server; none: it is not cut off."""
    needs_isolation: bool = True
    """Whether it must open nothing where the system does not let it cut itself off."""


@frozen(kw_only=True)
class CaptureSource:
    """What to open. `name`: of the stream, for the log. `ends`: its end is one; other sources are opened again.

    `make_forwarder`: the only way out of a process that is cut off from every network; None: it is not.
    """

    name: str
    job: SourceJob
    file: Path | None = None
    ends: bool = False
    make_forwarder: Callable[[], SourceForwarder] | None = None


class Capturing(Worker):
    """See above. `why` is a word for how it ended."""

    program = "capture"

    def __init__(self, services: WorkerServices, source: CaptureSource, read_feed: ReadFeed) -> None:
        super().__init__(services)
        self.why = DIED
        self.tracks: list[Mapping[str, Any]] = []
        """What the source has, once it is open."""
        self.share = ProcessorShare()
        self._source = source
        self._name = source.name
        self._read_feed = read_feed
        self._forwarder = None if source.make_forwarder is None else source.make_forwarder()

    @property
    def patience(self) -> float:
        """It says nothing while it connects, looks at what comes, and waits for a source."""
        job = self._source.job
        return HANG_TIMEOUT + 2 * job.connect_timeout + job.read_timeout

    def done(self, why: str, event: Mapping[str, Any]) -> StopReason:
        self.why = why if self._forwarder is None else _seen_from_here(self._forwarder, why)
        return StopReason(cause=why)

    def take_event(self, event: Mapping[str, Any]) -> None:
        if event.get("event") == "source":
            self.tracks = event.get("tracks", [])
            if any("transcoded" in track for track in self.tracks):
                self.share.expect_transcoding()
            log.info("source opened", name=self._name, tracks=self.tracks)

    def take_figures(self, event: Mapping[str, Any]) -> None:
        self.share.take(event, trio.current_time())

    async def on_start(self) -> None:
        try:
            await self._begin()
        except OSError as error:
            self.why = NO_FILE if self._source.file is not None else CANNOT_START
            log.warning("capture cannot start", name=self._name, error=error.strerror)
            self.stop(StopReason(cause=CANNOT_START))

    def end_log_fields(self) -> dict[str, object]:
        return {"name": self._name}

    # -- inside --------------------------------------------------------------------------------------------------

    async def _begin(self) -> None:
        path = self._source.file
        file = None if path is None else await trio.to_thread.run_sync(_open_file, path)
        try:
            await self._begin_with({} if file is None else {"file": file})
        finally:
            if file is not None:
                os.close(file)

    async def _begin_with(self, given: dict[str, int]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        try:
            given["feed"] = theirs.fileno()
            if self._forwarder is not None:
                given["channel"] = self._forwarder.worker_end.fileno()
            await self.spawn({**asdict(self._source.job), **given}, tuple(given.values()))
            self.nursery.start_soon(self._read, ours)
            self._forward()
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()

    def _forward(self) -> None:
        if self._forwarder is not None:
            self._forwarder.close_worker_end()
            self.nursery.start_soon(self._forwarder.run)

    async def on_stop(self, reason: StopReason) -> None:
        if self._forwarder is not None:
            self._forwarder.close()
        await super().on_stop(reason)

    async def _read(self, channel: socket.socket) -> None:
        try:
            await self._read_feed(channel)
        except ProtocolError as error:
            log.error("worker makes no sense", crash=None, program=self.program, why=str(error), name=self._name)
            if self._process is not None:
                self._process.kill()
        finally:
            channel.close()


def _seen_from_here(forwarder: SourceForwarder, why: str) -> str:
    """Why a source could not be read by a process whose connections all seem to be taken."""
    if forwarder.is_denied:
        return DENIED
    return UNREACHABLE if forwarder.is_unreachable and why == "wrong-format" else why


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
