"""Reading from and writing to one HTTP client, with a deadline for each piece it has to accept."""

import ssl
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, TypeVar

import trio

from actors.net.client_lookup import NotFromProxy, peer_of, receive_client
from actors.net.plain_http import answered_plain_http
from actors.net.tcp_stream import TcpStream, drop_references
from protocol.access.client_address import TrustedProxies

T = TypeVar("T")

HANDSHAKE_TIMEOUT = 10.0
"""Seconds for TLS."""
LINGER = 2.0
"""Seconds for a client to read the last response and close."""

_PIECE = 65536


class ClientGone(OSError):
    """The client is gone, or reads too slowly: nothing more can be sent to it."""


class ClientStream:
    """An accepted connection, with TLS or without. Once the peer has failed, every call raises ClientGone.

    So does the constructor. `peer` is who is at the other end.
    """

    def __init__(self, stream: TcpStream, tls: ssl.SSLContext | None, *, send_timeout: float) -> None:
        self._tcp, self._socket = stream, stream.socket
        try:
            self.peer = peer_of(self._socket)
            own = self._socket.getsockname()
        except OSError:
            raise ClientGone from None
        self.own_address: tuple[str, int] = (own[0], own[1])
        self._secured = None if tls is None else trio.SSLStream(stream, tls, server_side=True, https_compatible=True)
        self._stream: trio.abc.Stream = stream if self._secured is None else self._secured
        self._send_timeout = send_timeout
        self._is_broken = False
        self.certificate_name: str | None = None
        """The common name (CN) in the client's certificate, which TLS has checked; None without one."""

    @property
    def scheme(self) -> str:
        return "http" if self._secured is None else "https"

    async def identify(self, proxies: TrustedProxies, setting: str) -> None:
        """Read the PROXY protocol's header, which `setting` requires: `peer` is then the client it names.

        Raises NotFromProxy if there is none.
        """
        with trio.move_on_after(HANDSHAKE_TIMEOUT) as patience:
            self.peer = await self._take(partial(receive_client, self._socket, self.peer, proxies, setting=setting))
        if patience.cancelled_caught:
            raise NotFromProxy(f"no PROXY protocol header in {HANDSHAKE_TIMEOUT:.0f} s", setting)

    async def secure(self) -> None:
        """Do the TLS handshake, if there is one. A client that begins with plain HTTP is told so."""
        if self._secured is None:
            return
        with trio.move_on_after(HANDSHAKE_TIMEOUT) as handshake:
            if await self._take(partial(answered_plain_http, self._tcp)):
                raise self._gone()
            await self._take(self._secured.do_handshake)
        if handshake.cancelled_caught:
            raise self._gone()
        self.certificate_name = _common_name(self._secured.getpeercert())

    async def read(self) -> bytes:
        """The next bytes; empty at the end of the stream."""
        return bytes(await self._take(partial(self._stream.receive_some, _PIECE)))

    async def write(self, data: bytes) -> None:
        """Send all of it."""
        for start in range(0, len(data), _PIECE):
            with trio.move_on_after(self._send_timeout) as sending:
                await self._take(partial(self._stream.send_all, data[start : start + _PIECE]))
            if sending.cancelled_caught:
                raise self._gone()

    async def linger(self) -> None:
        """Let the client read our last response: closing with unread input would reset the connection."""
        with trio.move_on_after(LINGER):
            if self._secured is None:
                await self._take(self._end_sending)
            while await self.read():
                pass

    def drop_references(self) -> None:
        """Free TLS memory; the connection is no longer used."""
        if self._secured is not None:
            drop_references(self._secured)

    async def _end_sending(self) -> None:
        self._socket.shutdown(trio.socket.SHUT_WR)

    async def _take(self, step: Callable[[], Awaitable[T]]) -> T:
        """Run one operation; raises ClientGone if the connection has failed before or fails now."""
        if self._is_broken:
            raise ClientGone
        try:
            return await step()
        except (OSError, trio.BrokenResourceError):
            raise self._gone() from None

    def _gone(self) -> ClientGone:
        self._is_broken = True
        return ClientGone()


def _common_name(certificate: Mapping[str, Any] | None) -> str | None:
    """The CN of the subject, in the form of `SSLSocket.getpeercert`."""
    fields = (field for part in (certificate or {}).get("subject", ()) for field in part)
    return next((value for name, value in fields if name == "commonName"), None)
