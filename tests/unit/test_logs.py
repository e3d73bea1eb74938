"""What a log line looks like, and that nobody can forge one."""

import json
import logging
import warnings
from collections.abc import Callable, Iterator
from io import StringIO
from time import monotonic
from weakref import ref

import pytest

from actors.runtime.logs import (
    MAX_SESSION_LEVELS,
    MAX_VALUE,
    RateLimitedLog,
    clear_session_level,
    configure,
    get_logger,
    set_session_level,
    tell_suppressed,
)
from config.settings import LogFormat, LogLevel

Captured = pytest.CaptureFixture[str]
Lines = Callable[[], list[str]]
log = get_logger("test")


@pytest.fixture
def restored() -> Iterator[None]:
    """Puts the process's logging back as it was."""
    root, own = logging.getLogger(), logging.getLogger("wcsd")
    handlers, root_level, own_level = root.handlers[:], root.level, own.level
    yield
    logging.captureWarnings(False)
    root.handlers[:] = handlers
    root.setLevel(root_level)
    own.setLevel(own_level)


@pytest.fixture
def lines(restored: None) -> Callable[[LogFormat, LogLevel], Lines]:
    def start(
        log_format: LogFormat = LogFormat.TEXT, level: LogLevel = LogLevel.INFO, clock: Callable[[], float] = monotonic
    ) -> Lines:
        stream = StringIO()
        configure(log_format, level, stream, clock=clock)
        return lambda: stream.getvalue().splitlines()

    return start


Start = Callable[..., Lines]


def test_a_line_has_time_level_event_and_facts(lines: Start) -> None:
    written = lines()
    log.info("stream ended", id="8f0c", cause="rest-terminate", packets=12, info=None)
    (line,) = written()
    time, rest = line.split(" ", 1)
    assert rest == "INFO stream ended id=8f0c cause=rest-terminate packets=12 info=None"
    assert len(time) == len("2026-11-20T10:00:00.123Z")
    assert time.endswith("Z")


def test_an_event_without_facts_has_no_trailing_blank(lines: Start) -> None:
    written = lines()
    log.warning("shutting down")
    assert written()[0].endswith("WARNING shutting down")


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("", '""'),
        ("a b", '"a b"'),
        ("a=b", '"a=b"'),
        ('say "x"', '"say \\"x\\""'),
        ("a\nINFO forged", '"a\\nINFO forged"'),
        ("a\rb", '"a\\rb"'),
        ("\x1b[31mred", '"\\u001b[31mred"'),
        ("line\u2028break", '"line\\u2028break"'),
        ("\ud800", '"\\ud800"'),
        ("Grüße", "Grüße"),
        ("rtsp://user:secret@camera/1", "rtsp://***@camera/1"),
        ("x" * (MAX_VALUE + 1), "x" * MAX_VALUE + "..."),
    ],
)
def test_a_value_cannot_break_the_line(lines: Start, value: str, shown: str) -> None:
    written = lines()
    log.info("event", value=value)
    (line,) = written()
    assert line.endswith(f"INFO event value={shown}")


def test_json_lines_hold_the_same(lines: Start) -> None:
    written = lines(LogFormat.JSON)
    log.error("hook failed", url="http://a\n", ms=1.5, ok=False, limit=float("inf"), time="forged")
    (line,) = written()
    read = json.loads(line)
    assert read.pop("time") != "forged"
    assert read == {
        "level": "ERROR",
        "logger": "wcsd.test",
        "event": "hook failed",
        "url": "http://a\n",
        "ms": 1.5,
        "ok": False,
        "limit": "inf",
    }


def test_a_crash_brings_its_traceback_on_the_same_line(lines: Start) -> None:
    written = lines()
    try:
        raise RuntimeError("two\nlines")
    except RuntimeError as error:
        log.error("stream crashed", crash=error)
    (line,) = written()
    assert 'traceback="Traceback' in line
    assert "RuntimeError: two\\nlines" in line


def test_a_record_that_is_kept_keeps_no_frames_of_an_error(caplog: pytest.LogCaptureFixture) -> None:
    class Large:
        """What only the frame of the error refers to."""

    def fail() -> "ref[Large]":
        large = Large()
        try:
            raise ValueError("too short")
        except ValueError as error:
            log.warning("packet refused", error=error)
        return ref(large)

    assert fail()() is None
    assert caplog.records[0].wcsd_fields == {"error": "too short"}  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("level", "events"),
    [
        (LogLevel.DEBUG, ["debug", "info", "warning", "error"]),
        (LogLevel.INFO, ["info", "warning", "error"]),
        (LogLevel.WARNING, ["warning", "error"]),
        (LogLevel.ERROR, ["error"]),
    ],
)
def test_lesser_levels_are_left_out(lines: Start, level: LogLevel, events: list[str]) -> None:
    written = lines(LogFormat.TEXT, level)
    log.debug("debug")
    log.info("info")
    log.warning("warning")
    log.error("error")
    assert [line.rsplit(" ", 1)[1] for line in written()] == events


def test_libraries_are_written_in_the_same_form_from_warning_up(lines: Start) -> None:
    written = lines(LogFormat.TEXT, LogLevel.DEBUG)
    logging.getLogger("httpcore.connection").warning("lost %s\n%s", "one", "two")
    logging.getLogger("httpcore.connection").info("not this")
    (line,) = written()
    assert line.endswith("WARNING lost one\\ntwo logger=httpcore.connection")


