"""A session's WebSocket: trio-websocket's connection, and a shortcut for short frames that can be sent at once.

A queued frame waits until the writer task gets its turn. When many streams are stopped in one pass, that is after the
whole pass and among all the tasks that unwind. So a frame goes straight to the system's socket if that is certain
neither to wait nor to overtake anything:

    session --- nothing queued, short ---> [ SecuredWay: TLS ] --> NonBlockingStream.send_nowait --+
       |                                                                                     +--> TCP
       +--> outbox --> writer task --> trio-websocket --> [ trio's TLS ] --> send_all -------+
"""

import os
import ssl
from typing import Final, Protocol

import trio
from trio_websocket import ConnectionClosed, WebSocketConnection

from actors.net.tcp_stream import TcpStream
from actors.session.socket.receive_quota import ReceiveQuota

LONGEST: Final = 16 * 1024
"""Bytes; longer frames are queued."""

_FIN_TEXT: Final = 0x81  # RFC 6455 section 5.2: a whole message in one frame, and it is text
_LENGTH_OF_16_BITS: Final = 126

_OF_TRIO: Final = ("_ssl_object", "_outgoing", "_delayed_outgoing", "_inner_send_lock", "_check_status")
"""What is used of `trio.SSLStream` although it is private. Where it is missing, frames are queued as before."""


class Socket(Protocol):
    """The WebSocket of a session."""

    @property
    def quota(self) -> ReceiveQuota:
        """What this client may send, and holds."""

    @property
    def address(self) -> str | None:
        """The client's IPv4 address or IPv6 /64, by which limits count; None: unknown."""

    def send_now(self, *messages: str) -> bool:
        """Send them, if that needs no waiting; false: all are to be queued.

        To be called only while no `send_message` is under way, or messages would come in another order.
        """

    @property
    def has_pending(self) -> bool:
        """Whether a part of what was sent now is left: `send_message` of anything sends it first, of "" it alone."""

    async def send_message(self, message: str) -> None:
        """Send, waiting for room. Raises ConnectionClosed."""

    async def get_message(self) -> str | bytes: ...
    async def aclose(self, code: int = 1000, reason: str | None = None) -> None: ...


class StraightWay(Protocol):
    """How a frame leaves at once."""

    @property
    def has_pending(self) -> bool:
        """Whether the system took only a part of what was sent."""

    def send_nowait(self, data: bytes) -> bool:
        """Send now, at least the beginning, or not at all: then false."""

    async def send_pending(self) -> None:
        """Send the part that is left."""


class NonBlockingStream(trio.abc.Stream):
    """A TCP stream into which one may also write without waiting.

    The system takes little more than is on its way: trio sets TCP_NOTSENT_LOWAT to 16 KiB for every stream.
    """

    def __init__(self, stream: TcpStream) -> None:
        self._stream = stream
        self._sending = trio.StrictFIFOLock()
        self._rest = b""

    @property
    def has_pending(self) -> bool:
        """Whether the system took only a part of what was written; the next `send_all`, even of b"", begins with it."""
        return bool(self._rest)

    def send_nowait(self, data: bytes) -> bool:
        """Send now, or not at all: then false, and the caller sends it by `send_all`."""
        if self.is_busy:
            return False
        sent = self._write(data)
        if sent:
            self._rest = data[sent:]
        return sent > 0

    def put(self, data: bytes) -> None:
        """Send what can be sent now, while the stream is not busy; the rest is pending, and may be everything."""
        self._rest = data[self._write(data) :]

    @property
    def is_busy(self) -> bool:
        """Whether something is being sent, or pending."""
        return bool(self._rest) or self._sending.locked()

    async def send_pending(self) -> None:
        await self.send_all(b"")

    def _write(self, data: bytes) -> int:
        try:
            return os.write(self._stream.socket.fileno(), data)
        except OSError:  # it would have to wait, or the connection is broken, which `send_all` will tell
            return 0

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        async with self._sending:
            rest, self._rest = self._rest, b""
            await self._stream.send_all(rest + data if rest else data)

    async def wait_send_all_might_not_block(self) -> None:
        async with self._sending:
            await self._stream.wait_send_all_might_not_block()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()


class SecuredWay:
    """The way past trio's TLS: the same OpenSSL object, used only when nobody else sends.

    It knows trio from the inside. What OpenSSL has made has to leave in that order, and trio holds `_inner_send_lock`
    from before its next wait until it has; so while nobody holds the lock, everything made so far has left.
    """

    def __init__(self, secured: trio.SSLStream[NonBlockingStream]) -> None:
        self._secured = secured
        self._below = secured.transport_stream

    @property
    def has_pending(self) -> bool:
        return self._below.has_pending

    def send_nowait(self, data: bytes) -> bool:
        secured = self._secured
        if not self._is_free(secured):
            return False
        try:
            secured._ssl_object.write(data)
        except ssl.SSLError:  # `send_all` will tell
            return False
        self._below.put(secured._outgoing.read())
        return True

    async def send_pending(self) -> None:
        await self._below.send_pending()

    def _is_free(self, secured: trio.SSLStream[NonBlockingStream]) -> bool:
        if not vars(secured) or self._below.is_busy:  # without variables, it is over
            return False
        if secured._inner_send_lock.locked() or secured._delayed_outgoing is not None:
            return False
        try:
            secured._check_status()
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            return False
        return True


def straight_way(stream: trio.abc.Stream) -> StraightWay | None:
    """The way for frames that leave at once into this stream, if it has one."""
    if isinstance(stream, trio.SSLStream):
        is_known = all(hasattr(stream, name) for name in _OF_TRIO)
        return SecuredWay(stream) if is_known and isinstance(stream.transport_stream, NonBlockingStream) else None
    return stream if isinstance(stream, NonBlockingStream) else None


class ClientSocket:
    """A `Socket`. `straight` leads past the connection, where that is possible."""

    def __init__(
        self,
        connection: WebSocketConnection,
        straight: StraightWay | None,
        quota: ReceiveQuota,
        *,
        address: str | None = None,
    ) -> None:
        self.quota = quota
        self.address = address
        self._connection = connection
        self._straight = straight

    def send_now(self, *messages: str) -> bool:
        if self._straight is None or self._connection.closed is not None:
            return False
        frames = [_text_frame(message.encode()) for message in messages]
        return None not in frames and self._straight.send_nowait(b"".join(filter(None, frames)))

    @property
    def has_pending(self) -> bool:
        return self._straight is not None and self._straight.has_pending

    async def send_message(self, message: str) -> None:
        if message or self._straight is None:
            await self._connection.send_message(message)
            return
        try:
            await self._straight.send_pending()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise ConnectionClosed(self._connection.closed) from None

    async def get_message(self) -> str | bytes:
        self.quota.message_done()
        message = await self._connection.get_message()
        self.quota.message_taken()
        return message

    async def aclose(self, code: int = 1000, reason: str | None = None) -> None:
        await self._connection.aclose(code, reason)


def _text_frame(payload: bytes) -> bytes | None:
    """The frame of a text as a server sends it, unmasked (RFC 6455 section 5.2); None if it is too long."""
    size = len(payload)
    if size < _LENGTH_OF_16_BITS:
        return bytes((_FIN_TEXT, size)) + payload
    if size <= LONGEST:
        return bytes((_FIN_TEXT, _LENGTH_OF_16_BITS)) + size.to_bytes(2, "big") + payload
    return None
