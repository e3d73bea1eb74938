"""What systemd is told, by a real daemon over a real datagram socket."""

import os
import signal
from pathlib import Path

import pytest
import trio
import trio.testing

from actors.runtime.service_manager import STEP, ServiceManager, ServiceReport
from tests.support.moved_clock import Hands, run
from tests.support.servers.notify_socket import notify_socket
from tests.support.servers.server_process import ServerProcess, running_server
from tests.support.session.wcs_client import wcs_client

LOOPBACK = {"ip": "127.0.0.1"}


async def test_it_is_told_of_the_start_the_state_a_reload_and_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with notify_socket(tmp_path, monkeypatch, watchdog=0.9) as manager:
        settings = LOOPBACK | {"shutdown_drain_timeout": 3_600_000}
        with running_server(tmp_path, settings) as server:
            manager.until("READY=1")
            assert "STATUS=serving: 0 publications, 0 viewers" in manager.told
            manager.until("WATCHDOG=1")
            async with wcs_client(server.ws_url()) as client:
                publication = await client.publish("news")
                await trio.to_thread.run_sync(manager.until, "STATUS=serving: 1 publications")
                manager.forget()
                server.send_signal(signal.SIGHUP)
                await trio.to_thread.run_sync(manager.until, "READY=1")
                assert "RELOADING=1" in manager.told
                assert any(line.startswith("MONOTONIC_USEC=") for line in manager.told)
                server.send_signal(signal.SIGTERM)
                await trio.to_thread.run_sync(manager.until, "EXTEND_TIMEOUT_USEC=60000000")
                await trio.to_thread.run_sync(manager.until, "STATUS=draining: 1 publications")
                assert "STOPPING=1" not in manager.told
                server.send_signal(signal.SIGTERM)
                await publication.status("FAILED")
                await trio.to_thread.run_sync(manager.until, "STOPPING=1")
            assert await trio.to_thread.run_sync(server.wait) == 0


def test_a_manager_that_reads_nothing_or_is_gone_delays_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with notify_socket(tmp_path, monkeypatch, watchdog=0.01, reads=False) as manager:
        with running_server(tmp_path, LOOPBACK) as server:
            server.wait_until(lambda: server.post("/stream/find", {}).status_code == 404, what="an answer")
            manager.close()
            manager.path.unlink()
            assert server.post("/stream/find", {}).status_code == 404


def test_the_socket_is_not_for_children_and_the_watchdog_for_this_process_only() -> None:
    environment = {"NOTIFY_SOCKET": "@wcsd-nobody", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}
    manager = ServiceManager(environment)
    assert (environment, manager.watchdog) == ({}, 3.0)
    manager.tell("READY=1")
    for other in ({"NOTIFY_SOCKET": "@x", "WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": "30"}):
        assert ServiceManager(other).watchdog == 0


class Part:
    """A part that goes on, or not."""

    def __init__(self) -> None:
        self.beats, self.is_stuck = 0, False

    def poke(self) -> None:
        self.beats += not self.is_stuck


async def test_no_sign_of_life_while_a_part_or_the_loop_is_stuck(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with notify_socket(tmp_path, monkeypatch, watchdog=0.3) as manager:
        part = Part()
        service = ServiceManager(os.environ)
        report = ServiceReport(service, {"media": part}, status=lambda: "", is_ending=lambda: False)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(report.run)
            await trio.to_thread.run_sync(manager.until, "WATCHDOG=1")
            part.is_stuck = True
            service.tell("STUCK")
            while "no sign of life is given" not in caplog.text:  # noqa: ASYNC110 - the log tells no one
                await trio.sleep(0.01)
            nursery.cancel_scope.cancel()
        assert caplog.records[-1].wcsd_fields["stuck"] == "media"  # type: ignore[attr-defined]
        report.look(late=6.0)
        service.tell("END")
        manager.until("END")
        since = manager.told[manager.told.index("STUCK") :]
        assert since.count("WATCHDOG=1") <= 1, "the beat before it was stuck"


def test_after_a_standstill_a_sign_of_life_comes_soon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    watchdog, frozen = 30.0, 18.0

    async def main(hands: Hands) -> None:
        service = ServiceManager(os.environ)
        report = ServiceReport(service, {}, status=lambda: "", is_ending=lambda: False)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(report.run)
            await trio.testing.wait_all_tasks_blocked()
            await hands.pass_time(STEP)
            service.tell("FROZEN")
            hands.stand_still(frozen)
            await hands.pass_time(watchdog - frozen - STEP)
            service.tell("END")
            nursery.cancel_scope.cancel()

    with notify_socket(tmp_path, monkeypatch, watchdog=watchdog) as manager:
        run(main)
        manager.until("END")
        told = manager.told
        assert "WATCHDOG=1" in told[: told.index("FROZEN")]
        assert "WATCHDOG=1" in told[told.index("FROZEN") :]


def test_a_watchdog_that_kills_leaves_the_event_loops_stack(tmp_path: Path) -> None:
    server = ServerProcess(tmp_path, LOOPBACK)
    server.send_signal(signal.SIGABRT)
    try:
        assert server.wait() == -signal.SIGABRT, server.log()
        assert "Fatal Python error: Aborted" in server.log()
        assert "_run.py" in server.log(), "the stack of the event loop"
        assert "Thread 0x" not in server.log(), "threads that run on cannot be read safely"
    finally:
        with pytest.raises(AssertionError, match="exit code -"):
            server.stop()
