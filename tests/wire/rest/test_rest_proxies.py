"""REST clients behind proxies, on real sockets: whose addresses count, and whose word is taken."""

import logging
import ssl
import struct
from ipaddress import ip_address, ip_network

import pytest
import trio

from config.settings import Settings
from protocol.access.client_address import TrustedProxies
from protocol.access.proxy_protocol import SIGNATURE
from tests.support.web.rest_rig import FIND, LIMIT
from tests.support.web.web_rig import settings_with
from tests.support.web.web_server import RawAnswer, RawClient, WebServer

HERE = TrustedProxies((ip_network("127.0.0.1"),))
ELSEWHERE = TrustedProxies((ip_network("10.0.0.0/8"),))
CLIENT, OTHER = "192.0.2.7", "192.0.2.8"
UNKNOWN_PATH = "/rest-api/nothing"


def header(address: str) -> bytes:
    """The PROXY protocol's header for an IPv4 client."""
    return SIGNATURE + bytes.fromhex("2111000c") + ip_address(address).packed * 2 + struct.pack("!HH", 4711, 443)


def clients_in(caplog: pytest.LogCaptureFixture) -> set[str]:
    """The addresses of clients in log lines about refused requests."""
    fields = [vars(record)["wcsd_fields"] for record in caplog.records if "request" in record.getMessage()]
    return {each["client"] for each in fields}


