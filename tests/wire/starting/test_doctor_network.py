"""What `wcsd --doctor` finds out from other machines: backends that are connected to, and a STUN server."""

import contextlib
import socket
import ssl
from pathlib import Path

import pytest
import trio
import trustme

from actors.machine.network_facts import ask_backends, ask_stun
from config.apps import App, default_table
from config.settings import Settings
from protocol.webrtc import stun
from tests.support.network.ports import unused_port


def app(name: str, url: str) -> App:
    return App(name=name, key=name, url=url)


async def test_backends_that_are_reached_and_not() -> None:
    with socket.create_server(("127.0.0.1", 0)) as backend:
        here, gone = backend.getsockname()[1], unused_port()
        apps = [
            *default_table().apps,
            app("good", f"http://127.0.0.1:{here}/hooks"),
            app("same", f"http://127.0.0.1:{here}/other"),
            app("bad", f"http://127.0.0.1:{gone}/hooks"),
        ]
        good, bad = await ask_backends(Settings(), apps)
    assert (good.app, good.address, good.fault) == ("good", f"http://127.0.0.1:{here}", None)
    assert bad.app == "bad"
    assert "Connection refused" in (bad.fault or "")


async def test_a_certificate_that_is_trusted_and_not(tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    (listener,) = await trio.open_ssl_over_tcp_listeners(0, context, host="127.0.0.1")
    inner = listener.transport_listener
    assert isinstance(inner, trio.SocketListener)
    port = inner.socket.getsockname()[1]
    apps = [app("tls", f"https://localhost:{port}/hooks")]

    async def serve(stream: trio.SSLStream[trio.SocketStream]) -> None:
        with contextlib.suppress(trio.BrokenResourceError):
            await stream.receive_some(1)
        await trio.aclose_forcefully(stream)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(trio.serve_listeners, serve, [listener])
        (strange,) = await ask_backends(Settings(), apps)
        (trusted,) = await ask_backends(Settings(rest_ca_file=tmp_path / "authority.pem"), apps)
        nursery.cancel_scope.cancel()
    assert "see rest_ca_file" in (strange.fault or "")
    assert trusted.fault is None


async def test_a_stun_server_tells_the_address() -> None:
    with trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        await server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]

        async def answer() -> None:
            data, sender = await server.recvfrom(1500)
            request = stun.parse(data)
            await server.sendto(stun.build_response(request, ("203.0.113.9", sender[1]), b"any key"), sender)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer)
            facts = await ask_stun(f"127.0.0.1:{port}")
    assert (facts.address, facts.fault) == ("203.0.113.9", None)


@pytest.mark.parametrize(("server", "fault"), [("127.0.0.1:0", ""), ("127.0.0.1:port", "port")])
async def test_a_stun_server_that_is_none(server: str, fault: str) -> None:
    facts = await ask_stun(server)
    assert facts.address is None
    assert fault in (facts.fault or "")
    assert facts.fault
