"""A TCP connection whose memory is freed as soon as it ends.

`trio.SocketStream` translates system errors in a generator-based context manager. Since Python 3.12 the frame of such a
generator keeps the frame that called it, so an exception it swallows or replaces forms a reference cycle with every
frame of its traceback: the stream, and everything that belongs to the client, stays in memory until the next full
garbage collection, which is rare in this process. For the same reason none of our own context managers that handle
exceptions is a generator, and we do not use `trio.fail_after` where a client decides whether it fails; see
`actors.runtime.timeouts`.
"""

import errno
from typing import Any

import trio

DEFAULT_RECEIVE_SIZE = 65_536


class TcpStream(trio.abc.Stream):
    """The same as `trio.SocketStream`, over the same socket; one task sends at a time.

    Raises trio.BrokenResourceError if the connection has failed, and trio.ClosedResourceError after `aclose`.
    """

    def __init__(self, stream: trio.SocketStream) -> None:
        self.socket = stream.socket

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        try:
            await self._send_all(memoryview(data))
        except OSError as error:
            raise _stream_error(error) from None

    async def _send_all(self, rest: memoryview) -> None:
        if not rest:
            await trio.lowlevel.checkpoint()
        while rest:
            rest = rest[await self.socket.send(rest) :]

    async def wait_send_all_might_not_block(self) -> None:
        try:
            await self.socket.wait_writable()
        except OSError as error:
            raise _stream_error(error) from None

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        try:
            return await self.socket.recv(max_bytes or DEFAULT_RECEIVE_SIZE)
        except OSError as error:
            raise _stream_error(error) from None

    async def aclose(self) -> None:
        self.socket.close()
        await trio.lowlevel.checkpoint()


def drop_references(secured: trio.SSLStream[Any]) -> None:
    """Free a TLS stream that is no longer used: it refers to itself, and holds some ten kilobytes of OpenSSL memory."""
    vars(secured).clear()


def _stream_error(error: OSError) -> trio.BrokenResourceError | trio.ClosedResourceError:
    if error.errno == errno.EBADF:
        return trio.ClosedResourceError("this socket was already closed")
    return trio.BrokenResourceError(f"socket connection broken: {error}")
