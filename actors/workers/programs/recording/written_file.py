"""The files of a recorder: the one that it writes, and the next one, which the server opens when it is wanted."""

import os
import socket
from collections.abc import Sequence
from typing import Any

from actors.workers.programs.common.control import ControlLines
from protocol.containers.recording_file import FileOutput


class WrittenFile:
    """A file that is being written."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._bytes = self._duration = 0
        self._start = 0.0

    def write(self, output: FileOutput) -> None:
        """Append, and then write over. Raises OSError."""
        rest = memoryview(output.data)
        while rest:
            written = os.write(self._descriptor, rest)
            self._bytes += written
            rest = rest[written:]
        for patch in output.patches:
            os.pwrite(self._descriptor, patch.data, patch.offset)
        if output.ends:
            self._duration, self._start = output.duration, output.start

    def free(self) -> int:
        """Bytes that are free in its file system."""
        disk = os.fstatvfs(self._descriptor)
        return disk.f_bavail * disk.f_frsize

    def figures(self, duration: int = 0, start: float = 0.0) -> dict[str, Any]:
        """What is told of it. `duration` (milliseconds) and `start` (seconds): so far, unless it has ended."""
        return {"bytes": self._bytes, "duration_ms": self._duration or duration, "start": self._start or start}

    def close(self) -> None:
        """Nothing more is written to it. Idempotent. Raises OSError: what was written may not fit."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class NextFile:
    """The socket by which the next file comes. It can be asked for once before it is taken."""

    def __init__(self, descriptor: int, control: ControlLines) -> None:
        self._channel = socket.socket(fileno=descriptor)
        self._control = control
        self._wanted = False
        self._file = -1

    def fileno(self) -> int:
        return self._channel.fileno()

    @property
    def is_there(self) -> bool:
        return self._file >= 0

    def want(self, codecs: Sequence[str]) -> None:
        """Ask for it, unless it was asked for. Its tracks will have these codecs."""
        if not self._wanted:
            self._wanted = True
            self._control.tell("rotate", codecs=list(codecs))

    def receive(self) -> bool:
        """It can be read; False: no file comes any more."""
        try:
            data, descriptors, _, _ = socket.recv_fds(self._channel, 1, 1)
        except OSError:
            return False
        if descriptors:
            self._file = descriptors[0]
        return bool(data)

    def take(self) -> int:
        """Its descriptor; another one can be asked for now."""
        descriptor, self._file, self._wanted = self._file, -1, False
        return descriptor

    def close(self) -> None:
        """No file is wanted any more."""
        self._channel.close()
        if self.is_there:
            os.close(self.take())
