"""Structured log lines on one stream: an event in plain words, then `name=value` fields.

    2026-11-20T10:00:00.123Z INFO stream ended id=8f0c cause=rest-terminate

One event is one line whatever the values contain, so a peer cannot forge lines. Records of libraries that use the
standard `logging` come out in the same form. Never pass secrets: values are written as they are. Logging never waits:
see `actors.runtime.log_writer`. Lines that outsiders can cause go through a `RateLimitedLog`.
"""

import json
import logging
import math
import re
import sys
import threading
import time
import traceback
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol
from weakref import WeakSet

from actors.runtime.log_writer import DescriptorOutput, LineWriter
from config.settings import LogFormat, LogLevel
from protocol.common.masking import masked
from protocol.common.rate_limit import RateLimit

MAX_VALUE = 2000
"""Longest value written, in characters; the rest of a longer one is cut off."""

EVENT_LIMITS = (
    (logging.ERROR, (5.0, 100.0)),
    (logging.WARNING, (20.0, 1_000.0)),
    (logging.INFO, (100.0, 10_000.0)),
    (logging.NOTSET, (10_000.0, 100_000.0)),
)
"""Lines of one event, by level: (sustained rate per second, burst)."""
LIBRARY_LIMIT = (1.0, 10.0)
"""The same for all lines of one library, which come with tracebacks."""

_PLAIN = re.compile(r"[^\s\"=\\]+")
_FIELDS = "wcsd_fields"
common_fields: dict[str, str] = {}
"""Fields of every line of this process."""
lines_by_level: Counter[str] = Counter()
"""How many lines have been written since the start of the process, by level."""
_LEVELS = frozenset({"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"})
_limiters: "WeakSet[RateLimitedLog | _LineLimits]" = WeakSet()


_session_levels: OrderedDict[str, int] = OrderedDict()
MAX_SESSION_LEVELS = 1000
"""Sessions with a level; with one more, the one that got its level first has none any more."""


def set_session_level(session_id: str, level: LogLevel) -> None:
    """Lines with this session's id are written from `level` up, whatever the level of others."""
    _session_levels[session_id] = logging.getLevelNamesMapping()[level.upper()]
    if len(_session_levels) > MAX_SESSION_LEVELS:
        _session_levels.popitem(last=False)


def clear_session_level(session_id: str) -> None:
    """The session is over."""
    _session_levels.pop(session_id, None)


_captures: dict[str, "_SafeHandler"] = {}


def capture_session(session_id: str, stream: "LineStream") -> None:
    """Every line about this session, of all levels, is written to `stream` too, until `release_session`."""
    handler = _SafeHandler(stream)
    handler.setFormatter(TextLines())
    _captures[session_id] = handler


def release_session(session_id: str) -> None:
    """No longer capture its lines."""
    _captures.pop(session_id, None)


class Logger:
    """Writes events of one part of the server. Cheap if the level is off; may be created before `configure`."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    @property
    def is_debugging(self) -> bool:
        """Whether lines of the debug level are written."""
        return self._logger.isEnabledFor(logging.DEBUG)

    def debug(self, event: str, /, **fields: object) -> None:
        self._write(logging.DEBUG, event, fields)

    def info(self, event: str, /, **fields: object) -> None:
        self._write(logging.INFO, event, fields)

    def warning(self, event: str, /, **fields: object) -> None:
        self._write(logging.WARNING, event, fields)

    def error(self, event: str, /, *, crash: BaseException | None = None, **fields: object) -> None:
        """Write an error; with `crash`, its traceback is added on the same line."""
        self._write(logging.ERROR, event, fields, crash)

    def _write(self, level: int, event: str, fields: Mapping[str, object], crash: BaseException | None = None) -> None:
        session = str(fields.get("session", fields.get("id"))) if _session_levels or _captures else ""
        if (capture := _captures.get(session)) is not None:
            capture.handle(self._record(level, event, fields, crash))
        own = _session_levels.get(session)
        if own is not None and level < own:
            return
        if own is not None and not self._logger.isEnabledFor(level):
            self._logger.handle(self._record(level, event, fields, crash))
        elif self._logger.isEnabledFor(level):
            self._logger.log(level, "%s", event, extra={_FIELDS: _lasting(fields)}, exc_info=crash)

    def _record(
        self, level: int, event: str, fields: Mapping[str, object], crash: BaseException | None
    ) -> logging.LogRecord:
        extra = {_FIELDS: _lasting(fields)}
        fault = None if crash is None else (type(crash), crash, crash.__traceback__)
        return self._logger.makeRecord(self._logger.name, level, "", 0, "%s", (event,), fault, extra=extra)


def _lasting(fields: Mapping[str, object]) -> Mapping[str, object]:
    """The fields with errors as text: a record that is kept must not keep an error's frames alive."""
    return {name: str(value) if isinstance(value, BaseException) else value for name, value in fields.items()}


