"""The public listeners of a whole server."""

import struct
from ipaddress import ip_network
from pathlib import Path

import httpx
import pytest
import trio

from actors.server import CannotStart
from protocol.access.client_address import TrustedProxies
from protocol.access.proxy_protocol import SIGNATURE
from tests.support.servers.certificates import der_of, new_pair, shown
from tests.support.servers.full_server import FullServer, full_server
from tests.support.servers.server_process import running_server
from tests.support.web.web_server import RawClient
from tests.support.web.whip_client import whip_client

ON = {"public_address": "127.0.0.1", "public_port": 0, "public_https_port": 0}


def public_client(server: FullServer, *, tls: bool = False) -> httpx.AsyncClient:
    address = server.addresses["public"][tls].as_seen_by_client(None)
    scheme = "https" if tls else "http"
    return httpx.AsyncClient(base_url=f"{scheme}://{address}", verify=False, trust_env=False, timeout=30)


async def test_it_is_published_and_played_there_by_http_and_https(tmp_path: Path) -> None:
    async with full_server(tmp_path, **ON) as server:
        async with public_client(server) as plain, public_client(server, tls=True) as secured:
            async with whip_client(server, plain) as publisher, whip_client(server, secured) as viewer:
                publication = await publisher.publish("news")
                playback = await viewer.play("news")
                publication.send_key_frame(b"picture")
                await playback.until_media(b"picture")
                (shown_stream,) = await server.streams(published=True)
                assert shown_stream["name"] == "news"
                assert (await viewer.end(playback)).status_code == 200
            for path in ("/", "/metrics", "/rest-api/stream/find", "/healthz"):
                assert (await plain.get(path)).status_code == 404
            assert (await plain.post("/rest-api/stream/terminate", json={})).status_code == 404
            assert (await server.rest.get("/healthz")).status_code == 200


async def test_a_page_with_a_load_balancer_is_sent_to_this_server_itself(tmp_path: Path) -> None:
    async with full_server(tmp_path, **ON, ws_allowed_origins=("https://shop.example",)) as server:
        ports = {each: str(server.addresses[each][0].port) for each in ("ws", "wss")}
        async with public_client(server) as pages:
            for client, host in ((pages, "wcs.example.com:8888"), (pages, "127.0.0.1"), (server.rest, "localhost")):
                headers = {"Host": host, "Origin": "https://other.example"}
                answer = await client.get("/rest-api/lb?name=x&role=publish", headers=headers)
                assert answer.status_code == 200
                assert answer.headers["Access-Control-Allow-Origin"] == "*"  # else the SDK would wait for ever
                assert answer.headers["Cache-Control"] == "no-store"
                reached = "wcs.example.com" if client is pages and ":" in host else "127.0.0.1"
                assert answer.json() == {"server": reached, **ports, "flash": ""}
            server.server.parts.drain.begin(60.0, by="test")
            assert (await pages.get("/rest-api/lb")).json()["ws"] == ports["ws"]


async def test_the_operators_name_for_a_server_is_told_to_pages(tmp_path: Path) -> None:
    async with full_server(tmp_path, **ON, cluster_address="wcs.example.com") as server, public_client(server) as pages:
        assert (await pages.get("/rest-api/lb", headers={"Host": "[2001:db8::1]"})).json()[
            "server"
        ] == "wcs.example.com"


async def test_without_settings_there_are_none_and_each_can_be_alone(tmp_path: Path) -> None:
    off, only_tls = tmp_path / "off", tmp_path / "tls"
    for folder in (off, only_tls):
        folder.mkdir()
    async with full_server(off) as server:
        assert "public" not in server.addresses
    async with full_server(only_tls, public_https_port=0) as server:
        assert len(server.addresses["public"]) == 1
        host, port = "127.0.0.1", server.addresses["public"][0].port
        assert (await trio.to_thread.run_sync(shown, host, port)) != b""


def test_the_ready_line_ends_with_them(tmp_path: Path) -> None:
    settings = {"ip": "127.0.0.1", "public.address": "127.0.0.1", "public.port": 0, "public.https_port": 0}
    with running_server(tmp_path, settings) as server:
        one, two = (address.as_seen_by_client(None) for address in server.addresses["public"])
        assert server.ready_line.endswith(f" public={one},{two}\n")


async def test_a_port_in_use_is_named(tmp_path: Path) -> None:
    async with full_server(tmp_path, **ON) as server:
        plain, tls = (address.port for address in server.addresses["public"])
        other = tmp_path / "other"
        other.mkdir()
        for settings, fault in (
            ({"public_port": plain}, f"public.port={plain}: another program"),
            ({"public_https_port": tls}, f"public.https_port={tls}: another program"),
        ):
            with pytest.raises(CannotStart, match=fault):
                async with full_server(other, **{**ON, **settings}):
                    pass


async def test_a_renewed_certificate_is_shown_there_too(tmp_path: Path) -> None:
    cert, key = new_pair(tmp_path)
    async with full_server(tmp_path, **ON, wss_cert=cert, wss_key=key) as server:
        port = server.addresses["public"][1].port
        for _ in range(2):
            assert await trio.to_thread.run_sync(shown, "127.0.0.1", port) == der_of(cert)
            new_pair(tmp_path)
            server.server.certificate.look()


async def test_neither_kind_of_connections_takes_the_others_places(tmp_path: Path) -> None:
    async with full_server(tmp_path, **ON, public_max_connections=2, http_max_connections=2) as server:
        (address, _) = server.addresses["public"]
        idle = [await trio.open_tcp_stream(address.host, address.port) for _ in range(4)]
        for stream in idle[:2]:  # they have made room for newer ones
            with trio.fail_after(60):
                assert await stream.receive_some() == b""
        assert (await server.rest.get("/healthz")).status_code == 200
        for stream in idle:
            await stream.aclose()


async def test_the_proxy_protocol_comes_first_where_it_is_required(tmp_path: Path) -> None:
    here = TrustedProxies((ip_network("127.0.0.1"),))
    header = SIGNATURE + struct.pack("!BBH4s4sHH", 0x21, 0x11, 12, b"\xc0\0\2\7", b"\xc0\0\2\1", 4711, 80)
    async with full_server(tmp_path, **ON, trusted_proxies=here, public_proxy_protocol=True) as server:
        (address, _) = server.addresses["public"]
        request = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        async with await trio.open_tcp_stream(address.host, address.port) as stream:
            await stream.send_all(header + request)
            with trio.fail_after(60):
                assert (await stream.receive_some()).startswith(b"HTTP/1.1 404")
        async with await trio.open_tcp_stream(address.host, address.port) as stream:
            await stream.send_all(request)
            with trio.fail_after(60):
                assert await RawClient(stream).is_closed()