def test_what_libraries_say_and_tracebacks_have_no_passwords(lines: Start) -> None:
    written = lines()
    logging.getLogger("httpcore").warning("cannot reach %s", "https://joe:s3cret@backend.example/x?token=s3cret")
    try:
        raise ValueError("no way to rtmp://backend.example/live/s3cret")
    except ValueError as error:
        log.error("it crashed", crash=error)
    one, two = written()
    assert "s3cret" not in one + two
    assert "https://***@backend.example/x?token=***" in one
    assert "ValueError: no way to rtmp://backend.example/live/***" in two


def test_python_warnings_are_log_lines(lines: Start) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        written = lines()
        warnings.warn("old name", DeprecationWarning, stacklevel=1)
    (line,) = written()
    assert "DeprecationWarning: old name" in line


def test_a_fact_that_cannot_be_written_leaves_a_line_all_the_same(lines: Start, capsys: Captured) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("no words")

    written = lines()
    log.info("stream ended", value=Broken())
    (line,) = written()
    assert line.endswith('ERROR log line cannot be written line="stream ended" error=RuntimeError')
    assert capsys.readouterr() == ("", "")


def test_an_event_may_be_said_a_few_times_at_once_and_in_each_grade(lines: Start) -> None:
    written = lines()
    now = 0.0
    sparing = RateLimitedLog(log, rate=2, burst=3, clock=lambda: now)
    for number in range(5):
        sparing.info("session ended", number=number)
    sparing.error("stream crashed", crash=ValueError("bad"))
    now = 0.5
    sparing.info("session ended", number=5)
    first, second, third, crash, last = (line.split(" ", 1)[1] for line in written())
    assert [first, second, third] == [f"INFO session ended number={number}" for number in range(3)]
    assert crash.startswith('ERROR stream crashed traceback="ValueError: bad')
    assert last == "INFO session ended number=5 suppressed=2"


@pytest.mark.parametrize(("grade", "burst", "rate"), [("info", 10_000, 100), ("warning", 1_000, 20), ("error", 100, 5)])
def test_no_event_fills_the_disk(lines: Start, grade: str, burst: int, rate: int) -> None:
    now = 0.0
    written = lines(clock=lambda: now)
    say = getattr(log, grade)
    for number in range(burst + 500):
        say("stream ended", id=number)
    say("another event")
    assert len(written()) == burst + 1
    now = 1.0
    for number in range(500):
        say("stream ended", id=number)
    later = written()[burst + 1 :]
    assert len(later) == rate
    assert later[0].endswith("stream ended id=0 suppressed=500")
    assert not [line for line in later[1:] if "suppressed" in line]


def test_a_library_is_held_to_a_few_lines_whatever_values_they_bear(lines: Start) -> None:
    now = 0.0
    written = lines(clock=lambda: now)
    for number in range(100):
        logging.getLogger("trio.serve_listeners").error("accept returned %s", number)
    assert len(written()) == 10
    now = 1.0
    logging.getLogger("trio.serve_listeners").error("accept returned %s", 0)
    assert written()[-1].endswith("ERROR accept returned 0 logger=trio.serve_listeners suppressed=90")


def test_what_was_left_out_is_told_when_no_line_follows(lines: Start) -> None:
    tell_suppressed()  # what other tests have left
    written = lines(clock=lambda: 0.0)
    refusals = RateLimitedLog(log, clock=lambda: 0.0)
    for _ in range(5):
        refusals.warning("connection refused")
    for _ in range(12):
        logging.getLogger("trio").error("accept failed")
    assert len(written()) == 11
    for _ in range(2):
        tell_suppressed()
    told = [line.split(" ", 1)[1] for line in written()[11:]]
    assert sorted(told) == [
        'INFO log lines left out line="connection refused" count=4',
        "INFO log lines left out line=trio count=2",
    ]


def test_what_strangers_can_cause_is_said_once_a_second_and_the_rest_is_counted(lines: Start) -> None:
    written = lines()
    now = 0.0
    refusals = RateLimitedLog(log, clock=lambda: now)
    for address in ("a", "b", "c"):
        refusals.warning("connection refused", address=address)
    refusals.warning("origin refused", origin="x")
    now = 1.0
    refusals.warning("connection refused", address="d")
    now = 2.0
    refusals.warning("connection refused", address="e")
    assert [line.split(" ", 2)[2] for line in written()] == [
        "connection refused address=a",
        "origin refused origin=x",
        "connection refused address=d suppressed=2",
        "connection refused address=e",
    ]


def test_a_session_may_have_a_level_of_its_own(lines: Start) -> None:
    written = lines()
    set_session_level("chatty", LogLevel.DEBUG)
    set_session_level("quiet", LogLevel.ERROR)
    for session in ("chatty", "quiet", "other"):
        log.debug("detail", session=session)
        log.info("stream live", session=session)
        log.info("session ended", id=session)
        log.error("it broke", session=session)
    clear_session_level("chatty")
    clear_session_level("quiet")
    log.debug("detail", session="chatty")
    assert [line.split(" ", 1)[1] for line in written()] == [
        "DEBUG detail session=chatty",
        "INFO stream live session=chatty",
        "INFO session ended id=chatty",
        "ERROR it broke session=chatty",
        "ERROR it broke session=quiet",
        "INFO stream live session=other",
        "INFO session ended id=other",
        "ERROR it broke session=other",
    ]


def test_only_so_many_sessions_have_one(lines: Start) -> None:
    written = lines()
    for number in range(MAX_SESSION_LEVELS + 1):
        set_session_level(f"s{number}", LogLevel.DEBUG)
    log.debug("first", session="s0")
    log.debug("last", session=f"s{MAX_SESSION_LEVELS}")
    for number in range(MAX_SESSION_LEVELS + 1):
        clear_session_level(f"s{number}")
    assert [line.split(" ")[2] for line in written()] == ["last"]
