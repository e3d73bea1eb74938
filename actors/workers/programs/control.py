"""A worker's side of its control lines: JSON objects, one per line, in on standard input and out on standard output."""

import json
import os
import signal
import sys
from contextlib import suppress
from typing import Any, Final

MAX_LINE: Final = 1 << 16
_OF_THE_SERVER: Final = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
"""A terminal or a service manager sends them to all processes; for the server they mean an orderly end, or a reload."""


def leave_signals_to_server() -> None:
    """End when the server says so, or is gone: only then is all written, and sent."""
    for number in _OF_THE_SERVER:
        signal.signal(number, signal.SIG_IGN)


def read_job() -> dict[str, Any]:
    """The first line: what to do."""
    job: dict[str, Any] = json.loads(_read_line())
    return job


def tell(event: str, **fields: Any) -> None:
    """Report an event. A server that is gone hears nothing, which is no reason not to finish."""
    line = json.dumps({"event": event, **fields}) + "\n"
    with suppress(BrokenPipeError):
        os.write(sys.stdout.fileno(), line.encode())


def read_command() -> dict[str, Any] | None:
    """The next line, when standard input is readable; None at its end."""
    line = _read_line()
    command: dict[str, Any] | None = json.loads(line) if line else None
    return command


def _read_line() -> bytes:
    """Unbuffered, so that what `poll` says of standard input stays true."""
    line = bytearray()
    while len(line) < MAX_LINE:
        byte = os.read(sys.stdin.fileno(), 1)
        if not byte or byte == b"\n":
            break
        line += byte
    return bytes(line)
