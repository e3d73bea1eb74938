"""The client's socket over real TCP: frames that leave at once, in part, or not at all."""

import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
import trio
import trustme
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream, wrap_server_stream

from actors.net.tcp_stream import TcpStream, drop_references
from actors.session import ClientSocket, NonBlockingStream, ReceiveQuota
from actors.session.socket.client_socket import LONGEST, SecuredWay, straight_way

CAP = 30
"""Seconds; only to end a test that hangs."""


@contextmanager
def tcp_pair() -> Iterator[tuple[trio.SocketStream, trio.SocketStream]]:
    """The two ends of a connection; the server's has the smallest buffer there is."""
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as client:
        with listener.accept()[0] as server:
            server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1)
            yield _stream(server), _stream(client)


@asynccontextmanager
async def websocket(*, tls: bool) -> AsyncIterator[tuple[ClientSocket, WebSocketConnection]]:
    """A session's socket, and the client at the other end."""
    with tcp_pair() as (server, client), trio.fail_after(CAP):
        async with trio.open_nursery() as nursery:
            theirs: trio.SocketStream | trio.SSLStream[trio.SocketStream] = client
            ours: trio.abc.Stream = NonBlockingStream(TcpStream(server))
            if tls:
                authority, context, trusting = (
                    trustme.CA(),
                    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER),
                    ssl.create_default_context(),
                )
                authority.issue_cert("localhost").configure_cert(context)
                authority.configure_trust(trusting)
                ours = trio.SSLStream(ours, context, server_side=True)
                theirs = trio.SSLStream(client, trusting, server_hostname="localhost")
            accepted: list[WebSocketConnection] = []

            async def accept() -> None:
                request = await wrap_server_stream(nursery, ours)
                accepted.append(await request.accept())

            async with trio.open_nursery() as opening:
                opening.start_soon(accept)
                page = await wrap_client_stream(nursery, theirs, "localhost", "/")
            yield ClientSocket(accepted[0], straight_way(ours), ReceiveQuota()), page
            nursery.cancel_scope.cancel()


async def _ping_on(page: WebSocketConnection) -> None:
    while True:
        await page.ping()


