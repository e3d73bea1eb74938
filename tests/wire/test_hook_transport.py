"""The transport over real sockets: every sort of backend, what is reused, what is bounded, who is trusted."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import trustme

from actors.hooks import transport as transport_module
from actors.hooks.resolver import THREADS_PER_HOST, Resolver
from actors.hooks.tls import client_context
from actors.hooks.transport import KEEP_ALIVE, AnswerTooLarge, CannotResolve, HookTransport, NoAnswer, TlsFailed
from tests.support import behaviours
from tests.support.backend import open_backend, refused_url, unaccepting_url
from tests.support.behaviours import Behaviour

CONTENT = b'{"name":"stream"}'
LIMIT = 100_000


@contextlib.contextmanager
def hook_transport(**options: Any) -> Iterator[HookTransport]:
    """A transport, closed at the end."""
    defaults: dict[str, Any] = {"max_connections": 10, "max_response_size": LIMIT, "tls": ssl.create_default_context()}
    transport = HookTransport(**{**defaults, **options})
    try:
        yield transport
    finally:
        transport.close()


async def post(transport: HookTransport, url: str, *, keep_alive: bool = False) -> httpx.Response:
    """One hook."""
    request = httpx.Request("POST", f"{url}/hook", content=CONTENT, extensions={KEEP_ALIVE: keep_alive})
    with trio.fail_after(30):
        return await transport.handle_async_request(request)


# -- answers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "behaviour",
    [
        behaviours.allow,
        behaviours.http10_close,
        behaviours.allow_and_close,
        behaviours.chunked,
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
        response = await transport.handle_async_request(httpx.Request("POST", url, content=bytes(30_000_000)))
    assert response.status_code == 413
    thread.join()


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "http:///x", "/x"])
async def test_what_is_no_http_url_is_refused(url: str) -> None:
    with hook_transport() as transport, pytest.raises(httpx.UnsupportedProtocol):
        await transport.handle_async_request(httpx.Request("POST", url))


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
    """Wait until the one idle connection has something to read."""
    (host,) = transport._hosts.values()
    (idle,) = host.idle
    with trio.fail_after(10):
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
    async with open_backend() as backend, trio.open_nursery() as nursery:
        with hook_transport() as transport:
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
            await transport.aclose()
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


# -- names -------------------------------------------------------------------------------------------------------------


async def test_a_name_is_looked_up_once_for_a_while() -> None:
    asked: list[str] = []

    def lookup(name: str) -> tuple[str, ...]:
        asked.append(name)
        return ("127.0.0.1",)

    async with open_backend(name="backend.test") as backend:
        with hook_transport(resolver=Resolver(lookup)) as transport:
            async with trio.open_nursery() as nursery:
                for _ in range(10):
                    nursery.start_soon(post, transport, backend.url)
        assert {call.headers["host"].partition(":")[0] for call in backend.calls} == {"backend.test"}
    assert asked == ["backend.test"]


@pytest.mark.parametrize("error", [OSError("nobody knows"), UnicodeError("label too long")])
async def test_an_unknown_name_is_told_and_not_remembered(error: Exception) -> None:
    known: list[Any] = [error, ("127.0.0.1",)]

    def lookup(name: str) -> tuple[str, ...]:
        found: Any = known.pop(0)
        if isinstance(found, Exception):
            raise found
        return tuple(found)

    async with open_backend(name="backend.test") as backend:
        with hook_transport(resolver=Resolver(lookup)) as transport:
            with pytest.raises(CannotResolve, match=r"backend\.test"):
                await post(transport, backend.url)
            assert (await post(transport, backend.url)).status_code == 200


async def test_a_name_without_addresses_is_unknown() -> None:
    with hook_transport(resolver=Resolver(lambda name: ())) as transport, pytest.raises(CannotResolve):
        await post(transport, "http://backend.test:1")


async def test_a_name_server_that_hangs_holds_up_its_own_backend_alone() -> None:
    release = threading.Event()
    hanging: list[str] = []

    def lookup(name: str) -> tuple[str, ...]:
        if name == "hung.test":
            hanging.append(name)
            release.wait(60)
        return ("127.0.0.1",)

    try:
        async with open_backend(name="backend.test") as backend:
            with hook_transport(resolver=Resolver(lookup), max_connections=100) as transport:
                async with trio.open_nursery() as nursery:
                    for _ in range(60):
                        nursery.start_soon(_post_for_a_moment, transport, "http://hung.test:1")
                assert len(hanging) <= THREADS_PER_HOST
                assert (await post(transport, backend.url)).status_code == 200
                assert transport.statistics().leased == 0
    finally:
        release.set()


async def _post_for_a_moment(transport: HookTransport, url: str) -> None:
    with trio.move_on_after(0.05):
        await post(transport, url)


async def test_the_next_address_is_tried_and_the_one_that_works_is_preferred() -> None:
    resolver = Resolver(lambda name: ("127.0.0.2", "127.0.0.1"))
    async with open_backend(name="backend.test") as backend:
        with hook_transport(resolver=resolver) as transport:
            assert (await post(transport, backend.url)).status_code == 200
    assert await resolver.resolve("backend.test") == ("127.0.0.1", "127.0.0.2")


async def test_the_systems_resolver_knows_localhost() -> None:
    async with open_backend(name="localhost") as backend:
        with hook_transport() as transport:
            assert (await post(transport, backend.url)).status_code == 200


# -- TLS ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(name="authority", scope="module")
def make_authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(name="ca_file")
def write_ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def server_context(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


async def test_a_trusted_backend_is_called_over_tls(authority: trustme.CA, ca_file: Path) -> None:
    async with open_backend(tls=server_context(authority, "127.0.0.1")) as backend:
        with hook_transport(tls=client_context(ca_file, insecure=False)) as transport:
            for _ in range(3):
                response = await post(transport, backend.url)
                assert response.content == CONTENT
        await backend.wait_closed()
    assert {call.connection for call in backend.calls} == {1}


@pytest.mark.parametrize("behaviour", [behaviours.reset, behaviours.drop, behaviours.hang])
async def test_failures_over_tls(authority: trustme.CA, ca_file: Path, behaviour: Behaviour) -> None:
    async with open_backend(tls=server_context(authority, "127.0.0.1")) as backend:
        backend.script("*", behaviour)
        with hook_transport(tls=client_context(ca_file, insecure=False)) as transport:
            with pytest.raises((httpx.ReadError, NoAnswer, trio.TooSlowError)), trio.fail_after(0.3):
                await post(transport, backend.url)
            assert transport.statistics().leased == 0


async def test_a_stranger_is_not_trusted(authority: trustme.CA) -> None:
    async with open_backend(tls=server_context(authority, "127.0.0.1")) as backend:
        with hook_transport(tls=client_context(None, insecure=False)) as transport:
            with pytest.raises(TlsFailed, match="CERTIFICATE_VERIFY_FAILED"):
                await post(transport, backend.url)
        await backend.wait_closed()
    assert backend.calls == []


async def test_a_certificate_for_another_name_is_not_trusted(authority: trustme.CA, ca_file: Path) -> None:
    async with open_backend(tls=server_context(authority, "other.test")) as backend:
        with hook_transport(tls=client_context(ca_file, insecure=False)) as transport:
            with pytest.raises(TlsFailed):
                await post(transport, backend.url)


async def test_anybody_is_trusted_if_the_operator_says_so(authority: trustme.CA) -> None:
    async with open_backend(tls=server_context(authority, "other.test")) as backend:
        with hook_transport(tls=client_context(None, insecure=True)) as transport:
            assert (await post(transport, backend.url)).status_code == 200


async def test_a_backend_without_tls_is_not_called_over_it(ca_file: Path) -> None:
    async with open_backend() as backend:
        with hook_transport(tls=client_context(ca_file, insecure=False)) as transport:
            with pytest.raises((TlsFailed, httpx.ConnectError)):
                await post(transport, backend.url.replace("http:", "https:"))


async def test_a_handshake_that_is_dropped_may_be_tried_again() -> None:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()

    def hang_up() -> None:
        connection, _ = listener.accept()
        with connection, listener:
            connection.recv(10_000)

    thread = threading.Thread(target=hang_up)
    thread.start()
    with hook_transport() as transport, pytest.raises(httpx.ConnectError, match="dropped during the TLS handshake"):
        await post(transport, f"https://127.0.0.1:{listener.getsockname()[1]}")
    thread.join()


def test_a_ca_file_that_is_none_is_told(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("no certificate")
    with pytest.raises(OSError, match="certificate"):
        client_context(path, insecure=False)
    with pytest.raises(FileNotFoundError):
        client_context(tmp_path / "absent.pem", insecure=False)


async def test_a_connect_that_hangs_moves_on_to_the_next_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.hooks.connection.ADDRESS_PATIENCE", 0.1)
    async with open_backend() as backend:
        with unaccepting_url(full=True) as hung, hook_transport() as transport:
            with trio.move_on_after(0.2) as scope:
                await post(transport, hung)
            assert scope.cancelled_caught
            assert (await post(transport, backend.url)).status_code == 200
