"""A worker's side of its control lines: JSON objects, one per line, in on standard input and out on standard output."""

import json
import os
import signal
from contextlib import suppress
from typing import Any, Final

MAX_LINE: Final = 1 << 16
_OF_THE_SERVER: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
"""A terminal or a service manager sends them to all processes; for the server they mean an orderly end, or a reload."""


class ControlLines:
    """Those of a job, by the descriptors of its standard streams. Nothing is buffered, so `poll` tells the truth."""

    def __init__(self, commands: int = 0, events: int = 1, complaints: int = 2) -> None:
        self._commands, self._events, self._complaints = commands, events, complaints

    def fileno(self) -> int:
        """The descriptor by which commands come."""
        return self._commands

    def read(self) -> dict[str, Any] | None:
        """The job, which is the first line, and then a command, when there is one; None at the end."""
        line = self._read_line()
        read: dict[str, Any] | None = json.loads(line) if line else None
        return read

    def tell(self, event: str, **fields: Any) -> None:
        """Report an event. A server that is gone hears nothing, which is no reason not to finish."""
        self._write(self._events, json.dumps({"event": event, **fields}))

    def complain(self, text: str) -> None:
        """A line or more for the log."""
        self._write(self._complaints, text)

    def close(self) -> None:
        """Nothing is told any more."""
        for descriptor in (self._commands, self._events, self._complaints):
            os.close(descriptor)

    def _read_line(self) -> bytes:
        line = bytearray()
        while len(line) < MAX_LINE:
            byte = os.read(self._commands, 1)
            if not byte or byte == b"\n":
                break
            line += byte
        return bytes(line)

    def _write(self, descriptor: int, text: str) -> None:
        with suppress(BrokenPipeError):
            os.write(descriptor, f"{text}\n".encode())


_standard: Final = ControlLines()


def leave_signals_to_server() -> None:
    """End when the server says so, or is gone: only then is all written, and sent."""
    for number in _OF_THE_SERVER:
        signal.signal(number, signal.SIG_IGN)


def read_job() -> dict[str, Any]:
    """The first line: what to do."""
    job = _standard.read()
    if job is None:
        raise EOFError("no job")
    return job


def tell(event: str, **fields: Any) -> None:
    """See `ControlLines`."""
    _standard.tell(event, **fields)


def read_command() -> dict[str, Any] | None:
    """See `ControlLines.read`."""
    return _standard.read()
