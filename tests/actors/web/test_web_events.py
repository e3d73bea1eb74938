"""`/rest-api/events` as its readers see it, on the test's clock."""

from contextlib import AsyncExitStack
from itertools import pairwise
from pathlib import Path

import httpx
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.events.event_log import EventLog
from actors.web.api.server.events import ALIVE_INTERVAL, REST
from protocol.access.roles import Role
from protocol.node.server_events import EventType
from tests.support.web.access import access_of, bearer, token
from tests.support.web.memory_event_reader import read
from tests.support.web.stream_world import StreamWorld
from tests.support.web.web_rig import client_of

STATUS = EventType.STREAM_STATUS


async def test_the_first_event_leaves_at_once_and_what_follows_goes_together(autojump_clock: MockClock) -> None:
    log = EventLog(boot="b")
    async with trio.open_nursery() as nursery:
        reader = await read(nursery, log)
        assert (reader.status, reader.text) == (200, "retry: 3000\n\n")
        await trio.sleep(5)
        began = trio.current_time()
        for _ in range(100):
            log.emit(STATUS, name="news")
            await trio.sleep(0.01)
        await trio.sleep(REST)
        reader.over.set()
    times = [when - began for when, text in reader.writes if "stream.status" in text]
    assert times[0] == 0
    assert all(later - earlier >= REST for earlier, later in pairwise(times))
    assert len(times) <= 6
    assert reader.events == ["stream.status"] * 100 + ["bye"]
    assert log.readers == 0


async def test_silence_is_broken_by_comments_that_move_the_id_on(autojump_clock: MockClock) -> None:
    log = EventLog(boot="b")
    async with trio.open_nursery() as nursery:
        reader = await read(nursery, log, "types=hook.*")
        log.emit(STATUS)
        await trio.sleep(2.5 * ALIVE_INTERVAL)
        reader.over.set()
    assert reader.text.count(": alive\nid: b-1\n\n") == 2
    assert reader.events == ["bye"]


async def test_a_reader_goes_on_after_its_last_event_and_is_told_of_a_gap(autojump_clock: MockClock) -> None:
    log = EventLog(boot="b", max_events=3)
    for number in range(5):
        log.emit(STATUS, n=number)
    async with trio.open_nursery() as nursery:
        current = await read(nursery, log, last_event_id="b-4")
        behind = await read(nursery, log, last_event_id="b-1")
        stranger = await read(nursery, log, last_event_id="a-4")
        await trio.sleep(1)
        for reader in (current, behind, stranger):
            reader.over.set()
    assert current.events == ["stream.status", "bye"]
    assert behind.events == ["gap", "stream.status", "stream.status", "stream.status", "bye"]
    assert 'id: b-2\nevent: gap\ndata: {"lost":1,"reason":"history"}' in behind.text
    assert 'event: gap\ndata: {"reason":"restart"}' in stranger.text


async def test_a_slow_reader_loses_nothing_until_the_history_has_passed_it(autojump_clock: MockClock) -> None:
    log = EventLog(boot="b", max_events=2000)
    async with trio.open_nursery() as nursery:
        reader = await read(nursery, log)
        for _ in range(1500):
            log.emit(STATUS)
        await trio.sleep(2)
        assert reader.events == ["stream.status"] * 1500
        for _ in range(2500):
            log.emit(STATUS)
        await trio.sleep(3)
        reader.over.set()
    assert reader.events.count("gap") == log.gaps == 1
    assert '{"lost":500,"reason":"history"}' in reader.text


async def test_a_caller_that_is_bound_to_applications_sees_only_theirs(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    log = EventLog(boot="b")
    mine = token("mine", Role.VIEW, apps=frozenset({"mine"}))
    async with trio.open_nursery() as nursery:
        access = access_of(tmp_path / "users.toml", mine)
        reader = await read(nursery, log, access=access, authorization=bearer("mine"))
        log.emit(STATUS, app="mine", name="a")
        log.emit(STATUS, app="other", name="b")
        log.emit(EventType.HOOK_DROPPED)
        await trio.sleep(1)
        reader.over.set()
    assert reader.events == ["stream.status", "bye"]
    assert '"name":"a"' in reader.text


async def test_there_is_a_limit_to_readers(autojump_clock: MockClock) -> None:
    log = EventLog()
    async with trio.open_nursery() as nursery:
        readers = [await read(nursery, log, most=2) for _ in range(3)]
        assert [reader.status for reader in readers] == [200, 200, 503]
        assert "events.max_readers" in readers[2].text
        readers[0].over.set()
        await wait_all_tasks_blocked()
        readers.append(await read(nursery, log, most=2))
        assert readers[3].status == 200
        for reader in readers:
            reader.over.set()


async def test_an_unknown_type_or_parameter_is_refused(autojump_clock: MockClock) -> None:
    async with AsyncExitStack() as stack:
        client: httpx.AsyncClient = await stack.enter_async_context(client_of(StreamWorld()))
        wrong = await client.get("/rest-api/events", params={"types": "streams.*"})
        unknown = await client.get("/rest-api/events", params={"app": "x"})
    assert (wrong.status_code, wrong.json()["key"]) == (400, "types")
    assert "stream.status" in wrong.json()["exception"] + wrong.json()["reason"]
    assert unknown.status_code == 400
