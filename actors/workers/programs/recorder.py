"""The worker that records one publication into one file, which the server opened for it.

The job has the numbers of two descriptors, `tap` and `file`; `max_bytes` of the file; and `min_free` bytes that must
stay free in its file system. The worker ends when the tap does, or by {"do": "stop"}, or at one of the limits; then the
file is whole. It is whole but for its index at any moment up to FLUSH_INTERVAL ago.
"""

import errno
import os
import resource
import select
import signal
import socket
import sys
import time
from typing import Any, Final

from actors.workers.programs.control import read_command, read_job, tell
from actors.workers.programs.sandbox import enter
from protocol.containers.matroska import Patch
from protocol.containers.recording_file import RecordingFile
from protocol.taps import MAX_MESSAGE, TapError

FLUSH_INTERVAL: Final = 0.5
STAT_INTERVAL: Final = 5.0
KEY_FRAME_INTERVAL: Final = 0.2
"""Seconds between two requests for key frames, at the least: payloads that are malformed want one each."""
INDEX_ROOM: Final = 4 << 20
"""Bytes beyond `max_bytes` for the index at the end."""


class Recorder:
    """See above."""

    def __init__(self, job: dict[str, Any]) -> None:
        self._tap = socket.socket(fileno=job["tap"])
        self._tap.setblocking(False)
        self._file: int = job["file"]
        self._max_bytes: int = job["max_bytes"]
        self._min_free: int = job["min_free"]
        self._recording = RecordingFile()
        self._memory = bytearray(MAX_MESSAGE)
        self._ahead = 0.0  # of our clock against the plane's
        self._asked_at = 0.0
        self._started = False
        self._why = ""
        """Set: it ends, for this reason."""

    def run(self) -> str:
        """Record until something ends it; the reason."""
        poll = select.poll()
        poll.register(self._tap, select.POLLIN)
        poll.register(sys.stdin.fileno(), select.POLLIN)
        flush_at = stat_at = time.monotonic()
        while not self._why:
            ready = {descriptor for descriptor, _ in poll.poll(max(0.0, flush_at - time.monotonic()) * 1000)}
            if sys.stdin.fileno() in ready:
                self._obey()
            if self._tap.fileno() in ready:
                self._read()
            now = time.monotonic()
            if now >= flush_at:
                flush_at = now + FLUSH_INTERVAL
                self._flush()
            if now >= stat_at:
                stat_at = now + STAT_INTERVAL
                tell("stat", **self.figures())
        self._drain()
        self._write(*self._recording.finish())
        return self._why

    def figures(self) -> dict[str, Any]:
        """What is told from time to time, and at the end."""
        timeline = self._recording.timeline
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "packets": timeline.packets,
            "lost": timeline.lost,
            "malformed": timeline.malformed,
            "bytes": self._recording.length,
            "duration_ms": self._recording.duration,
            "cpu_ms": round((usage.ru_utime + usage.ru_stime) * 1000),
        }

    def _obey(self) -> None:
        command = read_command()
        if command is None:
            self._why = "server-gone"
        elif command.get("do") == "stop":
            self._why = "stopped"

    def _read(self) -> None:
        """A message; at most one, so that commands are not kept waiting."""
        try:
            length = self._tap.recv_into(self._memory)
        except BlockingIOError:
            return
        except OSError:
            length = 0
        if not length:
            self._why = self._why or "ended"
            return
        timeline = self._recording.timeline
        try:
            timeline.feed(memoryview(self._memory)[:length])
        except TapError as error:
            print(f"a message that is none: {error}", file=sys.stderr, flush=True)
        now = time.monotonic()
        self._ahead = now - timeline.newest
        if now - self._asked_at >= KEY_FRAME_INTERVAL and timeline.wants_key_frame():
            self._asked_at = now
            tell("keyframe")
        if timeline.ended:
            self._why = self._why or "ended"

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
        self._write(*self._recording.flush(time.monotonic() - self._ahead))
        if self._recording.length >= self._max_bytes:
            self._why = "max-size"
        elif self._is_disk_full():
            self._why = "disk-full"
        if not self._started and self._recording.length:
            self._started = True
            tell("started")

    def _is_disk_full(self) -> bool:
        if not self._min_free:
            return False
        disk = os.fstatvfs(self._file)
        return disk.f_bavail * disk.f_frsize < self._min_free

    def _write(self, data: bytes, patches: list[Patch]) -> None:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        for patch in patches:
            os.pwrite(self._file, patch.data, patch.offset)


def main() -> None:
    """Run as a process of the server."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the server tells us when to end
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
