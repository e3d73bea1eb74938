"""Keeps the record of this run (`protocol/node/run_record.py`): which streams are open, for the start after a crash.

It is written behind, a moment after streams begin or end, and never for what they do in between. The longer the file,
the longer the moment. What happened in the last moment before a crash is lost.
"""

from pathlib import Path

import trio

from actors.runtime.logs import RateLimitedLog, get_logger
from actors.runtime.slices import slices
from protocol.node.descriptions import StreamIdentity
from protocol.node.run_record import (
    MAX_LINE,
    MAX_STREAMS,
    PreviousRun,
    encode_head,
    encode_stream,
    read_record,
)

log = get_logger("storage")

SHORTEST_PAUSE = 0.25
"""Seconds between two writes, at least."""
BYTES_PER_SECOND = 1_000_000
"""Written at most, on average."""
LINES_AT_ONCE = 200


class RunRecord:
    """The record in the file at `path`; without one, it is not kept. `previous`: how the run before ended.

    Raises OSError if the file of the run before cannot be read.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.previous = PreviousRun() if path is None else _previous(path)
        self._path = path
        self._lines: dict[str, bytes] = {}
        self._left_out = 0
        """Open streams without a line."""
        self._is_frozen = False
        self._changed = trio.Event()
        self._log = RateLimitedLog(log, clock=trio.current_time)

    # -- what the supervisor calls -----------------------------------------------------------------

    def opened(self, stream: StreamIdentity) -> None:
        """A stream has begun; its id is new."""
        line = encode_stream(stream) if len(self._lines) < MAX_STREAMS else None
        if line is None:
            self._left_out += 1
        else:
            self._lines[stream.media_session_id] = line
        self._change()

    def renamed(self, stream: StreamIdentity) -> None:
        """The backend has given a stream another name."""
        line = encode_stream(stream)
        if line is not None and stream.media_session_id in self._lines:
            self._lines[stream.media_session_id] = line
            self._change()

    def closed(self, media_session_id: str) -> None:
        """A stream has ended."""
        if self._is_frozen:
            return
        if self._lines.pop(media_session_id, None) is None:
            self._left_out -= 1
        self._change()

    def freeze(self) -> None:
        """The server stops. Unless it comes to `end`, backends may not have been told of what ends from here on."""
        self._is_frozen = True

    # -- what the server calls ---------------------------------------------------------------------

    async def run(self) -> None:
        """Write the record until cancelled: now, and after each change."""
        if self._path is None:
            return
        while True:
            size = await self._write(self._path)
            await trio.sleep(max(SHORTEST_PAUSE, size / BYTES_PER_SECOND))
            await self._changed.wait()

    def end(self) -> None:
        """After `run`: everything ended in order, and the next start has nothing to tell."""
        if self._path is not None:
            self._path.unlink(missing_ok=True)

    def lines(self) -> tuple[bytes, ...]:
        """The file as it should be now."""
        return encode_head(len(self._lines), truncated=self._left_out > 0), *self._lines.values()

    # -- inside ------------------------------------------------------------------------------------

    def _change(self) -> None:
        self._changed.set()

    async def _write(self, path: Path) -> int:
        self._changed = trio.Event()
        lines = self.lines()
        try:
            await trio.to_thread.run_sync(_replace, path, lines)
        except OSError as error:
            self._log.error("the record of open streams cannot be written", path=path, cause=error.strerror)
        return sum(map(len, lines))


def _previous(path: Path) -> PreviousRun:
    try:
        with path.open("rb") as file:
            return read_record(file.read(MAX_STREAMS * MAX_LINE))
    except FileNotFoundError:
        return PreviousRun()


def _replace(path: Path, lines: tuple[bytes, ...]) -> None:
    """Not synced to disk: the crash of a process loses nothing that was written, and that of a machine may.

    A few lines at a time: this thread must not hold up that of the media.
    """
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.touch(mode=0o600)
    with unfinished.open("wb") as file:
        for some in slices(lines, LINES_AT_ONCE):
            file.write(b"".join(some))
    unfinished.replace(path)
