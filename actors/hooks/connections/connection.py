"""One HTTP/1.1 connection to a backend: h11 over a trio stream.

Every failure is one of httpx's errors. Its type says whether the backend may have received the request:

    httpx.ConnectError       refused, unreachable, dropped during the TLS handshake
    httpx.ReadError          reset before an answer began
    NoAnswer                 closed before an answer began
    httpx.RemoteProtocolError    the answer is not HTTP, or is cut off
    AnswerTooLarge, TlsFailed, AddressDenied    see the classes
"""

import contextlib
import itertools
import os
import ssl
from collections.abc import Sequence

import h11
import httpx
import trio

from actors.net.connecting import connect_any
from actors.net.resolver import Resolver
from actors.net.tcp_stream import TcpStream
from protocol.hooks.networks import ANY_BACKEND, HookNetworks

READ_SIZE = 65_536
_END = h11.EndOfMessage()
EVENTS_PER_PASS = 64
"""Parts of an answer to handle in one go: a chunk may hold a single byte, and 64 KiB of those take a while."""
MAX_INFORMATIONAL = 16
"""Informational answers (1xx) before the real one."""


class NoAnswer(httpx.RemoteProtocolError):
    """The backend closed the connection without answering."""


class AnswerTooLarge(httpx.TransportError):
    """The backend's answer is longer than the limit."""


class TlsFailed(httpx.TransportError):
    """The backend's certificate is not trusted, or there is no common TLS version."""


class AddressDenied(httpx.TransportError):
    """The backend is at an address to which no hook may go (`rest.hook_networks`)."""


class BackendConnection:
    """One connection, used by one call at a time. Closing never waits."""

    def __init__(self, stream: TcpStream | trio.SSLStream[TcpStream]) -> None:
        self._stream = stream
        self._socket = stream.transport_stream.socket if isinstance(stream, trio.SSLStream) else stream.socket
        self._http = h11.Connection(h11.CLIENT)
        self.idle_until = 0.0
        """When to give it up unused, on trio's clock."""

    @property
    def is_stale(self) -> bool:
        """Whether an idle connection has something to read: an end of stream or unexpected bytes."""
        return bool(self._socket.is_readable())

    def close(self) -> None:
        """Close the socket now, without a TLS close_notify: HTTP marks the end of an answer itself."""
        self._socket.close()

    async def exchange(self, request: httpx.Request, *, max_size: int) -> tuple[httpx.Response, bool]:
        """Send `request` and read the whole answer. Also return whether the connection may be reused."""
        await self._send(request, await request.aread())
        head = await self._receive_head()
        content = await self._receive_content(max_size)
        # We offered no encoding. With this header httpx would decode, without a limit, what is not JSON anyway.
        headers = [(name, value) for name, value in head.headers if name != b"content-encoding"]
        response = httpx.Response(head.status_code, headers=headers, content=content, request=request)
        return response, self._start_next()

    async def _send(self, request: httpx.Request, content: bytes) -> None:
        data = self._written(request, content)
        # A backend may answer and close before it has read everything: its answer counts.
        with contextlib.suppress(trio.BrokenResourceError):
            await self._stream.send_all(data)

    def _written(self, request: httpx.Request, content: bytes) -> bytes:
        try:
            head = h11.Request(method=request.method, target=request.url.raw_path, headers=request.headers.raw)
            data = b"".join(self._http.send(event) or b"" for event in (head, h11.Data(data=content), _END))
        except h11.LocalProtocolError as error:
            raise httpx.LocalProtocolError(f"a request that HTTP does not allow: {error}") from error
        return data

    async def _receive_head(self) -> h11.Response:
        for _ in range(MAX_INFORMATIONAL + 1):
            event = await self._next_event(begun=False)
            if isinstance(event, h11.Response):
                return event
            if not isinstance(event, h11.InformationalResponse):
                raise httpx.RemoteProtocolError("the answer does not begin like one")
        raise httpx.RemoteProtocolError("too many informational answers")

    async def _receive_content(self, max_size: int) -> bytes:
        content = bytearray()
        for number in itertools.count(1):
            event = await self._next_event(begun=True)
            if not isinstance(event, h11.Data):
                break
            content += event.data
            if len(content) > max_size:
                raise AnswerTooLarge(f"the answer is longer than {max_size} bytes")
            if number % EVENTS_PER_PASS == 0:
                await trio.lowlevel.checkpoint()
        return bytes(content)

    async def _next_event(self, *, begun: bool) -> object:
        try:
            while (event := self._http.next_event()) is h11.NEED_DATA:
                data = await self._receive_some(begun=begun)
                if not data and not begun:
                    raise NoAnswer("closed without an answer")
                self._http.receive_data(data)
        except h11.RemoteProtocolError as error:
            raise httpx.RemoteProtocolError(f"not the HTTP that was expected: {error}") from error
        return event

    async def _receive_some(self, *, begun: bool) -> bytes:
        try:
            return bytes(await self._stream.receive_some(READ_SIZE))
        except trio.BrokenResourceError as error:
            if begun:
                raise httpx.RemoteProtocolError("reset in the middle of an answer") from error
            raise httpx.ReadError("reset without an answer") from error

    def _start_next(self) -> bool:
        done = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        if not done or self._http.trailing_data[0]:
            return False
        self._http.start_next_cycle()
        return True


async def connect(
    url: httpx.URL, resolver: Resolver, tls: ssl.SSLContext, networks: HookNetworks = ANY_BACKEND
) -> BackendConnection:
    """Open a connection for `url`, trying its host's addresses in turn, if in `networks`. Raises the errors above."""
    stream = await _connect_any(url.host, port_of(url), resolver, networks)
    if url.scheme != "https":
        return BackendConnection(stream)
    try:
        return BackendConnection(await _secured(stream, url.host, tls))
    except BaseException:
        stream.socket.close()
        raise


def port_of(url: httpx.URL) -> int:
    """The port of `url`, explicit or default."""
    return url.port or (443 if url.scheme == "https" else 80)


async def _connect_any(host: str, port: int, resolver: Resolver, networks: HookNetworks) -> TcpStream:
    addresses = _allowed(host, await resolver.resolve(host), networks)
    try:
        stream, address = await connect_any(addresses, port)
    except OSError as error:
        raise httpx.ConnectError(f"{host} port {port}: {_reason(error)}") from error
    resolver.prefer(host, address)
    return stream


def _allowed(host: str, addresses: Sequence[str], networks: HookNetworks) -> list[str]:
    allowed = [address for address in addresses if networks.allows(address)]
    if not allowed:
        raise AddressDenied(f"{host} is at {', '.join(addresses)}, where hooks must not go (rest.hook_networks)")
    return allowed


def _reason(error: OSError) -> str:
    return str(error) if error.errno is None else os.strerror(error.errno)  # trio's own text names the address


async def _secured(stream: TcpStream, host: str, tls: ssl.SSLContext) -> trio.SSLStream[TcpStream]:
    try:
        secured = trio.SSLStream(stream, tls, server_hostname=host, https_compatible=True)
    except ValueError as error:
        raise TlsFailed(f"TLS: {error}") from error
    try:
        await secured.do_handshake()
    except trio.BrokenResourceError as error:
        cause = error.__cause__
        if isinstance(cause, ssl.SSLError) and not isinstance(cause, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            raise TlsFailed(f"TLS: {cause.reason or cause}") from error
        raise httpx.ConnectError("dropped during the TLS handshake") from error
    return secured