def held_back(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The addresses whose refusals wait, by the log."""
    lines = [record for record in caplog.records if record.getMessage() == "refusals held back"]
    return [vars(line)["wcsd_fields"]["client"] for line in lines]


async def ask(client: RawClient, path: str, *headers: str) -> RawAnswer:
    with trio.fail_after(LIMIT):
        await client.send("\n".join([f"GET {path} HTTP/1.1", *headers]))
        return await client.answer()


class TestTrusted:
    @pytest.fixture
    def settings(self) -> Settings:
        return settings_with(
            trusted_proxies=HERE,
            http_max_connections_per_address=1,
            rest_max_failed_requests=1,
            http_max_connections=20,
        )

    async def test_log_lines_have_the_address_that_the_proxy_names(
        self, server: WebServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        answer = await ask(await server.connect(), UNKNOWN_PATH, f"X-Forwarded-For: 8.8.8.8, {CLIENT}")
        assert answer.status == 404
        assert clients_in(caplog) == {CLIENT}

    async def test_connections_are_limited_by_the_clients_address(self, server: WebServer) -> None:
        pending = await server.connect()
        with trio.fail_after(LIMIT):
            await pending.send(
                f"POST {FIND} HTTP/1.1\nX-Forwarded-For: {CLIENT}\nExpect: 100-continue\nContent-Length: 2"
            )
            await pending.read_until(b"HTTP/1.1 100")
        first, second = await server.connect(), await server.connect()
        assert (await ask(first, FIND, f"X-Forwarded-For: {OTHER}")).status == 200
        assert (await ask(second, FIND, f"X-Forwarded-For: {OTHER}")).status == 200
        assert (await ask(first, FIND, "X-Forwarded-For: 192.0.2.9")).status == 200
        assert (await ask(second, FIND, f"X-Forwarded-For: {CLIENT}")).status == 200
        with trio.fail_after(LIMIT):
            assert await pending.is_closed(), "of one client, the connection that waits for its body goes"

    async def test_failures_are_slowed_down_by_the_clients_address(
        self, server: WebServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        proxy = await server.connect()
        with trio.fail_after(LIMIT):
            while not held_back(caplog):  # five at once, and one more with each second that this takes
                await ask(proxy, UNKNOWN_PATH, f"X-Forwarded-For: {CLIENT}")
        await ask(proxy, UNKNOWN_PATH, f"X-Forwarded-For: {OTHER}")
        assert held_back(caplog) == [CLIENT]

    @pytest.mark.parametrize(
        ("origin", "headers", "status"),
        [
            ("https://localhost", ["X-Forwarded-Proto: https"], 200),
            ("http://localhost", ["X-Forwarded-Proto: http"], 200),
            ("http://localhost", [], 200),
            ("http://localhost", ["X-Forwarded-Proto: https"], 403),
            ("https://localhost", [], 403),
            ("https://evil.test", ["X-Forwarded-Proto: https"], 403),
        ],
    )
    async def test_the_own_origin_is_the_one_the_client_called(
        self, server: WebServer, origin: str, headers: list[str], status: int
    ) -> None:
        answer = await ask(await server.connect(), FIND, f"Origin: {origin}", *headers)
        assert answer.status == status

    async def test_a_host_name_that_is_not_ours_is_refused_as_ever(self, server: WebServer) -> None:
        client = await server.connect()
        await client.stream.send_all(f"GET {FIND} HTTP/1.1\r\nHost: evil.test\r\n\r\n".encode())
        with trio.fail_after(LIMIT):
            assert (await client.answer()).status == 403


class TestUntrusted:
    @pytest.fixture
    def settings(self) -> Settings:
        return settings_with(trusted_proxies=ELSEWHERE)

    async def test_its_headers_are_ignored(self, server: WebServer, caplog: pytest.LogCaptureFixture) -> None:
        client = await server.connect()
        assert (await ask(client, UNKNOWN_PATH, f"X-Forwarded-For: {CLIENT}")).status == 404
        forged = ["X-Forwarded-Proto: https", "Origin: https://localhost"]
        assert (await ask(client, FIND, *forged)).status == 403
        assert clients_in(caplog) == {"127.0.0.1"}


class TestProxyProtocol:
    @pytest.fixture
    def settings(self) -> Settings:
        return settings_with(
            trusted_proxies=HERE,
            http_proxy_protocol=True,
            https_proxy_protocol=True,
            http_max_connections_per_address=1,
        )

    async def test_the_client_is_who_the_header_names(
        self, server: WebServer, caplog: pytest.LogCaptureFixture
    ) -> None:
        client = await server.connect()
        await client.stream.send_all(header(CLIENT))
        assert (await ask(client, UNKNOWN_PATH, "X-Forwarded-For: 8.8.8.8")).status == 404
        assert clients_in(caplog) == {CLIENT}

    async def test_it_comes_before_tls(self, server: WebServer, caplog: pytest.LogCaptureFixture) -> None:
        plain = await trio.open_tcp_stream("127.0.0.1", server.tls_port)
        await plain.send_all(header(CLIENT))
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        secured = trio.SSLStream(plain, context)
        with trio.fail_after(LIMIT):
            await secured.send_all(f"GET {UNKNOWN_PATH} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert (await secured.receive_some()).startswith(b"HTTP/1.1 404")
        await trio.aclose_forcefully(secured)
        assert clients_in(caplog) == {CLIENT}

    async def test_connections_are_limited_by_the_address_in_it(self, server: WebServer) -> None:
        clients = [await server.connect() for _ in range(2)]
        for client, address in zip(clients, (CLIENT, OTHER), strict=True):
            await client.stream.send_all(header(address))
            assert (await ask(client, FIND)).status == 200
        newer = await server.connect()
        await newer.stream.send_all(header(CLIENT))
        assert (await ask(newer, FIND)).status == 200
        assert (await ask(clients[1], FIND)).status == 200
        with trio.fail_after(LIMIT):
            assert await clients[0].is_closed()

    async def test_a_connection_without_it_is_closed(self, server: WebServer, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.WARNING):
            client = await server.connect()
            await client.send(f"GET {FIND} HTTP/1.1")
            with trio.fail_after(LIMIT):
                assert await client.is_closed()
        (line,) = [record for record in caplog.records if "PROXY protocol" in record.getMessage()]
        fields = vars(line)["wcsd_fields"]
        assert (fields["setting"], fields["client"]) == ("http.proxy_protocol", "127.0.0.1")