class RateLimitedLog:
    """For lines that outsiders can cause at will: `rate` per second and event, `burst` at once.

    The next line that is written says in `suppressed` how many of its event were not; if none follows,
    `tell_suppressed` does. Share one among all that may cause the same event: one per session would bound nothing.
    """

    def __init__(
        self, log: Logger, *, rate: float = 1.0, burst: int = 1, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._log = log
        self._rate = rate
        self._burst = burst
        self._clock = clock
        self._limits: dict[str, RateLimit] = {}
        self._suppressed: Counter[str] = Counter()
        _limiters.add(self)

    def info(self, event: str, /, **fields: object) -> None:
        """Write it or count it. `event` is one of a few fixed texts."""
        if self._may_say(event):
            self._log.info(event, **fields, **self._count(event))

    def warning(self, event: str, /, **fields: object) -> None:
        """As `info`."""
        if self._may_say(event):
            self._log.warning(event, **fields, **self._count(event))

    def error(self, event: str, /, *, crash: BaseException | None = None, **fields: object) -> bool:
        """As `info`; with `crash`, its traceback is added. Whether it was written."""
        said = self._may_say(event)
        if said:
            self._log.error(event, crash=crash, **fields, **self._count(event))
        return said

    def _may_say(self, event: str) -> bool:
        limit = self._limits.get(event) or self._limits.setdefault(event, RateLimit(self._rate, self._burst))
        said = limit.take(self._clock())
        if not said:
            self._suppressed[event] += 1
        return said

    def _count(self, event: str) -> dict[str, int]:
        suppressed = self._suppressed.pop(event, 0)
        return {"suppressed": suppressed} if suppressed else {}

    def take_suppressed(self) -> Mapping[str, int]:
        """How often each event was suppressed since it was last reported; the counts are reset."""
        taken, self._suppressed = self._suppressed, Counter()
        return taken


def tell_suppressed() -> None:
    """Write how many lines of each event were suppressed, for floods that no further line has followed."""
    log = get_logger("log")
    for limiter in tuple(_limiters):
        for event, count in limiter.take_suppressed().items():
            log.info("log lines left out", line=event, count=count)


def get_logger(name: str) -> Logger:
    """The logger of one part, such as `media`."""
    return Logger(f"wcsd.{name}")


class LineStream(Protocol):
    """Where log lines go."""

    def write(self, text: str, /) -> object: ...

    def flush(self) -> object: ...


def open_log(log_format: LogFormat, level: LogLevel, descriptor: int) -> LineWriter:
    """Send all output of the process to `descriptor`, without ever waiting for it.

    That is log lines, Python warnings, and errors that no code could catch. Close it at the end of the process.
    """
    formatter = _formatter(log_format)

    def loss_line(count: int) -> str:
        record = logging.LogRecord("wcsd.log", logging.WARNING, "", 0, "log lines lost", None, None)
        setattr(record, _FIELDS, {"count": count})
        return formatter.format(record) + "\n"

    writer = LineWriter(DescriptorOutput(descriptor), loss_line=loss_line)
    configure(log_format, level, writer)
    log = get_logger("python")
    sys.unraisablehook = lambda hook: log.error(
        "error that nobody could catch", where=repr(hook.object), crash=hook.exc_value
    )
    threading.excepthook = lambda hook: log.error("thread crashed", crash=hook.exc_value)
    return writer


def configure(
    log_format: LogFormat, level: LogLevel, stream: LineStream, *, clock: Callable[[], float] = time.monotonic
) -> None:
    """Send every log line and Python warning of the process to `stream`, from `level` up.

    Libraries write from `warning` up. Any previous configuration is replaced.
    """
    own_level = logging.getLevelNamesMapping()[level.upper()]
    handler = _LineHandler(stream)
    handler.setFormatter(_formatter(log_format))
    handler.addFilter(_LineLimits(clock))
    logging.basicConfig(handlers=[handler], level=max(logging.WARNING, own_level), force=True)
    logging.getLogger("wcsd").setLevel(own_level)
    logging.captureWarnings(True)


def reconfigure(log_format: LogFormat, level: LogLevel) -> None:
    """Another format and level, for the lines that follow."""
    own_level = logging.getLevelNamesMapping()[level.upper()]
    for handler in logging.getLogger().handlers:
        handler.setFormatter(_formatter(log_format))
    logging.getLogger().setLevel(max(logging.WARNING, own_level))
    logging.getLogger("wcsd").setLevel(own_level)


def _formatter(log_format: LogFormat) -> logging.Formatter:
    return JsonLines() if log_format is LogFormat.JSON else TextLines()


class _SafeHandler(logging.StreamHandler[LineStream]):
    """Writes a record as one line; one that cannot be formatted is replaced by a line that says so."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the name is that of `logging`
        fault = sys.exc_info()[1]
        told = logging.LogRecord(record.name, logging.ERROR, "", 0, "log line cannot be written", None, None)
        said = record.args[0] if hasattr(record, _FIELDS) and isinstance(record.args, tuple) else record.msg
        setattr(told, _FIELDS, {"line": str(said), "error": type(fault).__name__})
        self.stream.write(self.format(told) + self.terminator)


class _LineHandler(_SafeHandler):
    """Also counts the lines."""

    def emit(self, record: logging.LogRecord) -> None:
        if record.levelname in _LEVELS:  # a library may have levels of its own
            lines_by_level[record.levelname.lower()] += 1
        super().emit(record)


class _LineLimits(logging.Filter):
    """An upper limit for every event, including those that no other code limits, so that the disk does not fill up.

    The first line after others of its event were suppressed says how many in `suppressed`.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__()
        self._clock = clock
        self._limits: dict[tuple[str, str], RateLimit] = {}
        self._suppressed: Counter[tuple[str, str]] = Counter()
        _limiters.add(self)

    def filter(self, record: logging.LogRecord) -> bool:
        key = (record.name, _own_event(record))
        limit = self._limits.get(key) or self._limits.setdefault(key, RateLimit(*_limit_of(record)))
        if not limit.take(self._clock()):
            self._suppressed[key] += 1
            return False
        if suppressed := self._suppressed.pop(key, 0):
            fields = getattr(record, _FIELDS, {"logger": record.name})
            setattr(record, _FIELDS, {**fields, "suppressed": suppressed + fields.get("suppressed", 0)})
        return True

    def take_suppressed(self) -> Mapping[str, int]:
        """Like that of `RateLimitedLog`; libraries by their names."""
        taken, self._suppressed = self._suppressed, Counter()
        return {event or name: count for (name, event), count in taken.items()}


def _limit_of(record: logging.LogRecord) -> tuple[float, float]:
    if not hasattr(record, _FIELDS):
        return LIBRARY_LIMIT
    return next(limit for level, limit in EVENT_LIMITS if record.levelno >= level)


def _own_event(record: logging.LogRecord) -> str:
    """The event, one of a few hundred fixed texts; all lines of a library count as one: they may contain anything."""
    return _event(record) if hasattr(record, _FIELDS) else ""


class TextLines(logging.Formatter):
    """One line for people: time, level, event, fields."""

    def format(self, record: logging.LogRecord) -> str:
        fields = " ".join(f"{name}={_quoted(value)}" for name, value in _fields(record).items())
        return f"{_time(record)} {record.levelname} {_printable(_event(record))} {fields}".rstrip()


class JsonLines(logging.Formatter):
    """One JSON object: `time`, `level`, `logger`, `event`, and the fields."""

    def format(self, record: logging.LogRecord) -> str:
        head = {"time": _time(record), "level": record.levelname, "logger": record.name, "event": _event(record)}
        fields = {name: _json_value(value) for name, value in _fields(record).items()}
        return json.dumps(head | fields | head)  # head first, and no field can overwrite it


def _fields(record: logging.LogRecord) -> dict[str, Any]:
    own: Mapping[str, Any] | None = getattr(record, _FIELDS, None)
    fields = ({"logger": record.name} if own is None else dict(own)) | common_fields
    if record.exc_info and record.exc_info[1]:
        fields["traceback"] = "".join(traceback.format_exception(record.exc_info[1]))[-MAX_VALUE * 4 :]
    return fields


def _event(record: logging.LogRecord) -> str:
    text = record.getMessage()
    return (text if hasattr(record, _FIELDS) else masked(text))[:MAX_VALUE]


def _time(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def _json_value(value: object) -> object:
    is_number = isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))
    return value if value is None or is_number else _cut(value)


def _quoted(value: object) -> str:
    text = _cut(value)
    return text if _PLAIN.fullmatch(text) and text.isprintable() else _printable(json.dumps(text, ensure_ascii=False))


def _cut(value: object) -> str:
    text = masked(str(value))
    limit = MAX_VALUE * 4 if "\n" in text else MAX_VALUE
    return text if len(text) <= limit else text[:limit] + "..."


def _printable(text: str) -> str:
    """The text with every character that could break a line or a terminal escaped."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