def _stream(end: socket.socket) -> trio.SocketStream:
    end.setblocking(False)
    return trio.SocketStream(trio.socket.from_stdlib_socket(end))


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 255, 256, 4000, LONGEST])
async def test_a_text_that_leaves_at_once_is_a_frame_like_any(size: int, *, tls: bool) -> None:
    async with websocket(tls=tls) as (ours, page):
        text = "\N{SNOWMAN}" * (size // 3) + "x" * (size % 3)
        assert ours.send_now(text)
        await ours.send_message("after it")
        assert [await page.get_message(), await page.get_message()] == [text, "after it"]


@pytest.mark.parametrize("tls", [False, True])
async def test_texts_that_leave_at_once_together_are_a_frame_each(*, tls: bool) -> None:
    async with websocket(tls=tls) as (ours, page):
        texts = ("", "a", "x" * 126, "b" * 6000, "c" * 6000)
        assert ours.send_now(*texts)
        assert not ours.send_now("too long are", "x" * (LONGEST + 1))
        await ours.send_message("after them")
        assert [await page.get_message() for _ in range(6)] == [*texts, "after them"]


@pytest.mark.parametrize("tls", [False, True])
async def test_what_is_long_is_not_sent_at_once(*, tls: bool) -> None:
    async with websocket(tls=tls) as (ours, _):
        assert not ours.send_now("x" * (LONGEST + 1))


async def test_what_is_sent_at_once_and_what_is_not_keep_their_order_in_tls() -> None:
    async with websocket(tls=True) as (ours, page), trio.open_nursery() as nursery:
        came: list[str | bytes] = []
        all_came = trio.Event()
        sent = [f"{number} " + "x" * (number % 7) * 1000 for number in range(600)]

        async def read() -> None:
            while len(came) < len(sent):
                came.append(await page.get_message())
            all_came.set()

        async def answer_pings() -> None:  # by the task that reads from the page
            with pytest.raises(ConnectionClosed):
                await ours.get_message()

        nursery.start_soon(answer_pings)
        nursery.start_soon(_ping_on, page)
        nursery.start_soon(read)
        at_once = 0
        for number, text in enumerate(sent):
            leaves = number % 5 != 0 and not ours.has_pending and ours.send_now(text)
            at_once += leaves
            if not leaves:
                if ours.has_pending:
                    await ours.send_message("")
                await ours.send_message(text)
        await all_came.wait()
        assert came == sent
        assert at_once > 100
        nursery.cancel_scope.cancel()


async def test_tls_that_is_broken_or_over_takes_nothing_at_once() -> None:
    async with websocket(tls=True) as (ours, page):
        assert isinstance(ours._straight, SecuredWay)
        secured = ours._straight._secured
        await page._stream.aclose()
        with pytest.raises(ConnectionClosed):
            await ours.get_message()
        await secured.aclose()
        assert not ours._straight.send_nowait(b"x")
        drop_references(secured)
        assert not ours._straight.send_nowait(b"x")


@pytest.mark.parametrize("name", ["_outgoing", "_inner_send_lock", "_delayed_outgoing"])
async def test_tls_of_a_trio_that_has_other_insides_sends_nothing_at_once(name: str) -> None:
    async with websocket(tls=True) as (ours, _):
        assert isinstance(ours._straight, SecuredWay)
        secured = ours._straight._secured
        assert straight_way(secured) is not None
        kept = vars(secured).pop(name)
        assert straight_way(secured) is None
        vars(secured)[name] = kept


@pytest.mark.parametrize("tls", [False, True])
async def test_nothing_is_sent_at_once_after_the_close(*, tls: bool) -> None:
    async with websocket(tls=tls) as (ours, page):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(page.aclose)
            with pytest.raises(Exception, match="1000"):
                await ours.get_message()
        assert not ours.send_now("x")


async def test_a_rest_that_cannot_be_sent_is_a_closed_connection() -> None:
    async with websocket(tls=False) as (ours, page):
        assert ours._straight is not None
        assert ours._straight.send_nowait(bytes(1_000_000))
        assert ours.has_pending
        await page._stream.aclose()
        with pytest.raises(ConnectionClosed):
            await ours.send_message("")


async def test_a_part_that_did_not_fit_comes_first_when_there_is_room() -> None:
    with tcp_pair() as (server, client), trio.fail_after(CAP):
        straight, long, came = NonBlockingStream(TcpStream(server)), bytes(range(256)) * 4000, b""
        assert straight.send_nowait(long)
        assert straight.has_pending
        async with trio.open_nursery() as nursery:
            came += await client.receive_some()
            assert not straight.send_nowait(b"this must not get in between")
            nursery.start_soon(straight.send_all, b"the end")
            while not came.endswith(b"the end"):
                came += await client.receive_some()
        assert came == long + b"the end"
        assert not straight.has_pending


async def test_a_client_that_does_not_read_fills_no_large_buffer() -> None:
    with tcp_pair() as (server, client):
        server.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 << 20)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 32 << 10)
        straight, taken = NonBlockingStream(TcpStream(server)), 0
        while taken < 2 << 20 and straight.send_nowait(b"x" * 1000):
            taken += 1000
        assert taken < 400_000


async def test_nothing_gets_in_between_while_something_is_being_sent() -> None:
    with tcp_pair() as (server, client), trio.fail_after(CAP):
        straight, long, came = NonBlockingStream(TcpStream(server)), b"x" * 1_000_000, b""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(straight.send_all, long)
            came += await client.receive_some()
            assert not straight.send_nowait(b"in between")
            while len(came) < len(long):
                came += await client.receive_some()
        assert came == long
        assert straight.send_nowait(b"now")
        assert await client.receive_some() == b"now"


async def test_a_broken_or_closed_connection_takes_nothing_and_raises_nothing() -> None:
    with tcp_pair() as (server, client), trio.fail_after(CAP):
        straight = NonBlockingStream(TcpStream(server))
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        client.socket.close()  # sends a reset
        with pytest.raises(trio.BrokenResourceError):
            await straight.receive_some()
        assert not straight.send_nowait(b"x")
        await straight.aclose()
        assert not straight.send_nowait(b"x")
