"""The worker that records one publication into files, which the server opens for it.

The job has the numbers of three descriptors: `tap`; `file`, the first one; and `files`, a socket by which the next one
comes when the worker has told `rotate`. It has `max_bytes` of a file, `min_free` bytes that must stay free in its file
system, and the `rotation`, in `bytes` and `ms`. Of each file but the last, `rotated` tells that it is whole. The worker
ends when the tap does, or by {"do": "stop"}, or at one of the limits; then the last file is whole. It is whole but for
its index at any moment up to FLUSH_INTERVAL and `read_interval` ago.

Several of them may share a process, see `actors.workers.programs.recorders`.
"""

import errno
import resource
import signal
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

from actors.workers.programs.common.control import ControlLines, leave_signals_to_server
from actors.workers.programs.common.sandbox import enter
from actors.workers.programs.recording.loop import MOST_AT_ONCE, RecorderLoop
from actors.workers.programs.recording.written_file import NextFile, WrittenFile
from protocol.containers.recording_file import FileOutput
from protocol.containers.recording_series import RecordingSeries
from protocol.stream.rotation import Rotation
from protocol.taps import MAX_MESSAGE, TapError

KEY_FRAME_INTERVAL: Final = 0.2
"""Seconds between two requests for key frames, at the least: payloads that are malformed want one each."""
INDEX_ROOM: Final = 4 << 20
"""Bytes beyond `max_bytes` for the index at the end."""
CUT_INTERVAL: Final = 1.0
"""Seconds between two requests for the key frame with which the next file begins."""
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_memory: Final = memoryview(bytearray(MAX_MESSAGE))
"""Where each message is read from; nothing of it is kept."""


class Recorder:
    """One recording; see above. `numbers`: the descriptors under which those of the job are known here."""

    def __init__(self, job: dict[str, Any], control: ControlLines, numbers: dict[int, int] | None = None) -> None:
        def here(name: str) -> int:
            given: int = job[name]
            return given if numbers is None else numbers[given]

        self.control = control
        self.read_interval: float = job["read_interval"]
        self.why = ""
        """Set: it ends, for this reason."""
        self._tap = socket.socket(fileno=here("tap"))
        self._tap.setblocking(False)
        self._files = NextFile(here("files"), control)
        self._file = WrittenFile(here("file"))
        self._max_bytes: int = job["max_bytes"]
        self._min_free: int = job["min_free"]
        rotation = job["rotation"]
        self._recording = RecordingSeries(Rotation(max_bytes=rotation["bytes"], max_ms=rotation["ms"]))
        self._ahead = 0.0  # of our clock against the plane's
        self._asked_at = self._cut_asked_at = 0.0
        self._started = self._cannot_write = False

    @property
    def tap(self) -> int:
        """The descriptor by which packets come."""
        return self._tap.fileno()

    @property
    def files(self) -> int:
        """The descriptor by which the next file comes."""
        return self._files.fileno()

    def figures(self) -> dict[str, Any]:
        """What is told from time to time, and at the end. The processor time is that of the whole process."""
        recording = self._recording
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "packets": recording.packets,
            "lost": recording.lost,
            "malformed": recording.malformed,
            "cpu_ms": round((usage.ru_utime + usage.ru_stime) * 1000),
            **self._file.figures(recording.duration, recording.start),
        }

    def obey(self) -> None:
        """A command has come, or nobody is left who could give one."""
        command = self.control.read()
        if command is None:
            self.why = "server-gone"
        elif command.get("do") == "stop":
            self.why = "stopped"

    def receive_file(self) -> bool:
        """The next file has come; False: none comes any more."""
        return self._files.receive()

    def read_all(self) -> int:
        """Take the messages that have come, at most MOST_AT_ONCE, so that commands are not kept waiting; how many."""
        for count in range(MOST_AT_ONCE):
            if self.why or not self._read():
                return count
        return MOST_AT_ONCE

    def flush(self) -> None:
        """Write what can be written. Raises OSError."""
        recording = self._recording
        self._write(recording.flush(time.monotonic() - self._ahead, has_next=self._files.is_there))
        if recording.wants_next:
            self._files.want(recording.codecs)
        if recording.wants_cut and self._files.is_there:
            self._ask_for_cut(time.monotonic())
        if recording.length >= self._max_bytes:
            self.why = "max-size"
        elif self._is_disk_full():
            self.why = "disk-full"
        self._tell_start(recording.length > 0)

    def finish(self) -> None:
        """Write the rest, and tell that it has ended. Raises OSError."""
        if not self._cannot_write:
            try:
                self._drain()
                self._write_rest()
            except OSError as error:
                self.note_failure(error)
        self.control.tell("done", why=self.why, **self.figures())

    def note_failure(self, error: OSError) -> None:
        """Writing has failed: it ends, or, if that is not because the disk is full, `error` is raised."""
        if error.errno not in _FULL:
            raise error
        self.why, self._cannot_write = "disk-full", True

    def close(self) -> None:
        """Close what was given to it, but for its control lines."""
        self._tap.close()
        self._files.close()
        self._file.close()

    # -- inside --------------------------------------------------------------------------------------------------

    def _read(self) -> bool:
        """A message; False without any."""
        try:
            length = self._tap.recv_into(_memory)
        except BlockingIOError:
            return False
        except OSError:
            length = 0
        if not length:
            self.why = self.why or "ended"
            return False
        recording = self._recording
        try:
            recording.feed(_memory[:length])
        except TapError as error:
            self.control.complain(f"a message that is none: {error}")
        now = time.monotonic()
        self._ahead = now - recording.newest
        if now - self._asked_at >= KEY_FRAME_INTERVAL and recording.timeline.wants_key_frame():
            self._asked_at = now
            self.control.tell("keyframe")
        if recording.ended:
            self.why = self.why or "ended"
        return True

    def _drain(self) -> None:
        """What was sent before the end."""
        why, self.why = self.why, ""
        deadline = time.monotonic() + 1.0
        while not self.why and time.monotonic() < deadline and self._read():
            pass
        self.why = why

    def _tell_start(self, has_begun: bool) -> None:
        if has_begun and not self._started:
            self._started = True
            self.control.tell("started", **self.figures())

    def _ask_for_cut(self, now: float) -> None:
        if now - self._cut_asked_at >= CUT_INTERVAL:
            self._cut_asked_at = now
            self.control.tell("keyframe")

    def _is_disk_full(self) -> bool:
        return bool(self._min_free) and self._file.free() < self._min_free

    def _write_rest(self) -> None:
        outputs = self._recording.finish(has_next=self._files.is_there)
        self._tell_start(any(output.data for output in outputs))
        last = [outputs.pop()] if outputs and outputs[-1].ends else []
        self._write(outputs)
        for output in last:
            self._file.write(output)

    def _write(self, outputs: Sequence[FileOutput]) -> None:
        """Each end leads to the next file."""
        for output in outputs:
            self._file.write(output)
            if output.ends:
                self._file.close()
                self.control.tell("rotated", **self._file.figures())
                self._file = WrittenFile(self._files.take())


def main() -> None:
    """Run as a process of the server, for one recording."""
    leave_signals_to_server()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    control = ControlLines()
    job = control.read()
    if job is None:
        raise EOFError("no job")
    recorder = Recorder(job, control)
    control.tell("ready", refused=enter(job["max_bytes"] + INDEX_ROOM))
    statuses: list[int] = []
    loop = RecorderLoop(lambda _, status: statuses.append(status))
    loop.add(recorder)
    loop.run()
    sys.exit(statuses.pop())


if __name__ == "__main__":
    main()
