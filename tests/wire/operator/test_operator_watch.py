"""`wcs tail`, `show events`, `show hooks` and `show nodes`, against a console and a whole server."""

import json
import sys
from pathlib import Path

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.events.event_log import EventLog
from actors.operator.commands.watch import MAX_TAILS
from actors.operator.wcs.conversation import Exit
from config.version import VERSION
from protocol.hooks import HookMethod
from protocol.metrics.hook_counts import HookCounts, HookOutcome
from protocol.node.server_events import EventType
from tests.support.operator.operator_console import (
    ROOT,
    Console,
    open_console,
    receive_answer,
    run_wcs,
    watch_commands_on,
)
from tests.support.servers.full_server import full_server
from tests.support.session.wcs_client import PATIENCE, wcs_client


@pytest.fixture
def events() -> EventLog:
    return EventLog(boot="b", max_events=20)


@pytest.fixture
def counts() -> HookCounts:
    return HookCounts()


@pytest.fixture
async def console(nursery: trio.Nursery, tmp_path: Path, events: EventLog, counts: HookCounts) -> Console:
    return await open_console(nursery, tmp_path, watch=watch_commands_on(events, counts))


def emit(events: EventLog, name: str, kind: EventType = EventType.STREAM_ENDED, app: str = "shop") -> None:
    events.emit(kind, app=app, name=name, cause="test\x1b[2J")


async def ask(console: Console, *words: str) -> dict[str, object]:
    async with await console.connect() as stream:
        await stream.send_all(json.dumps({"words": words}).encode() + b"\n")
        answer: dict[str, object] = await receive_answer(stream)
        return answer


async def test_the_latest_events_are_shown(console: Console, events: EventLog) -> None:
    assert await console.done("show", "events") == "no events\n"
    for number in range(3):
        emit(events, f"s{number}")
    emit(events, "a", EventType.SESSION_ENDED, app="other")
    lines = (await console.done("show", "events", "--limit", "2")).splitlines()
    assert [line.split()[1:4] for line in lines] == [
        ["stream.ended", "appKey=shop", "name=s2"],
        ["session.ended", "appKey=other", "name=a"],
    ]
    assert lines[0].endswith(r" cause=test\x1b[2J")
    assert "name=s1 " in await console.done("show", "events", "stream.*", "name=s1", "appKey=shop")
    assert await console.done("show", "events", "appKey=none") == "no events\n"
    wrong = await console.wcs("show", "events", "strem.ended")
    assert (wrong.returncode, wrong.stdout) == (Exit.USAGE, b"")
    assert b"types has 'strem.ended'" in wrong.stderr


async def test_tail_shows_events_as_they_come(console: Console, events: EventLog, nursery: trio.Nursery) -> None:
    emit(events, "before")
    command = [sys.executable, "-m", "actors.operator.wcs.client", "--state", str(console.state), "--json", "tail"]
    process = await trio.lowlevel.open_process([*command, "stream.*"], stdout=-1, cwd=ROOT)
    assert process.stdout is not None
    data = b""
    with trio.fail_after(PATIENCE):
        for name in ("before", "first", "second"):
            if name != "before":
                emit(events, "unwanted", EventType.SESSION_ENDED)
                emit(events, name)
            while f'"name": "{name}"'.encode() not in data:
                data += await process.stdout.receive_some()
        process.kill()
        await process.wait()
    await process.stdout.aclose()
    assert [json.loads(line)["name"] for line in data.splitlines()] == ["before", "first", "second"]


async def test_a_tail_that_was_away_is_told_of_the_gap(console: Console, events: EventLog) -> None:
    for number in range(30):
        emit(events, f"s{number}")
    answer = await ask(console, "tail", "--after", "b-5")
    assert answer["rows"] == [{"time": "-", "type": "gap", "lost": 5}]
    assert answer["follow"] == ["tail", "--after", "b-10"]
    answer = await ask(console, "tail", "--after", "other-5", "name=s29")
    assert answer["rows"] == [{"time": "-", "type": "gap", "lost": None}]
    assert answer["follow"] == ["tail", "--after", "b-10", "name=s29"]


async def test_few_may_wait_for_events(console: Console, events: EventLog) -> None:
    async with trio.open_nursery() as nursery:
        for _ in range(MAX_TAILS):
            nursery.start_soon(ask, console, "tail", "--after", "b-0")
        await wait_all_tasks_blocked(0.02)
        answer = await ask(console, "tail", "--after", "b-0")
        assert (answer["error"], answer["message"]) == (
            "failed",
            "8 of these wait for events already; try again later",
        )
        emit(events, "end")


async def test_how_hooks_have_ended(console: Console, counts: HookCounts) -> None:
    for outcome in (HookOutcome.OK, HookOutcome.OK, HookOutcome.TIMEOUT):
        counts.ended("shop", HookMethod.CONNECT, outcome, 0.1)
    answer = json.loads(await console.done("--json", "show", "hooks"))
    (row,) = answer["rows"]
    assert row.items() >= {"method": "connect", "ok": 2, "timeout": 1, "error": 0, "mean_ms": 100}.items()
    assert answer["message"].startswith("0 waiting, 0 dropped, 0 retried; connections: 0 in use")


async def test_a_whole_server_in_one_line(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server, wcs_client(server.ws_url()) as client:
        await client.connect()
        state = ("--state", str(tmp_path / "state"), "--json")
        (node,) = json.loads((await run_wcs(*state, "show", "nodes")).stdout)["rows"]
    assert node.items() >= {"version": VERSION, "state": "serving", "publications": 0, "sessions": 1}.items()
