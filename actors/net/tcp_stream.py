"""A TCP connection whose end is cleaned up at once.

`trio.SocketStream` translates the errors of the system in a context manager that is a generator. Since Python 3.12 the
frame of such a generator keeps the frame that called it, so an exception that it swallows or replaces is in a reference
cycle with every frame of its traceback: the stream, and all that belongs to the client, stay in memory until the next
full garbage collection, which is rare in this process. No context manager of ours that takes exceptions is a generator
for the same reason, nor do we use `trio.fail_after` where a client decides whether it fails; see
`actors.runtime.timeouts`.
"""

import errno

import trio

DEFAULT_RECEIVE_SIZE = 65_536


class TcpStream(trio.abc.Stream):
    """What `trio.SocketStream` is, over the same socket; one task sends at a time.

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


def drop_references(secured: trio.SSLStream[TcpStream]) -> None:
    """Free a TLS stream that nobody uses any more: it refers to itself, and holds some ten kilobytes of OpenSSL's."""
    vars(secured).clear()


def _stream_error(error: OSError) -> trio.BrokenResourceError | trio.ClosedResourceError:
    if error.errno == errno.EBADF:
        return trio.ClosedResourceError("this socket was already closed")
    return trio.BrokenResourceError(f"socket connection broken: {error}")
