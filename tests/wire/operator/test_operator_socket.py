"""The operator's socket against programs that misbehave, and over restarts."""

import contextlib
import socket
from pathlib import Path

import pytest
import trio
import trio.testing

from actors.operator import server
from actors.operator.server import OperatorSocketError, serve_operator
from actors.operator.wcs.conversation import Exit
from actors.storage.app_store import open_app_store
from actors.storage.default_paths import SOCKET_NAME
from actors.storage.table_store import TableStoreError
from config.apps import default_table
from protocol.operator.messages import MAX_REQUEST_SIZE
from tests.support.operator.operator_console import Console, desk_of, open_console, receive_answer, run_wcs


@pytest.fixture
async def console(nursery: trio.Nursery, tmp_path: Path) -> Console:
    return await open_console(nursery, tmp_path)


async def test_several_requests_in_one_packet_and_one_request_in_several(console: Console) -> None:
    async with await console.connect() as stream:
        await stream.send_all(b'{"line": ""}\n{"line": "help"}\n{"words":')
        first = await receive_answer(stream)
        if not first.get("message"):
            first = await receive_answer(stream)
        assert "show apps" in first["message"]
        await stream.send_all(b'["show", "apps"]}\n')
        assert (await receive_answer(stream))["rows"][0]["name"] == "defaultApp"


async def test_garbage_is_answered_and_the_connection_goes_on(console: Console) -> None:
    async with await console.connect() as stream:
        for garbage in (b"\n", b"GET / HTTP/1.1\r\n", b"\x00\xff\n", b"[" * 60000 + b"\n", b'{"line": "show \'"}\n'):
            await stream.send_all(garbage)
            assert (await receive_answer(stream))["error"] == "usage"
        await stream.send_all(b'{"line": "show apps"}\n')
        assert (await receive_answer(stream))["ok"]


@pytest.mark.parametrize("end", [b"", b"\n"])
async def test_a_line_without_bounds_ends_the_connection(console: Console, end: bytes) -> None:
    async with await console.connect() as stream:
        await stream.send_all(b" " * (MAX_REQUEST_SIZE + 1) + end)
        answer = await receive_answer(stream)
        assert answer["message"] == f"the request is longer than {MAX_REQUEST_SIZE} bytes"
        assert await stream.receive_some() == b""


async def test_a_line_that_drips_ends_the_connection(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "LINE_TIMEOUT", 0.05)
    async with await console.connect() as stream:
        await stream.send_all(b'{"line":')
        assert await stream.receive_some() == b""


async def test_a_silent_connection_ends(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "IDLE_TIMEOUT", 0.05)
    async with await console.connect() as stream:
        assert await stream.receive_some() == b""


async def test_a_client_that_reads_nothing_ends(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "SEND_TIMEOUT", 0.05)
    async with await console.connect() as stream:
        with pytest.raises(trio.BrokenResourceError):  # the server stops reading while it cannot send, and closes
            await stream.send_all(b'{"line": "help"}\n' * 1_000_000)


async def test_half_a_request_is_not_carried_out(console: Console) -> None:
    async with await console.connect() as stream:
        await stream.send_all(b'{"line": "remove app defaultApp"}')
        await stream.send_eof()
        assert await stream.receive_some() == b""
    assert console.store.by_key("defaultApp") is not None


@pytest.mark.parametrize("sent", [b"", b'{"line":', b'{"line": "show apps"}\n'], ids=["idle", "stuck", "answered"])
async def test_connections_that_keep_the_server_waiting_keep_nobody_out(console: Console, sent: bytes) -> None:
    async with contextlib.AsyncExitStack() as others:
        waiting = [await others.enter_async_context(await console.connect()) for _ in range(server.MAX_CONNECTIONS)]
        for stream in waiting:
            await stream.send_all(sent)
            if sent.endswith(b"\n"):
                await receive_answer(stream)
        assert await console.done("show", "apps")
        assert await waiting[0].receive_some() == b""  # it has kept the server waiting longest
        await waiting[1].send_all(b'{"line": "show apps"}\n'.removeprefix(sent if sent == b'{"line":' else b""))
        assert (await receive_answer(waiting[1]))["ok"]


