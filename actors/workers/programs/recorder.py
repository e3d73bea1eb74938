"""The worker that records one publication into files, which the server opens for it.

The job has the numbers of three descriptors: `tap`; `file`, the first one; and `files`, a socket by which the next one
comes when the worker has told `rotate`. It has `max_bytes` of a file, `min_free` bytes that must stay free in its file
system, and the `rotation`, in `bytes` and `ms`. Of each file but the last, `rotated` tells that it is whole. The worker
ends when the tap does, or by {"do": "stop"}, or at one of the limits; then the last file is whole. It is whole but for
its index at any moment up to FLUSH_INTERVAL and `read_interval` ago.
"""

import errno
import resource
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any, Final

from actors.workers.programs.control import leave_signals_to_server, read_command, read_job, tell
from actors.workers.programs.sandbox import enter
from actors.workers.programs.written_file import NextFile, WrittenFile
from protocol.containers.recording_file import FileOutput
from protocol.containers.recording_series import RecordingSeries
from protocol.stream.rotation import Rotation
from protocol.taps import MAX_MESSAGE, TapError

FLUSH_INTERVAL: Final = 0.5
STAT_INTERVAL: Final = 5.0
KEY_FRAME_INTERVAL: Final = 0.2
"""Seconds between two requests for key frames, at the least: payloads that are malformed want one each."""
MOST_AT_ONCE: Final = 64
INDEX_ROOM: Final = 4 << 20
"""Bytes beyond `max_bytes` for the index at the end."""
CUT_INTERVAL: Final = 1.0
"""Seconds between two requests for the key frame with which the next file begins."""


class Recorder:
    """See above."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._tap = socket.socket(fileno=job["tap"])
        self._tap.setblocking(False)
        self._files = NextFile(job["files"])
        self._file = WrittenFile(job["file"])
        self._max_bytes: int = job["max_bytes"]
        self._min_free: int = job["min_free"]
        self._read_interval: float = job["read_interval"]
        rotation = job["rotation"]
        self._recording = RecordingSeries(Rotation(max_bytes=rotation["bytes"], max_ms=rotation["ms"]))
        self._memory = bytearray(MAX_MESSAGE)
        self._ahead = 0.0  # of our clock against the plane's
        self._asked_at = self._cut_asked_at = 0.0
        self._started = False
        self._why = ""
        """Set: it ends, for this reason."""

    def run(self) -> str:
        """Record until something ends it; the reason."""
        poll = select.poll()
        for descriptor in (self._tap.fileno(), sys.stdin.fileno(), self._files.fileno()):
            poll.register(descriptor, select.POLLIN)
        commands = select.poll()
        commands.register(sys.stdin.fileno(), select.POLLIN)
        flush_at = stat_at = time.monotonic()
        while not self._why:
            ready = {descriptor for descriptor, _ in poll.poll(max(0.0, flush_at - time.monotonic()) * 1000)}
            if sys.stdin.fileno() in ready:
                self._obey()
            if self._files.fileno() in ready and not self._files.receive():
                poll.unregister(self._files.fileno())
            if self._tap.fileno() in ready:
                self._read_all()
                commands.poll(self._read_interval * 1000)  # what comes meanwhile waits in the socket: fewer wake-ups
            now = time.monotonic()
            if now >= flush_at:
                flush_at = now + FLUSH_INTERVAL
                self._flush()
            if now >= stat_at:
                stat_at = now + STAT_INTERVAL
                tell("stat", **self.figures())
        self._drain()
        self._finish()
        return self._why

    def figures(self) -> dict[str, Any]:
        """What is told from time to time, and at the end."""
        recording = self._recording
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "packets": recording.packets,
            "lost": recording.lost,
            "malformed": recording.malformed,
            "cpu_ms": round((usage.ru_utime + usage.ru_stime) * 1000),
            **self._file.figures(recording.duration, recording.start),
        }

    def _obey(self) -> None:
        command = read_command()
        if command is None:
            self._why = "server-gone"
        elif command.get("do") == "stop":
            self._why = "stopped"

    def _read_all(self) -> None:
        """The messages that have come; a bounded number, so that commands are not kept waiting."""
        for _ in range(MOST_AT_ONCE):
            if self._why or not self._read():
                return

    def _read(self) -> bool:
        """A message; False without any."""
        try:
            length = self._tap.recv_into(self._memory)
        except BlockingIOError:
            return False
        except OSError:
            length = 0
        if not length:
            self._why = self._why or "ended"
            return False
        recording = self._recording
        try:
            recording.feed(memoryview(self._memory)[:length])
        except TapError as error:
            print(f"a message that is none: {error}", file=sys.stderr, flush=True)
        now = time.monotonic()
        self._ahead = now - recording.newest
        if now - self._asked_at >= KEY_FRAME_INTERVAL and recording.timeline.wants_key_frame():
            self._asked_at = now
            tell("keyframe")
        if recording.ended:
            self._why = self._why or "ended"
        return True

    def _drain(self) -> None:
        """What was sent before the end."""
        poll = select.poll()
        poll.register(self._tap, select.POLLIN)
        why = self._why
        self._why = ""
        deadline = time.monotonic() + 1.0
        while not self._why and poll.poll(0) and time.monotonic() < deadline:
            self._read()
        self._why = why

    def _flush(self) -> None:
        recording = self._recording
        self._write(recording.flush(time.monotonic() - self._ahead, has_next=self._files.is_there))
        if recording.wants_next:
            self._files.want(recording.codecs)
        if recording.wants_cut and self._files.is_there:
            self._ask_for_cut(time.monotonic())
        if recording.length >= self._max_bytes:
            self._why = "max-size"
        elif self._is_disk_full():
            self._why = "disk-full"
        self._tell_start(recording.length > 0)

    def _tell_start(self, has_begun: bool) -> None:
        if has_begun and not self._started:
            self._started = True
            tell("started", **self.figures())

    def _ask_for_cut(self, now: float) -> None:
        if now - self._cut_asked_at >= CUT_INTERVAL:
            self._cut_asked_at = now
            tell("keyframe")

    def _is_disk_full(self) -> bool:
        return bool(self._min_free) and self._file.free() < self._min_free

    def _finish(self) -> None:
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
                tell("rotated", **self._file.figures())
                self._file = WrittenFile(self._files.take())


def main() -> None:
    """Run as a process of the server."""
    leave_signals_to_server()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    job = read_job()
    recorder = Recorder(job)
    tell("ready", refused=enter(job["max_bytes"] + INDEX_ROOM))
    try:
        why = recorder.run()
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        why = "disk-full"
    tell("done", why=why, **recorder.figures())


if __name__ == "__main__":
    main()
