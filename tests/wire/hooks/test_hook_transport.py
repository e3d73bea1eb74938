"""The transport over real sockets: every sort of answer, what is reused, what is bounded."""

import socket
import threading
from collections import Counter

import h11
import httpx
import pytest
import trio
import trio.testing

from actors.hooks.connections import transport as transport_module
from actors.hooks.connections.connection import EVENTS_PER_PASS
from actors.hooks.connections.transport import AnswerTooLarge, HookTransport, NoAnswer
from actors.runtime.fair_queue import Caller
from tests.support.hooks import behaviours
from tests.support.hooks.backend import open_backend, refused_url
from tests.support.hooks.behaviours import Behaviour
from tests.support.hooks.hook_transport import CONTENT, LIMIT, exchange, hook_transport, post
from tests.support.passes import Passes

# -- answers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "behaviour",
    [
        behaviours.allow,
        behaviours.http10_close,
        behaviours.allow_and_close,
        behaviours.chunked,
        behaviours.crumbs,
        behaviours.early_hint,
        behaviours.dripping(0.001),
        behaviours.slow(0.05),
    ],
)
async def test_every_way_to_write_an_answer_is_read(behaviour: Behaviour) -> None:
    async with open_backend() as backend:
        backend.script("*", behaviour)
        with hook_transport() as transport:
            for _ in range(3):
                response = await post(transport, backend.url)
                assert (response.status_code, response.content) == (200, CONTENT)
    assert [call.body for call in backend.calls] == [{"name": "stream"}] * 3


@pytest.mark.parametrize("status", [201, 204, 302, 400, 403, 404, 500, 503])
async def test_a_status_is_an_answer_and_redirects_are_not_followed(status: int) -> None:
    async with open_backend() as backend:
        backend.script("*", behaviours.answer(status, headers=(("Location", f"{backend.url}/elsewhere"),)))
        with hook_transport() as transport:
            assert (await post(transport, backend.url)).status_code == status
    assert [call.path for call in backend.calls] == ["/my_api/hook"]


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        (behaviours.reset, httpx.ReadError),
        (behaviours.drop, NoAnswer),
        (behaviours.half_open, NoAnswer),
        (behaviours.garbage, httpx.RemoteProtocolError),
        (behaviours.cut_short, httpx.RemoteProtocolError),
        (behaviours.endless_headers, httpx.RemoteProtocolError),
        (behaviours.endless_hints, httpx.RemoteProtocolError),
        (behaviours.endless_body, AnswerTooLarge),
        (behaviours.huge(LIMIT + 1), AnswerTooLarge),
    ],
)
async def test_every_sort_of_failure_has_its_error_and_its_connection_is_not_used_again(
    behaviour: Behaviour, error: type[Exception]
) -> None:
    async with open_backend() as backend:
        backend.script("*", behaviour, behaviours.allow)
        with hook_transport() as transport:
            with pytest.raises(error) as caught:
                await post(transport, backend.url)
            assert type(caught.value) is error
            assert transport.statistics().available == 0
            assert (await post(transport, backend.url)).status_code == 200
        await backend.wait_closed()
    assert [call.connection for call in backend.calls] == [1, 2]


async def test_an_answer_of_the_limit_is_read() -> None:
    async with open_backend() as backend:
        backend.script("*", behaviours.huge(LIMIT))
        with hook_transport() as transport:
            assert len((await post(transport, backend.url)).content) == LIMIT


