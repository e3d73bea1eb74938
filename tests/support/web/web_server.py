"""The web service on real sockets, and a client that speaks HTTP by hand."""

import re
import ssl
from pathlib import Path

import trio
import trustme
from attrs import define, field, frozen
from starlette.types import ASGIApp

from actors.net.tcp_listeners import open_listener, server_tls
from actors.web.http.server import WebLimits, serve_web
from actors.web.sites import http_listeners
from config.listeners import ListenerKeys
from config.settings import Settings

HEAD = re.compile(rb"HTTP/1\.1 (\d+) [^\r]*\r\n((?:[^\r]+\r\n)*)\r\n")


@frozen(kw_only=True)
class Certificate:
    """A certificate for localhost in two files, and the context of a client that trusts it."""

    cert: Path
    key: Path
    trust: ssl.SSLContext


def make_certificate(folder: Path) -> Certificate:
    """A fresh one, in `folder`."""
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    cert, key = folder / "cert.pem", folder / "key.pem"
    issued.private_key_pem.write_to_path(key)
    issued.cert_chain_pems[0].write_to_path(cert)
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    return Certificate(cert=cert, key=key, trust=trust)


@define(eq=False, kw_only=True)
class WebServer:
    """A running web service. `stopped` is set when `serve_web` has returned."""

    app: ASGIApp
    settings: Settings
    certificate: Certificate
    grace: float = 1.0
    send_timeout: float = 3600.0
    shutdown: trio.Event = field(factory=trio.Event)
    stopped: trio.Event = field(factory=trio.Event)
    port: int = 0
    tls_port: int = 0
    clients: list["RawClient"] = field(factory=list)

    def start(self, nursery: trio.Nursery) -> None:
        """Listen on two free ports of loopback and serve."""
        own = self.certificate
        context = server_tls(own.cert, own.key, protocols=["http/1.1"], client_ca=self.settings.https_client_ca)
        plain = open_listener("127.0.0.1", 0, keys=ListenerKeys.prefixed("http"), user_timeout=30)
        tls = open_listener("127.0.0.1", 0, keys=ListenerKeys.prefixed("https"), user_timeout=30)
        self.port, self.tls_port = plain.getsockname()[1], tls.getsockname()[1]

        async def serve() -> None:
            listeners = http_listeners({"http": plain, "https": tls}, {"https": context}, self.settings)
            limits = WebLimits(grace=self.grace, send_timeout=self.send_timeout)
            await serve_web(self.app, listeners, self.settings, self.shutdown, limits=limits)
            self.stopped.set()

        nursery.start_soon(serve)

    async def connect(self) -> "RawClient":
        """A plain connection; `close_clients` closes it if the test does not."""
        return self.client(await trio.open_tcp_stream("127.0.0.1", self.port))

    def client(self, stream: trio.SocketStream) -> "RawClient":
        """A client on a connection made elsewhere."""
        self.clients.append(RawClient(stream))
        return self.clients[-1]

    async def close_clients(self) -> None:
        """Close what the tests have left open."""
        for client in self.clients:
            await trio.aclose_forcefully(client.stream)


@frozen(kw_only=True)
class RawAnswer:
    """One answer, as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


class RawClient:
    """An HTTP/1.1 client that may send anything."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self.stream = stream
        self._buffer = b""

    async def send(self, text: str, *, body: bytes = b"") -> None:
        """Send a request: lines parted by `\\n`, with the empty line and `Host` added."""
        head = "".join(f"{line}\r\n" for line in [*text.split("\n"), "Host: localhost", ""])
        await self.stream.send_all(head.encode() + body)

    async def answer(self) -> RawAnswer:
        """The next answer; its body is as long as Content-Length says."""
        while not (found := HEAD.match(self._buffer)):
            await self._more()
        lines = found.group(2).decode().splitlines()
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        self._buffer = self._buffer[found.end() :]
        length = int(headers.get("content-length", "0"))
        while len(self._buffer) < length:
            await self._more()
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return RawAnswer(status=int(found.group(1)), headers=headers, body=body)

    async def read_until(self, expected: bytes) -> None:
        """Read what comes next, which must be `expected`."""
        while len(self._buffer) < len(expected):
            await self._more()
        assert self._buffer.startswith(expected), self._buffer
        self._buffer = self._buffer[len(expected) :]

    async def is_closed(self) -> bool:
        """Wait for the server to close; false if it says something first."""
        try:
            return await self.stream.receive_some(1) == b""
        except trio.BrokenResourceError:
            return True

    async def _more(self) -> None:
        data = await self.stream.receive_some(65536)
        if not data:
            raise EOFError(f"closed after {self._buffer!r}")
        self._buffer += bytes(data)