async def test_clients_that_take_no_answer_keep_nobody_out(console: Console, nursery: trio.Nursery) -> None:
    async def ask_without_end() -> None:
        async with await console.connect() as stream:
            with contextlib.suppress(trio.BrokenResourceError):
                await stream.send_all(b'{"line": "help"}\n' * 100_000)

    for _ in range(server.MAX_CONNECTIONS):
        nursery.start_soon(ask_without_end)
    await trio.testing.wait_all_tasks_blocked(0.05)  # the server cannot send, and takes no more
    assert await console.done("show", "apps")


async def test_who_is_being_served_keeps_the_place(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = trio.Event()

    async def slow_change(*_: object) -> None:
        await disk.wait()
        raise TableStoreError("the disk was slow")

    monkeypatch.setattr(console.store, "change", slow_change)
    async with contextlib.AsyncExitStack() as others:
        served = [await others.enter_async_context(await console.connect()) for _ in range(server.MAX_CONNECTIONS)]
        for stream in served:
            await stream.send_all(b'{"line": "show apps"}\n')
        await trio.testing.wait_all_tasks_blocked(0.05)
        refused = await console.wcs("show", "apps")
        assert refused.returncode == Exit.FAILED
        assert refused.stderr == b"wcs: too many connections; try again later\n"
        disk.set()
        for stream in served:
            assert (await receive_answer(stream))["message"] == "the disk was slow"


async def test_several_clients_change_the_table_at_once(console: Console, nursery: trio.Nursery) -> None:
    async def add(number: int) -> None:
        async with await console.connect() as stream:
            for serial in range(10):
                name = f"app{number}-{serial}"
                await stream.send_all(b'{"line": "add app %s %s http://a.example"}\n' % (name.encode(), name.encode()))
                assert (await receive_answer(stream))["changed"]

    async with trio.open_nursery() as clients:
        for number in range(8):
            clients.start_soon(add, number)
    names = {app.name for app in open_app_store(console.state / "apps.toml").table.apps}
    added = {f"app{number}-{serial}" for number in range(8) for serial in range(10)}
    assert names == {app.name for app in default_table().apps} | added


async def test_the_socket_goes_with_the_server(tmp_path: Path) -> None:
    async with trio.open_nursery() as nursery:
        console = await open_console(nursery, tmp_path)
        assert console.socket.is_socket()
        nursery.cancel_scope.cancel()
    assert not console.socket.exists()


async def test_a_stale_socket_is_said_to_be_dead_and_is_replaced(nursery: trio.Nursery, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / SOCKET_NAME))
        dead.listen()
    process = await run_wcs("--state", str(tmp_path), "show", "apps")
    assert process.returncode == Exit.UNREACHABLE
    assert b"no server runs on the state folder" in process.stderr
    console = await open_console(nursery, tmp_path)
    assert await console.done("show", "apps")


async def test_a_living_server_keeps_its_socket(console: Console) -> None:
    with pytest.raises(OperatorSocketError, match=r"another server answers on .*wcs\.sock"):
        await serve_operator(console.socket, desk_of(console.store))
    assert await console.done("show", "apps")


async def test_something_else_in_the_place_of_the_socket_is_left_alone(tmp_path: Path) -> None:
    store = open_app_store(tmp_path / "apps.toml")
    (tmp_path / SOCKET_NAME).write_text("mine")
    with pytest.raises(OperatorSocketError, match="something else is there"):
        await serve_operator(tmp_path / SOCKET_NAME, desk_of(store))
    assert (tmp_path / SOCKET_NAME).read_text() == "mine"


async def test_a_folder_that_cannot_hold_a_socket(tmp_path: Path) -> None:
    store = open_app_store(tmp_path / "apps.toml")
    with pytest.raises(OperatorSocketError, match="No such file or directory"):
        await serve_operator(tmp_path / "missing" / SOCKET_NAME, desk_of(store))
    with pytest.raises(OperatorSocketError, match="too long"):
        await serve_operator(tmp_path / ("x" * 200), desk_of(store))
