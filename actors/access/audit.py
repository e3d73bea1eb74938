"""The audit file: who did what, when, from where, and what came of it; refused logins too. One JSON object per line.

A thread writes it, so nobody waits for the disk. When it cannot be written, the server goes on: an error in the log
says so, and the lines that are lost are counted.
"""

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from actors.runtime.log_writer import LineWriter
from actors.runtime.logs import RateLimitedLog, get_logger
from protocol.common.masking import masked
from protocol.common.rate_limit import RateLimit

THREAD_NAME = "wcsd audit"
MAX_VALUE = 1000
"""Longest text of a value, in characters."""
REFUSED_RATE, REFUSED_BURST = 10.0, 100.0
"""Refused logins per second that are written, and at once: strangers cause them, and must not fill the disk."""

log = get_logger("access")


class AuditLog:
    """Writes what somebody has done. `write` takes a line with its end, and must not wait."""

    def __init__(self, write: Callable[[str], object], *, clock: Callable[[], float] = time.time) -> None:
        self._write = write
        self._clock = clock
        self._refused_limit = RateLimit(REFUSED_RATE, REFUSED_BURST)
        self._suppressed = 0

    def done(self, *, who: str, source: str, what: str, result: str, **facts: object) -> None:
        """Somebody did something, or was not able to. `source`: the address, or `wcs` for the operator's socket."""
        now = self._clock()
        shown = {name: _value(value) for name, value in facts.items() if value is not None}
        named = {"who": _value(who), "from": source, "what": _value(what)}  # a path may be long
        line = {"time": _time(now), **named, **shown, "result": _value(result)}
        self._write(json.dumps(line, separators=(",", ":")) + "\n")

    def refused(self, *, who: str, source: str, what: str, result: str, **facts: object) -> None:
        """A login that was refused. The next one that is written says how many were left out before it."""
        if not self._refused_limit.take(self._clock()):
            self._suppressed += 1
            return
        suppressed, self._suppressed = self._suppressed or None, 0
        self.done(who=who, source=source, what=what, result=result, **facts, suppressed=suppressed)


class AuditFile:
    """The file behind a `LineWriter`. A file that was moved away, by logrotate for example, is created anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None
        self._identity: tuple[int, int] | None = None
        self._is_torn = False
        self._log = RateLimitedLog(log)

    def write(self, data: bytes) -> bool:
        """Append whole lines by one call of the system; False if that fails, which is logged."""
        try:
            descriptor = self._current()
            whole = b"\n" + data if self._is_torn else data
            written = os.write(descriptor, whole)
        except OSError as error:
            self._tell(error.strerror or str(error))
            return False
        self._is_torn = written < len(whole)
        if self._is_torn:
            self._tell("there is no room for a whole line")
        return not self._is_torn

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _current(self) -> int:
        """The descriptor of the file that has the name now."""
        if self._descriptor is not None and self._identity == self._named():
            return self._descriptor
        self.close()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(self._path, flags, 0o600)
        status = os.fstat(self._descriptor)
        self._identity = (status.st_dev, status.st_ino)
        self._is_torn = False
        return self._descriptor

    def _named(self) -> tuple[int, int] | None:
        try:
            status = self._path.lstat()
        except FileNotFoundError:
            return None
        return status.st_dev, status.st_ino

    def _tell(self, cause: str) -> None:
        self._log.error("audit file cannot be written", setting="audit.file", path=str(self._path), cause=cause)


def open_audit_file(path: Path) -> LineWriter:
    """A writer for the file at `path`, which is created with the first line."""

    def loss_line(count: int) -> str:
        line = {"time": _time(time.time()), "who": "server", "from": "wcsd", "what": "audit", "result": "lines lost"}
        return json.dumps({**line, "count": count}, separators=(",", ":")) + "\n"

    return LineWriter(AuditFile(path), loss_line=loss_line, name=THREAD_NAME)


def _time(now: float) -> str:
    moment = datetime.fromtimestamp(now, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _value(value: object) -> object:
    match value:
        case bool() | int():
            return value
        case dict():
            return {str(name)[:MAX_VALUE]: _value(each) for name, each in value.items()}
        case _:
            return masked(str(value))[:MAX_VALUE]
