"""A backend that is down, a server that is killed in the middle of it, and every hook that was kept all the same."""

import contextlib
import signal
import sqlite3
import stat
from collections import defaultdict
from functools import partial
from pathlib import Path

import pytest
import trio

from config.apps import ALL_METHODS, App, AppTable
from config.tables.apps_file import write_apps
from tests.support.hooks.backend import ScriptedBackend, open_backend
from tests.support.hooks.behaviours import ReceivedCall, allow, answer
from tests.support.servers.server_process import ServerProcess, running_server
from tests.support.session.wcs_client import PATIENCE, WcsClient, wcs_client

LOOPBACK = {"ip": "127.0.0.1", "rest_client_request_retry_count": 0}
METHOD = "DataStatusEvent"
"""The one notification that clients may send at will; its `operationId` is theirs."""
SESSIONS, BEFORE, DURING = 3, 3, 20
KEPT = SESSIONS * DURING


def prepare(folder: Path, url: str) -> None:
    """A state folder whose application keeps everything that cannot be delivered."""
    (folder / "state").mkdir(mode=0o700)
    app = App(name="defaultApp", key="defaultApp", url=url, methods=frozenset(ALL_METHODS), spool="all")
    (folder / "state" / "apps.toml").write_text(write_apps(AppTable(apps=(app,))))


async def tell(clients: list[WcsClient], numbers: range) -> None:
    for number in numbers:
        for client in clients:
            await client.send(METHOD, {"operationId": str(number), "status": "ACCEPTED", "info": "s3cret"})


def committed(server: ServerProcess) -> int:
    """How many hooks are on disk, for whoever reads the file now."""
    path = server.state / "spool.sqlite3"
    if not path.exists():
        return 0
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        return int(database.execute("SELECT count(*) FROM hooks").fetchone()[0])


async def wait_until_committed(server: ServerProcess, count: int) -> None:
    def is_so() -> bool:
        try:
            return committed(server) == count
        except sqlite3.OperationalError:  # it is just being made
            return False

    await trio.to_thread.run_sync(partial(server.wait_until, is_so, what=f"{count} hooks are kept"))


def by_session(calls: list[ReceivedCall]) -> dict[str, list[int]]:
    numbers = defaultdict[str, list[int]](list)
    for call in calls:
        numbers[call.body["sessionId"]].append(int(call.body["operationId"]))
    return dict(numbers)


async def outage(folder: Path, backend: ScriptedBackend) -> None:
    """Sessions whose backend fails while they go on, and then a kill, once the spool has promised all of it."""
    server, over = ServerProcess(folder, LOOPBACK), trio.Event()
    try:
        async with trio.open_nursery() as nursery:
            clients = [await nursery.start(stay, server, over) for _ in range(SESSIONS)]
            await tell(clients, range(BEFORE))
            await backend.wait_for(METHOD, count=SESSIONS * BEFORE)
            backend.script("*", answer(503))
            await tell(clients, range(BEFORE, BEFORE + DURING))
            await wait_until_committed(server, KEPT)
            await look_at(server)
            server.kill()
            over.set()
    except BaseException:
        server.send_signal(signal.SIGKILL)
        raise


async def stay(server: ServerProcess, over: trio.Event, task_status: trio.TaskStatus[WcsClient]) -> None:
    async with wcs_client(server.ws_url()) as client:
        task_status.started(client)
        await over.wait()


async def look_at(server: ServerProcess) -> None:
    """What an operator sees of it: no bodies, and nothing is dropped by mistake."""
    shown = await trio.to_thread.run_sync(partial(server.operate, "show", "spool", "-d", "--limit", "5"))
    assert f"5 of {KEPT} hooks" in shown
    assert METHOD in shown
    assert "s3cret" not in shown
    with pytest.raises(AssertionError, match="drop 60 hooks of defaultApp, which its backend will never get"):
        await trio.to_thread.run_sync(partial(server.operate, "drop", "spool", "defaultApp"))
    files = sorted(server.state.glob("spool.sqlite3*"))
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


async def drop_some(server: ServerProcess, backend: ScriptedBackend) -> None:
    backend.script(METHOD, answer(503))
    async with wcs_client(server.ws_url()) as client:
        await tell([client], range(5))
        await wait_until_committed(server, 5)
        told = await trio.to_thread.run_sync(partial(server.operate, "drop", "spool", "defaultApp", "--yes"))
        assert told == "5 hooks of defaultApp dropped\n"
        assert committed(server) == 0
        backend.script("*", allow)


async def test_nothing_that_was_kept_is_lost_and_the_order_holds(tmp_path: Path) -> None:
    async with open_backend() as backend:
        prepare(tmp_path, backend.url)
        with trio.fail_after(3 * PATIENCE):
            await outage(tmp_path, backend)
            await backend.wait_closed()
        before = backend.received(METHOD)[: SESSIONS * BEFORE]
        failed = len(backend.received(METHOD))
        backend.script("*", allow)
        with running_server(tmp_path, LOOPBACK) as server, trio.fail_after(3 * PATIENCE):
            told = await trio.to_thread.run_sync(partial(server.operate, "replay", "defaultApp", "--now"))
            assert "sent from now on" in told
            late = (await backend.wait_for(METHOD, count=failed + KEPT))[failed:]
            await wait_until_committed(server, 0)
            assert "hooks are kept from an earlier run" in server.log()
            await drop_some(server, backend)
            server.send_signal(signal.SIGTERM)
            assert await trio.to_thread.run_sync(server.wait) == 0  # while the backend goes on
        assert {call.headers["x-wcs-event-time"][:2] for call in late} == {"20"}
        assert len({call.headers["x-wcs-hook-id"] for call in late}) == KEPT
        numbers = by_session([*before, *late])
        assert len(numbers) == SESSIONS
        assert all(each == list(range(BEFORE + DURING)) for each in numbers.values())
        assert b"s3cret" not in b"".join(file.read_bytes() for file in (tmp_path / "state").glob("spool*"))
