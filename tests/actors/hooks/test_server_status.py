"""`ServerStatusEvent`: whom it is sent to, how often, and that nobody waits for it."""

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio
import trio.testing
from attrs import evolve
from trio.testing import MockClock

from actors.hooks.server_status import LONGEST_PAUSE, STOPPING_TIME, ServerStatusCalls
from actors.storage.run_record import RunRecord
from config.apps import ECHO_APP_URL
from protocol.node.run_record import MAX_STREAMS, LeftStream, PreviousRun, read_record
from tests.support.hooks.hook_rig import APP, Answer, HookRig, failing, hang, hook_rig, status

NEWS = LeftStream(app_key=APP.key, session_id="s1", media_session_id="m1", name="news", published=True)
CRASHED = PreviousRun(is_crash=True, streams=(NEWS,))


@asynccontextmanager
async def told(rig: HookRig) -> AsyncIterator[trio.Event]:
    """Backends are told; the event stops the server."""
    calls = ServerStatusCalls(
        dispatcher=rig.dispatcher, apps=lambda: tuple(rig.apps.values()), node_id="node", previous=CRASHED
    )
    closing = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(calls.run, closing)
        await trio.testing.wait_all_tasks_blocked()
        yield closing
        closing.set()


def statuses(rig: HookRig) -> list[tuple[str, str]]:
    return [(call.body["appKey"], call.body["status"]) for call in rig.backend.calls]


async def test_each_application_that_has_it_is_told_once(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        rig.apps["other"] = evolve(APP, name="other", key="other", methods=APP.methods - {"ServerStatusEvent"})
        rig.apps["echo"] = evolve(APP, name="echo", key="echo", url=ECHO_APP_URL)
        async with told(rig):
            await trio.sleep(1000)
        assert statuses(rig) == [(APP.key, "STARTED"), (APP.key, "STOPPING")]
        first, last = (call.body for call in rig.backend.calls)
        assert (first["previousEnd"], len(first["streams"]), "sessionId" in first) == ("crash", 1, False)
        assert last["streams"] == []


@pytest.mark.parametrize("answer", [status(500), status(429), failing(httpx.ConnectError("refused"))])
async def test_a_backend_that_does_not_answer_is_told_again(autojump_clock: MockClock, answer: Answer) -> None:
    async with hook_rig(rest_client_request_sent_retry_enabled=False) as rig:
        rig.backend.script("ServerStatusEvent", *[answer] * 8, status(200))
        async with told(rig):
            await trio.sleep(20 * LONGEST_PAUSE)
        starts = [call.began for call in rig.backend.calls if call.body["status"] == "STARTED"]
        pauses = [round(after - before) for before, after in itertools.pairwise(starts)]
        assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]


async def test_a_backend_that_does_not_know_it_is_not_told_again(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        rig.backend.script("ServerStatusEvent", status(404))
        async with told(rig):
            await trio.sleep(1000)
        assert statuses(rig) == [(APP.key, "STARTED"), (APP.key, "STOPPING")]


async def test_an_application_that_is_removed_is_not_told_again(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        rig.backend.script("ServerStatusEvent", status(503))
        async with told(rig):
            rig.apps.clear()
            await trio.sleep(1000)
        assert statuses(rig) == [(APP.key, "STARTED")]


async def test_a_backend_that_hangs_does_not_hold_up_a_stop(autojump_clock: MockClock) -> None:
    async with hook_rig() as rig:
        rig.backend.script("ServerStatusEvent", hang)
        async with told(rig) as closing:
            closing.set()
            began = trio.current_time()
        assert trio.current_time() - began <= STOPPING_TIME
        assert statuses(rig) == [(APP.key, "STARTED"), (APP.key, "STOPPING")]


# -- the record behind it ----------------------------------------------------------------------------------------------


def stream(number: int) -> LeftStream:
    return evolve(NEWS, media_session_id=f"m{number}")


def test_the_record_holds_what_is_open() -> None:
    record = RunRecord()
    record.opened(stream(1))
    record.opened(stream(2))
    record.renamed(evolve(stream(2), name="weather"))
    record.renamed(stream(3))  # has ended
    record.closed("m1")
    left = read_record(b"".join(record.lines()))
    assert left == PreviousRun(is_crash=True, streams=(evolve(stream(2), name="weather"),))


def test_the_record_is_bounded_and_says_so() -> None:
    record = RunRecord()
    for number in range(MAX_STREAMS + 1):
        record.opened(stream(number))
    full = read_record(b"".join(record.lines()))
    assert (len(full.streams), full.truncated) == (MAX_STREAMS, True)
    record.closed(f"m{MAX_STREAMS}")
    assert not read_record(b"".join(record.lines())).truncated


def test_what_ends_while_the_server_stops_stays_in_the_record() -> None:
    record = RunRecord()
    record.opened(stream(1))
    record.freeze()
    record.closed("m1")
    assert read_record(b"".join(record.lines())).streams == (stream(1),)


def test_a_record_that_is_found_follows_a_crash(tmp_path: Path) -> None:
    path = tmp_path / "run.jsonl"
    assert not RunRecord(path).previous.is_crash
    record = RunRecord()
    record.opened(stream(1))
    path.write_bytes(b"".join(record.lines()))
    after = RunRecord(path)
    assert after.previous == PreviousRun(is_crash=True, streams=(stream(1),))
    after.end()
    assert not RunRecord(path).previous.is_crash
