"""Structured log lines on one stream: an event in plain words, then `name=value` facts.

    2026-11-20T10:00:00.123Z INFO stream ended id=8f0c cause=rest-terminate

One event is one line whatever the values hold, so a peer cannot forge lines. Records of libraries that use the
standard `logging` come out in the same form. Nothing secret is to be passed in: values are written as they are.
"""

import json
import logging
import math
import re
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from config.settings import LogFormat, LogLevel

MAX_VALUE = 2000
"""Longest value written, in characters; the rest of a longer one is cut off."""

_PLAIN = re.compile(r"[^\s\"=\\]+")
_USER_INFO = re.compile(r"://[^/?#@\s]+@")
"""User and password in a URL; a stream may be named by one."""
_FACTS = "wcsd_facts"


class Logger:
    """Writes events of one part of the server. Cheap where the level is off; may be made before `configure`."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger(name)

    def debug(self, event: str, /, **facts: object) -> None:
        self._write(logging.DEBUG, event, facts)

    def info(self, event: str, /, **facts: object) -> None:
        self._write(logging.INFO, event, facts)

    def warning(self, event: str, /, **facts: object) -> None:
        self._write(logging.WARNING, event, facts)

    def error(self, event: str, /, *, crash: BaseException | None = None, **facts: object) -> None:
        """Write an error; with `crash` its traceback comes along, on the same line."""
        self._write(logging.ERROR, event, facts, crash)

    def _write(self, level: int, event: str, facts: Mapping[str, object], crash: BaseException | None = None) -> None:
        if self._logger.isEnabledFor(level):
            self._logger.log(level, "%s", event, extra={_FACTS: facts}, exc_info=crash)


class SparingLog:
    """For warnings that anybody outside can cause as often as he likes: one at most in `interval` seconds for an event.

    The next one that is written says by `unsaid` how many were not.
    """

    def __init__(self, log: Logger, *, clock: Callable[[], float], interval: float = 1.0) -> None:
        self._log = log
        self._clock = clock
        self._interval = interval
        self._next_at: dict[str, float] = {}
        self._unsaid: Counter[str] = Counter()

    def warning(self, event: str, /, **facts: object) -> None:
        """Write it or count it. `event` is one of a few fixed texts."""
        now = self._clock()
        if now < self._next_at.get(event, -math.inf):
            self._unsaid[event] += 1
            return
        self._next_at[event] = now + self._interval
        unsaid = self._unsaid.pop(event, 0)
        self._log.warning(event, **facts, **({"unsaid": unsaid} if unsaid else {}))


def get_logger(name: str) -> Logger:
    """The logger of one part, such as `media`."""
    return Logger(f"wcsd.{name}")


def configure(log_format: LogFormat, level: LogLevel, stream: TextIO) -> None:
    """Send every log line and Python warning of the process to `stream`, from `level` up.

    Libraries write from `warning` up. What was configured before is replaced.
    """
    own_level = logging.getLevelNamesMapping()[level.upper()]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines() if log_format is LogFormat.JSON else TextLines())
    logging.basicConfig(handlers=[handler], level=max(logging.WARNING, own_level), force=True)
    logging.getLogger("wcsd").setLevel(own_level)
    logging.captureWarnings(True)


class TextLines(logging.Formatter):
    """One line for people: time, level, event, facts."""

    def format(self, record: logging.LogRecord) -> str:
        facts = " ".join(f"{name}={_quoted(value)}" for name, value in _facts(record).items())
        return f"{_time(record)} {record.levelname} {_printable(_event(record))} {facts}".rstrip()


class JsonLines(logging.Formatter):
    """One JSON object: `time`, `level`, `logger`, `event`, and the facts."""

    def format(self, record: logging.LogRecord) -> str:
        head = {"time": _time(record), "level": record.levelname, "logger": record.name, "event": _event(record)}
        facts = {name: _json_value(value) for name, value in _facts(record).items()}
        return json.dumps(head | facts | head)  # head first, and not to be overwritten by a fact


def _facts(record: logging.LogRecord) -> dict[str, Any]:
    own: Mapping[str, Any] | None = getattr(record, _FACTS, None)
    facts = {"logger": record.name} if own is None else dict(own)
    if record.exc_info and record.exc_info[1]:
        facts["traceback"] = "".join(traceback.format_exception(record.exc_info[1]))[-MAX_VALUE * 4 :]
    return facts


def _event(record: logging.LogRecord) -> str:
    return record.getMessage()[:MAX_VALUE]


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
    text = _USER_INFO.sub("://***@", str(value))
    limit = MAX_VALUE * 4 if "\n" in text else MAX_VALUE
    return text if len(text) <= limit else text[:limit] + "..."


def _printable(text: str) -> str:
    """The text with every character that could break a line or a terminal escaped."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()
