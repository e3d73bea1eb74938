"""Sources by TLS: their certificates are checked, unless a setting says otherwise."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import trio
from attrs import evolve

from tests.support.capture.rtsp_source import Camera
from tests.support.servers.full_server import FullServer, full_server
from tests.support.web.web_server import Certificate, make_certificate


@asynccontextmanager
async def by_tls(own: Certificate, port: int) -> AsyncIterator[int]:
    """The port at which there is, by TLS, what is at `port`."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(own.cert, own.key)

    async def copy(source: trio.abc.ReceiveStream, target: trio.abc.SendStream, done: trio.CancelScope) -> None:
        with suppress(trio.BrokenResourceError):
            while data := await source.receive_some(65_536):
                await target.send_all(data)
        done.cancel()

    async def serve(stream: trio.SocketStream) -> None:
        secure = trio.SSLStream(stream, context, server_side=True, https_compatible=True)
        plain = await trio.open_tcp_stream("127.0.0.1", port)
        async with plain, trio.open_nursery() as nursery:
            nursery.start_soon(copy, secure, plain, nursery.cancel_scope)
            nursery.start_soon(copy, plain, secure, nursery.cancel_scope)

    async with trio.open_nursery() as nursery:
        (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
        await nursery.start(trio.serve_listeners, serve, [listener])
        yield listener.socket.getsockname()[1]
        nursery.cancel_scope.cancel()


async def reason(server: FullServer, uri: str) -> str:
    """Why it is not captured; empty if it is."""
    answer = await server.rest.post("/rest-api/rtsp/startup", json={"uri": uri}, timeout=60)
    if answer.is_success:
        await server.rest.post("/rest-api/rtsp/terminate", json={"uri": uri})
        return ""
    return str(answer.json()["reason"])


async def test_a_certificate_must_be_trusted_and_for_the_host(tmp_path: Path, camera: Camera) -> None:
    own = make_certificate(tmp_path)
    trusted = tmp_path / "trusted.pem"
    trusted.write_text("".join(map(ssl.DER_cert_to_PEM_cert, own.trust.get_ca_certs(binary_form=True))))
    denied = "Failed to connect to rtsp stream (certificate)"
    async with full_server(tmp_path, capture_connect_timeout=60) as server:
        async with by_tls(own, camera.port) as port:
            uri, other = f"rtsps://localhost:{port}/cam", f"rtsps://127.0.0.2:{port}/cam"
            assert await reason(server, uri) == denied
            server.live.replace(evolve(server.live.now, capture_ca_file=trusted))
            assert await reason(server, uri) == ""
            assert await reason(server, other) != ""
            server.live.replace(evolve(server.live.now, capture_ca_file=None, capture_tls_verify=False))
            assert await reason(server, uri) == ""
