"""A client's WebSocket, metered: everything read is counted, and a client that sends too fast is read later.

trio-websocket limits only the length of one message: not the number of its frames, the number of pings answered, or the
memory of all unfinished messages of all connections. So both of its ends are watched:

    TCP, TLS -> PacedStream -> trio-websocket's reader <- MeteredConnection (wsproto)
                waits while the rate is exceeded          counts frames, charges pieces
"""

from collections.abc import Callable, Generator
from sys import getsizeof

import trio
from trio_websocket import WebSocketConnection, WebSocketRequest
from wsproto import ConnectionType, WSConnection
from wsproto.events import CloseConnection, Event, Message, RejectConnection
from wsproto.utilities import RemoteProtocolError

from actors.session.socket.receive_quota import ReceiveQuota

POLICY_VIOLATION = 1008  # RFC 6455 section 7.4.1

_LINE = b"This port takes WebSocket connections: the URL begins with ws:// or wss://\n"
_NO_BODY = b"content-length: 0\r\n\r\n"
_TOLD = b"content-type: text/plain\r\ncontent-length: %d\r\n\r\n%b" % (len(_LINE), _LINE)


class PacedStream(trio.abc.Stream):
    """A stream that pauses reading while its client is too fast."""

    def __init__(self, stream: trio.abc.Stream, quota: ReceiveQuota) -> None:
        self._stream = stream
        self._inflow = quota

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        pause = self._inflow.pause(trio.current_time())
        if pause:
            await trio.sleep(pause)
        data = await self._stream.receive_some(max_bytes)
        self._inflow.count_bytes(len(data))
        return data

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        await self._stream.send_all(data)

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def aclose(self) -> None:
        await self._stream.aclose()


class MeteredConnection(WSConnection):
    """The server's end of the WebSocket protocol, whose frames and unfinished messages are counted."""

    def __init__(self, quota: ReceiveQuota) -> None:
        super().__init__(ConnectionType.SERVER)
        self._inflow = quota

    def receive_data(self, data: bytes | None) -> None:
        if self._inflow.is_over:
            reason = "The message holds too much"
            raise RemoteProtocolError(reason, event_hint=CloseConnection(code=POLICY_VIOLATION, reason=reason))
        super().receive_data(data)

    def send(self, event: Event) -> bytes:
        """The bytes of an event. Who asks for something else than a WebSocket, as in a browser, is told so."""
        data = super().send(event)  # trio-websocket sends one event then, which has no body
        is_bare = isinstance(event, RejectConnection) and not event.has_body
        return data.replace(_NO_BODY, _TOLD) if is_bare else data

    def events(self) -> Generator[Event, None, None]:
        for event in super().events():
            self._count(event)
            yield event

    def _count(self, event: Event) -> None:
        if not isinstance(event, Message):
            self._inflow.count_frame()
            return
        if event.frame_finished:
            self._inflow.count_frame()
        self._inflow.hold_piece(
            getsizeof(event.data), frame_finished=event.frame_finished, message_finished=event.message_finished
        )


async def receive_request(
    nursery: trio.Nursery,
    stream: trio.abc.Stream,
    quota: ReceiveQuota,
    *,
    max_message_size: int,
    on_end: Callable[[], None] = lambda: None,
) -> WebSocketRequest:
    """The request of a client that opens a WebSocket on `stream`: `trio_websocket.wrap_server_stream`, but metered.

    `on_end` is called when nothing more is read from the client. That may be before the request, which then never
    comes.
    """
    connection = WebSocketConnection(
        PacedStream(stream, quota), MeteredConnection(quota), max_message_size=max_message_size
    )
    nursery.start_soon(_read, connection, on_end)
    return await connection._get_request()


async def _read(connection: WebSocketConnection, on_end: Callable[[], None]) -> None:
    await connection._reader_task()
    on_end()
