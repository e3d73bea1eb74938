"""Reading from and writing to one HTTP client, with a deadline for each piece that it has to take."""

import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import trio

from actors.net.tcp_stream import TcpStream, drop_references

T = TypeVar("T")

HANDSHAKE_TIMEOUT = 10.0
"""Seconds for TLS."""
LINGER = 2.0
"""Seconds for a client to take the last answer and close."""

_PIECE = 65536


class ClientGone(OSError):
    """The client is gone, or takes too long to read: nothing more can be sent to it."""


class ClientStream:
    """An accepted connection, with TLS or without. Raises ClientGone, once and for all, when the peer has failed."""

    def __init__(self, stream: TcpStream, tls: ssl.SSLContext | None, *, send_timeout: float) -> None:
        self._socket = stream.socket
        self._secured = None if tls is None else trio.SSLStream(stream, tls, server_side=True, https_compatible=True)
        self._stream: trio.abc.Stream = stream if self._secured is None else self._secured
        self._send_timeout = send_timeout
        self._is_broken = False

    @property
    def scheme(self) -> str:
        return "http" if self._secured is None else "https"

    def addresses(self) -> tuple[tuple[str, int], tuple[str, int]]:
        """Address and port of the client and of our end."""
        try:
            client, server = self._socket.getpeername(), self._socket.getsockname()
        except OSError:
            raise self._gone() from None
        return (client[0], client[1]), (server[0], server[1])

    async def secure(self) -> None:
        """Take the TLS handshake, where there is one."""
        if self._secured is None:
            return
        with trio.move_on_after(HANDSHAKE_TIMEOUT) as handshake:
            await self._take(self._secured.do_handshake)
        if handshake.cancelled_caught:
            raise self._gone()

    async def read(self) -> bytes:
        """What has come next; empty at the end of what the client sends."""
        return bytes(await self._take(partial(self._stream.receive_some, _PIECE)))

    async def write(self, data: bytes) -> None:
        """Send all of it."""
        for start in range(0, len(data), _PIECE):
            with trio.move_on_after(self._send_timeout) as sending:
                await self._take(partial(self._stream.send_all, data[start : start + _PIECE]))
            if sending.cancelled_caught:
                raise self._gone()

    async def linger(self) -> None:
        """Let the client take our last answer: closing with input unread would make the system reset the connection."""
        with trio.move_on_after(LINGER):
            if self._secured is None:
                await self._take(self._end_sending)
            while await self.read():
                pass

    def drop_references(self) -> None:
        """Free what TLS holds; the connection is not used any more."""
        if self._secured is not None:
            drop_references(self._secured)

    async def _end_sending(self) -> None:
        self._socket.shutdown(trio.socket.SHUT_WR)

    async def _take(self, step: Callable[[], Awaitable[T]]) -> T:
        """Take a step, unless the connection has failed before or does now."""
        if self._is_broken:
            raise ClientGone
        try:
            return await step()
        except (OSError, trio.BrokenResourceError):
            raise self._gone() from None

    def _gone(self) -> ClientGone:
        self._is_broken = True
        return ClientGone()
