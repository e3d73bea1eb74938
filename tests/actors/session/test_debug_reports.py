"""Reports about sessions whose pages asked for one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio
from attrs import evolve
from trio.testing import MockClock

from actors.runtime.logs import get_logger
from actors.session.requests import debug_reports
from actors.session.requests.debug_reports import CHECK_INTERVAL, MAX_BYTES, MAX_RUNNING, MAX_SECONDS, DebugReports
from actors.session.requests.diagnostics import REPORTS_AT_ONCE
from actors.storage.report_folder import ReportFolder
from config.live import Live
from config.settings import Settings
from tests.support.session.memory_socket import MemorySocket
from tests.support.session.signaling_rig import SignalingRig, signaling_rig

log = get_logger("test")


@asynccontextmanager
async def rig_with_reports(path: Path, live: Live | None = None) -> AsyncIterator[tuple[SignalingRig, DebugReports]]:
    settings = live.settings if live is not None else Settings()
    reports = DebugReports(settings, ReportFolder(path), lambda: 1000.0)
    async with signaling_rig() as rig, trio.open_nursery() as nursery:
        rig.services = evolve(rig.services, debug_reports=reports)
        nursery.start_soon(reports.run)
        yield rig, reports
        nursery.cancel_scope.cancel()


async def debug(socket: MemorySocket, command: str) -> dict[str, str]:
    socket.send("sessionDebug", {"command": command})
    answer: dict[str, str] = await socket.receive("notifySessionDebugEvent")
    return answer


def files(path: Path) -> list[str]:
    return [file.name for file in path.iterdir()]


def only_report(path: Path) -> str:
    (file,) = path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    return file.read_text()


async def test_what_happens_between_start_and_stop_is_in_the_file(tmp_path: Path) -> None:
    async with rig_with_reports(tmp_path) as (rig, _):
        socket, session = await rig.connect(clientBrowserVersion="Firefox", custom={"token": "mine"})
        log.debug("before", session=session.session_id)
        assert await debug(socket, "start") == {"status": "STARTED"}
        await rig.publish(socket, "cam", "m1")
        log.debug("a detail", session=session.session_id)
        log.debug("of another", session="other")
        socket.send("pushLogs", {"logs": 'one\nforged\x1b[0m a=ice-pwd:hush "authToken":"hush"\n'})
        stopped = await debug(socket, "stop")
        log.debug("after", session=session.session_id)
        assert stopped["status"] == "STOPPED"
        assert stopped["file"].removeprefix("client/debug/") in files(tmp_path)
        text = only_report(tmp_path)
        for part in ("ended: by the page", "Firefox", '"name": "cam"', "DEBUG a detail", "PAGE one\n", "PAGE forged"):
            assert part in text, part
        for part in ("before", "of another", "after", "hush", "mine", "\x1b", "v=0"):
            assert part not in text, part
        assert await debug(socket, "stop") == {"status": "STOPPED"}


async def test_a_report_without_stop_is_written_when_the_session_ends(tmp_path: Path) -> None:
    async with rig_with_reports(tmp_path) as (rig, reports):
        socket, _ = await rig.connect()
        assert await debug(socket, "start") == {"status": "STARTED"}
        assert await debug(socket, "start") == {"status": "STARTED"}
        socket.disconnect()
        await trio.testing.wait_all_tasks_blocked()
        await reports.drain()
        assert "ended: the session is over" in only_report(tmp_path)


async def test_a_report_ends_at_its_time_limit(tmp_path: Path, mock_clock: MockClock) -> None:
    async with rig_with_reports(tmp_path) as (rig, _):
        socket, session = await rig.connect()
        await debug(socket, "start")
        log.debug("a detail", session=session.session_id)
        await trio.testing.wait_all_tasks_blocked()
        mock_clock.jump(MAX_SECONDS + CHECK_INTERVAL)
        await socket.receive("notifySessionDebugEvent", status="STOPPED")
        text = only_report(tmp_path)
        assert "ended: time limit" in text
        assert "a detail" in text


async def test_only_the_newest_lines_are_kept(tmp_path: Path, mock_clock: MockClock) -> None:
    async with rig_with_reports(tmp_path) as (rig, reports):
        socket, session = await rig.connect()
        await debug(socket, "start")
        for number in range(300):
            log.debug("long", session=session.session_id, number=number, text="x" * 1500)
        socket.send("pushLogs", {"logs": "\n" * 100_000 + "y" * 5000})
        stopped = await debug(socket, "stop")
        content = only_report(tmp_path).encode()
        assert "file" in stopped
        assert len(content) < MAX_BYTES + 5000
        assert b"number=299 " in content
        assert b"number=1 " not in content
        assert b"earlier lines are left out" in content
        assert b"y" * 2000 in content
        assert b"y" * 2001 not in content
        assert reports._total.used == 0


async def test_a_session_has_only_so_many_reports(tmp_path: Path, mock_clock: MockClock) -> None:
    async with rig_with_reports(tmp_path) as (rig, _):
        socket, _ = await rig.connect()
        answers = []
        for _ in range(REPORTS_AT_ONCE + 3):
            await debug(socket, "start")
            answers.append(await debug(socket, "stop"))
        assert ["file" in answer for answer in answers] == [True] * REPORTS_AT_ONCE + [False] * 3
        mock_clock.jump(61)
        await debug(socket, "start")
        assert "file" in await debug(socket, "stop")


async def test_only_so_many_sessions_are_debugged_and_only_so_much_is_kept(
    tmp_path: Path, mock_clock: MockClock
) -> None:
    reports = DebugReports(Settings(), ReportFolder(tmp_path), lambda: 1000.0)
    for number in range(MAX_RUNNING + 1):
        reports.begin(f"s{number}", str, lambda file: None)
    assert reports.get(f"s{MAX_RUNNING}") is None
    for number in range(MAX_RUNNING):
        for _ in range(200):
            log.debug("long", session=f"s{number}", text="x" * 1500)
    assert debug_reports.MAX_TOTAL - 4000 < reports._total.used <= debug_reports.MAX_TOTAL
    told: list[str | None] = []
    for number in range(MAX_RUNNING):
        report = reports.get(f"s{number}")
        assert report is not None
        report.told = told.append
        assert reports.end(f"s{number}", "test")
    assert len(told) == MAX_RUNNING - debug_reports.MAX_UNWRITTEN, "the rest waits to be written"
    assert not any(told)
    assert reports._total.used == 0


async def test_it_can_be_switched_off_while_it_runs(tmp_path: Path, mock_clock: MockClock) -> None:
    live = Live(Settings())
    async with rig_with_reports(tmp_path, live) as (rig, _):
        socket, _ = await rig.connect()
        live.replace(evolve(live.now, session_debug_reports=False))
        assert await debug(socket, "start") == {"status": "STARTED"}
        assert await debug(socket, "stop") == {"status": "STOPPED"}
        assert not files(tmp_path)


async def test_a_folder_that_cannot_be_written_costs_the_report_alone(tmp_path: Path, mock_clock: MockClock) -> None:
    (tmp_path / "file").touch()
    async with rig_with_reports(tmp_path / "file") as (rig, _):
        socket, _ = await rig.connect()
        await debug(socket, "start")
        assert await debug(socket, "stop") == {"status": "STOPPED"}


def test_only_the_newest_files_are_kept(tmp_path: Path) -> None:
    folder = ReportFolder(tmp_path, max_files=3)
    (tmp_path / "notes.txt").touch()
    names = [folder.new_name() for _ in range(5)]
    for name in names:
        folder.write(name, b"x")
    kept = [name for name in names if folder.find(name) is not None]
    assert len(kept) == 3
    assert names[-1] in kept
    assert (tmp_path / "notes.txt").exists()
