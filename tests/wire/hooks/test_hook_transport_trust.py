"""Whom the transport calls: names that are looked up, and certificates that are trusted."""

import socket
import ssl
import threading
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import trustme

from actors.hooks.connections.connection import AddressDenied
from actors.hooks.connections.tls import client_context
from actors.hooks.connections.transport import CannotResolve, HookTransport, NoAnswer, TlsFailed
from actors.net.resolver import THREADS_PER_HOST, Resolver
from protocol.hooks.networks import HookNetworks
from tests.support.hooks import behaviours
from tests.support.hooks.backend import open_backend, unaccepting_url
from tests.support.hooks.behaviours import Behaviour
from tests.support.hooks.hook_transport import CONTENT, hook_transport, post

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


async def test_an_address_that_hangs_is_left_for_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.net.connecting.ADDRESS_PATIENCE", 0.1)
    resolver = Resolver(lambda name: ("127.0.0.2", "127.0.0.1"))
    async with open_backend(name="backend.test") as backend:
        port = httpx.URL(backend.url).port or 0
        with unaccepting_url(full=True, host="127.0.0.2", port=port), hook_transport(resolver=resolver) as transport:
            assert (await post(transport, backend.url)).status_code == 200


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


# -- where hooks may go ------------------------------------------------------------------------------------------------


def only(*listed: str) -> HookNetworks:
    return HookNetworks(tuple(ip_network(each) for each in listed))


async def test_the_address_that_is_called_counts_and_not_its_name() -> None:
    async with open_backend(name="backend.test") as backend:
        with hook_transport(resolver=Resolver(lambda name: ("169.254.169.254", "127.0.0.1"))) as transport:
            assert (await post(transport, backend.url)).status_code == 200
        with hook_transport(resolver=Resolver(lambda name: ("169.254.169.254", "fe80::1%lo"))) as transport:
            with pytest.raises(AddressDenied, match=r"169\.254\.169\.254, fe80::1%lo, .*rest\.hook_networks"):
                await post(transport, backend.url)


@pytest.mark.parametrize("url", ["http://169.254.169.254/x", "http://[fe80::1]/x", "http://2852039166/x"])
async def test_addresses_in_the_url_are_no_way_around(url: str) -> None:
    with hook_transport() as transport, pytest.raises(AddressDenied):
        await post(transport, url)


async def test_a_list_of_networks_bounds_where_hooks_go_and_can_change() -> None:
    async with open_backend() as backend:
        with hook_transport(networks=only("127.0.0.0/8")) as transport:
            assert (await post(transport, backend.url)).status_code == 200
            tls = ssl.create_default_context()
            transport.change(max_connections=10, max_response_size=1000, tls=tls, networks=only("10.0.0.0/8"))
            with pytest.raises(AddressDenied):
                await post(transport, backend.url)