async def test_an_answer_in_crumbs_lets_others_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its 20,000 chunks come in few reads, each of which would hold up everybody for as long as it takes."""
    passes, events = Passes(), Counter[int]()
    next_event = h11.Connection.next_event

    def counting(connection: h11.Connection) -> object:
        events[passes.number] += 1
        return next_event(connection)

    content = b'"' + b"x" * 20_000 + b'"'
    async with open_backend() as backend:
        backend.script("*", behaviours.crumbs)
        with hook_transport() as transport:
            monkeypatch.setattr(h11.Connection, "next_event", counting)
            trio.lowlevel.add_instrument(passes)
            response = await exchange(transport, f"{backend.url}/hook", content)
            trio.lowlevel.remove_instrument(passes)
    assert response.content == content
    assert events.total() > 20_000
    assert max(events.values()) <= EVENTS_PER_PASS + 10


async def test_an_encoded_answer_is_not_unpacked() -> None:
    async with open_backend() as backend:
        backend.script("*", behaviours.answer(200, b"\x1f\x8b not really", headers=(("Content-Encoding", "gzip"),)))
        with hook_transport() as transport:
            assert (await post(transport, backend.url)).content == b"\x1f\x8b not really"


async def test_a_refused_connection_is_a_connect_error_with_its_cause() -> None:
    with hook_transport() as transport, pytest.raises(httpx.ConnectError, match=r"127\.0\.0\.1 port \d+: .*refused"):
        await post(transport, refused_url())


async def test_a_backend_that_answers_without_reading_is_heard() -> None:
    """The request is far too large for the socket's buffers, so sending it fails when the backend closes."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()

    def answer() -> None:
        connection, _ = listener.accept()
        with connection, listener:
            connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(1_000_000):
                pass

    thread = threading.Thread(target=answer)
    thread.start()
    url = f"http://127.0.0.1:{listener.getsockname()[1]}/hook"
    with hook_transport() as transport, trio.fail_after(30):
        response = await exchange(transport, url, bytes(30_000_000))
    assert response.status_code == 413
    thread.join()


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "http:///x", "/x"])
async def test_what_is_no_http_url_is_refused(url: str) -> None:
    with hook_transport() as transport, pytest.raises(httpx.UnsupportedProtocol):
        await exchange(transport, url)


# -- reuse -------------------------------------------------------------------------------------------------------------


async def test_a_connection_serves_one_call_after_the_other() -> None:
    async with open_backend() as backend:
        with hook_transport() as transport:
            for _ in range(5):
                await post(transport, backend.url)
            assert transport.statistics().available == 1
        await backend.wait_closed()
    assert {call.connection for call in backend.calls} == {1}


async def test_an_idle_connection_that_has_something_to_say_is_thrown_away() -> None:
    async with open_backend() as backend:
        backend.script("*", behaviours.babbling, behaviours.allow)
        with hook_transport() as transport:
            await post(transport, backend.url)
            await _until_stale(transport)
            response = await post(transport, backend.url)
            assert response.content == CONTENT
    assert [call.connection for call in backend.calls] == [1, 2]


async def test_an_idle_connection_that_the_backend_has_closed_is_noticed_before_its_use() -> None:
    async def close_later(exchange: behaviours.Exchange) -> None:
        await behaviours.allow(exchange)
        exchange.close = True

    async with open_backend() as backend:
        backend.script("*", close_later, behaviours.allow)
        with hook_transport() as transport:
            await post(transport, backend.url)
            await _until_stale(transport)
            assert (await post(transport, backend.url)).status_code == 200
    assert [call.connection for call in backend.calls] == [1, 2]


async def _until_stale(transport: HookTransport) -> None:
    """Wait until the idle connection has something to read; if that came along with the answer, it was not kept."""
    (host,) = transport._hosts.values()
    with trio.fail_after(10):
        for idle in host.idle:
            await trio.lowlevel.wait_readable(idle._socket.fileno())


async def test_a_connection_grows_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "IDLE_SECONDS", 0.0)
    async with open_backend() as backend:
        with hook_transport() as transport:
            await post(transport, backend.url)
            await post(transport, backend.url)
            assert transport.statistics().available == 1
            transport.close_expired()
            assert transport.statistics().available == 0
            await backend.wait_closed()
    assert [call.connection for call in backend.calls] == [1, 2]


async def test_a_running_transport_closes_what_grows_old_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "IDLE_SECONDS", 0.05)
    with hook_transport() as transport:
        async with open_backend() as backend, trio.open_nursery() as nursery:
            nursery.start_soon(transport.run)
            await post(transport, backend.url)
            with trio.fail_after(10):
                await backend.wait_closed()
            assert transport.statistics().available == 0
            nursery.cancel_scope.cancel()


async def test_a_closed_transport_keeps_no_connection() -> None:
    async with open_backend() as backend:
        with hook_transport() as transport:
            await post(transport, backend.url)
            transport.close()
            await post(transport, backend.url)
            with trio.fail_after(10):
                await backend.wait_closed()


# -- bounds ------------------------------------------------------------------------------------------------------------


