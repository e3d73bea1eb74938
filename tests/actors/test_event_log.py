"""The history of events: bounded, and each reader is told what it has missed."""

import json

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.events import event_log
from actors.events.event_log import MAX_TEXT, EventLog
from actors.stream.life_report import StatusReports
from protocol.node.server_events import EventFilter, EventType
from protocol.stream.info_texts import StreamInfo
from tests.support.web import stream_world

STATUS = EventType.STREAM_STATUS


def log_of(count: int, **limits: int) -> EventLog:
    log = EventLog(boot="boot", wall_clock=lambda: 0.0, **limits)
    for number in range(1, count + 1):
        log.emit(STATUS, app="app", name=f"stream{number}", n=number)
    return log


def test_an_event_is_encoded_once_as_the_standard_has_it() -> None:
    log = log_of(1)
    (event,) = log.since(1, 10)
    assert event.data.endswith(b"\n\n")
    first, second, third = event.data.decode().strip().split("\n")
    assert (first, second) == ("id: boot-1", "event: stream.status")
    assert json.loads(third.removeprefix("data: ")) == {
        "time": "1970-01-01T00:00:00.000Z",
        "appKey": "app",
        "name": "stream1",
        "n": 1,
    }


def test_nobody_can_put_lines_into_an_event_or_make_it_large() -> None:
    log = EventLog()
    log.emit(STATUS, name="a\n\nevent: forged\ndata: {}", filter={"name": "x" * 100_000})
    (event,) = log.since(1, 10)
    assert event.data.count(b"\n") == 4
    assert len(event.data) < 3 * MAX_TEXT


def test_the_text_of_an_enumeration_is_written_as_any_other_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[object] = []

    def to_json(value: object) -> str:
        written.append(value)
        return json.dumps(value)

    monkeypatch.setattr(event_log, "to_json", to_json)
    log = EventLog()
    log.emit(STATUS, info=StreamInfo.STOPPED_BY_USER)
    (event,) = log.since(1, 10)
    assert '"info": "Stopped by user"' in event.data.decode()
    assert len(written) == 1


def test_the_last_status_of_a_stream_is_held_until_its_owner_has_been_told() -> None:
    log = EventLog()
    reports = StatusReports(log)
    reports.status(stream_world.stream("a"), is_last=False)
    reports.status(stream_world.stream("a"), is_last=True)
    assert len(log.history()) == 1
    reports.release()
    reports.release()
    assert len(log.history()) == 2


@pytest.mark.parametrize("limits", [{"max_events": 10}, {"max_bytes": 1200}])
def test_the_history_is_bounded(limits: dict[str, int]) -> None:
    log = log_of(1000, **limits)
    place = log.place_after("boot-1")
    assert place.is_behind
    kept = log.since(place.next_number, 1000)
    assert 1 < len(kept) <= 10
    assert [event.number for event in kept] == list(range(1001 - len(kept), 1001))
    assert place.lost == 1000 - 1 - len(kept)


def test_events_are_found_from_either_end() -> None:
    log = log_of(100)
    for start in (1, 50, 99, 100):
        assert [event.number for event in log.since(start, 10)] == list(range(start, min(start + 10, 101)))
    assert log.since(101, 10) == ()


@pytest.mark.parametrize(
    ("last", "next_number", "lost"),
    [(None, 6, 0), ("boot-5", 6, 0), ("boot-2", 3, 0), ("other-5", 1, None), ("boot-6", 1, None), ("boot-x", 1, None)],
)
def test_a_reader_goes_on_where_it_was(last: str | None, next_number: int, lost: int | None) -> None:
    place = log_of(5).place_after(last)
    assert (place.next_number, place.lost, place.is_behind) == (next_number, lost, lost is None)


def test_a_filter_takes_types_application_and_name() -> None:
    log = log_of(1)
    log.emit(EventType.HOOK_FAILED, app="other")
    log.emit(EventType.HOOK_DROPPED)
    status, failed, dropped = log.since(1, 10)
    everything = EventFilter()
    assert all(map(everything.matches, (status, failed, dropped)))
    assert [EventFilter(types=("stream.*",)).matches(each) for each in (status, failed, dropped)] == [
        True,
        False,
        False,
    ]
    assert [EventFilter(app="app").matches(each) for each in (status, failed)] == [True, False]
    assert [EventFilter(name="stream1").matches(each) for each in (status, failed)] == [True, False]
    bound = EventFilter(apps=frozenset({"other"}))
    assert [bound.matches(each) for each in (status, failed, dropped)] == [False, True, False]


async def test_who_waits_is_woken_by_the_next_event(autojump_clock: MockClock) -> None:
    log, woken = log_of(5), False

    async def wait() -> None:
        nonlocal woken
        await log.wait(6)
        woken = True

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        assert not woken
        log.emit(STATUS)
    assert woken
