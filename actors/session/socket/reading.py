"""Turns a client's texts into frames in its session's mailbox: decoded, weighed and bounded."""

from collections.abc import Callable

import trio
from attrs import frozen
from trio_websocket import ConnectionClosed

from actors.runtime.actor import ActorStopped, MailboxFull, StopReason
from actors.runtime.logs import RateLimitedLog
from actors.session.socket.client_socket import Socket
from actors.session.socket.receive_quota import MAX_WAITING, MAX_WAITING_AT_THE_DOOR, Waiting
from protocol.metrics.signalling_counts import BAD_FRAME, FLOOD, FlowCounts, RefusalCounts
from protocol.signaling.frame_codec import FrameError, decode, weigh_frame
from protocol.signaling.frames import ClientFrame

LARGE = 32 * 1024
"""From this many characters on, decoding takes so long that it is done for one session at a time."""

CLIENT_CLOSED = StopReason(cause="client-closed")
"""The client has closed the connection because it wanted to."""
CLIENT_GONE = StopReason(cause="client-gone")
"""The connection is lost, or the page is gone: it was left, or is loaded anew."""
FLOODED = StopReason(cause="client-floods")


@frozen(kw_only=True)
class InboundFrame:
    """A frame from the client, good or bad."""

    frame: ClientFrame | FrameError
    weight: int
    """Bytes it takes in memory."""


def closed_by_client(closed: ConnectionClosed) -> StopReason:
    """Why a session ends whose connection has been closed from outside.

    A script can close a WebSocket with no code (1005), with 1000, or with 3000 to 4999; browsers say 1001 for a page
    that goes away (RFC 6455 section 7.4).
    """
    code = 1006 if closed.reason is None else closed.reason.code
    return CLIENT_CLOSED if code in (1000, 1005) or 3000 <= code <= 4999 else CLIENT_GONE


class FrameDecoder:
    """Decodes the frames of all sessions."""

    def __init__(self, max_elements: int) -> None:
        self.max_elements = max_elements
        self.arrived = FlowCounts()
        self.refused = RefusalCounts({BAD_FRAME: 0, FLOOD: 0})
        self._large = trio.Lock()

    async def decode(self, text: str) -> ClientFrame | FrameError:
        """The frame in `text`, good or bad. A large one waits for its turn, and is followed by a pause as long."""
        if len(text) < LARGE:
            return self._decoded(text)
        async with self._large:
            began = trio.current_time()
            frame = self._decoded(text)
            await trio.sleep(trio.current_time() - began)
            return frame

    def _decoded(self, text: str) -> ClientFrame | FrameError:
        try:
            return decode(text, max_elements=self.max_elements)
        except FrameError as error:
            self.refused.note(BAD_FRAME)
            error.__traceback__ = error.__context__ = None  # they hold the text, and what was made of it
            return error


class FrameReader:
    """Reads one session's frames."""

    def __init__(self, socket: Socket, decoder: FrameDecoder, *, warnings: RateLimitedLog) -> None:
        self.silent_pings = 0
        """Pings that were sent since the last frame came."""
        self._socket = socket
        self._decoder = decoder
        self._warnings = warnings
        self._waiting = Waiting(socket.quota.transit)

    @property
    def totals(self) -> dict[str, object]:
        """Totals, for the log line of the session's end."""
        return self._waiting.totals

    async def read(self, post: Callable[[InboundFrame], None], *, is_known: Callable[[], bool]) -> StopReason | None:
        """Read until there is a reason to end the session; None once it has ended.

        `post` puts a frame into the session's mailbox; `is_known` says whether the session is established.
        """
        try:
            while True:
                text = await self._socket.get_message()
                self.silent_pings = 0
                self._waiting.count(len(text))
                self._decoder.arrived.add(len(text))
                if isinstance(text, str):  # binary messages have no meaning here
                    heard = self._weighed(await self._decoder.decode(text), is_known=is_known())
                    if heard is None:
                        return self._flooded("bytes of frames of a session that wait, or max_client_memory")
                    post(heard)
        except ConnectionClosed as closed:
            return closed_by_client(closed)
        except MailboxFull:
            return self._flooded("frames of a session that wait")
        except ActorStopped:
            return None

    def handled(self, message: InboundFrame) -> None:
        """The session has handled a frame."""
        self._waiting.leave(message.weight)

    def _weighed(self, frame: ClientFrame | FrameError, *, is_known: bool) -> InboundFrame | None:
        """`frame` as it is put into the mailbox; None if it must not be."""
        weight = weigh_frame(frame)
        limit = MAX_WAITING if is_known else MAX_WAITING_AT_THE_DOOR
        return InboundFrame(frame=frame, weight=weight) if self._waiting.arrive(weight, limit=limit) else None

    def _flooded(self, limit: str) -> StopReason:
        self._warnings.warning("client floods", limit=limit)
        self._decoder.refused.note(FLOOD)
        return FLOODED