async def test_no_more_connections_to_a_host_than_allowed() -> None:
    gate = trio.Event()
    async with open_backend() as backend, open_backend() as other:
        backend.script("*", behaviours.held(gate))
        with hook_transport(max_connections=3) as transport:
            async with trio.open_nursery() as nursery:
                for _ in range(10):
                    nursery.start_soon(post, transport, backend.url)
                await backend.wait_for(count=3)
                assert (await post(transport, other.url)).status_code == 200
                statistics = transport.statistics()
                assert (statistics.leased, statistics.pending) == (3, 7)
                gate.set()
            statistics = transport.statistics()
            assert (statistics.leased, statistics.pending, statistics.available) == (0, 0, 4)
    assert (len(backend.calls), backend.connections, backend.most_at_once) == (10, 3, 3)


async def test_keep_alives_hold_at_most_half_of_a_hosts_connections() -> None:
    async with open_backend() as backend:
        backend.script("*", behaviours.hang)
        with hook_transport(max_connections=4) as transport:
            async with trio.open_nursery() as nursery:
                for _ in range(10):
                    nursery.start_soon(lambda: post(transport, backend.url, keep_alive=True))
                await backend.wait_for(count=2)
                backend.script("*", behaviours.allow)
                for _ in range(5):
                    assert (await post(transport, backend.url)).status_code == 200
                assert transport.statistics().leased == 2
                nursery.cancel_scope.cancel()
            assert transport.statistics().leased == 0


@pytest.mark.parametrize("keep_alive", [False, True])
async def test_an_application_whose_calls_hang_leaves_room_for_another_at_the_same_host(keep_alive: bool) -> None:
    slow, well = Caller("slow", "session"), Caller("well", "session")
    async with open_backend() as backend:
        backend.script("*", behaviours.hang)
        with hook_transport(max_connections=8, is_shared=lambda host: True) as transport:
            async with trio.open_nursery() as nursery:
                for _ in range(20):
                    nursery.start_soon(lambda: post(transport, backend.url, caller=slow, keep_alive=keep_alive))
                await backend.wait_for(count=3 if keep_alive else 6)
                backend.script("*", behaviours.allow)
                for _ in range(5):
                    response = await post(transport, backend.url, caller=well, keep_alive=keep_alive)
                    assert response.status_code == 200
                assert transport.statistics().leased == (3 if keep_alive else 6)
                nursery.cancel_scope.cancel()
            assert (transport.statistics().leased, transport.statistics().pending) == (0, 0)


async def test_a_host_whose_calls_hang_leaves_room_for_another_host() -> None:
    async with open_backend() as slow, open_backend() as well:
        slow.script("*", behaviours.hang)
        with hook_transport(max_connections=20, max_total=8) as transport:
            assert (await post(transport, well.url)).status_code == 200
            async with trio.open_nursery() as nursery:
                for _ in range(20):
                    nursery.start_soon(post, transport, slow.url)
                await slow.wait_for(count=6)
                for _ in range(5):
                    assert (await post(transport, well.url)).status_code == 200
                statistics = transport.statistics()
                assert (statistics.leased, statistics.pending) == (6, 14)
                nursery.cancel_scope.cancel()
            assert (transport.statistics().leased, transport.statistics().pending) == (0, 0)


async def test_idle_connections_make_room_for_those_to_another_host() -> None:
    async with open_backend() as first, open_backend() as second:
        with hook_transport(max_connections=4, max_total=4) as transport:
            for backend in (first, second):
                gate = trio.Event()
                backend.script("*", behaviours.held(gate))
                async with trio.open_nursery() as nursery:
                    for _ in range(4):
                        nursery.start_soon(post, transport, backend.url)
                    await backend.wait_for(count=3)  # one alone has three quarters where there is another
                    statistics = transport.statistics()
                    assert statistics.leased + statistics.available <= 4
                    gate.set()
            assert transport.statistics().available <= 4


async def test_a_session_with_many_keep_alives_lets_those_of_others_pass() -> None:
    gate = trio.Event()
    async with open_backend() as backend:
        backend.script("*", behaviours.held(gate))
        with hook_transport(max_connections=4) as transport:
            async with trio.open_nursery() as nursery:
                for _ in range(50):
                    nursery.start_soon(lambda: post(transport, backend.url, keep_alive=True))
                await backend.wait_for(count=2)
                await trio.testing.wait_all_tasks_blocked()
                other = Caller("app", "other session")
                nursery.start_soon(lambda: exchange(transport, f"{backend.url}/other", caller=other, keep_alive=True))
                await trio.testing.wait_all_tasks_blocked(0.01)
                gate.set()
    assert "other" in [call.method for call in backend.calls[:6]]
