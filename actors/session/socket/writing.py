"""Sends frames to one session's client, and notices when that is no longer possible."""

from collections.abc import Callable

import trio
from trio_websocket import ConnectionClosed

from actors.runtime.actor import StopReason
from actors.runtime.logs import get_logger
from actors.session.socket.client_socket import Socket
from actors.session.socket.outbox import Outbox, OutboxPool
from actors.session.socket.reading import closed_by_client
from protocol.signaling.frame_codec import encode
from protocol.signaling.frames import ServerFrame

log = get_logger("session")

FAREWELL_TIMEOUT = 3.0
"""Seconds for the frames still queued when the session stops."""

NOT_READING = StopReason(cause="client-does-not-read")
UNWRITABLE = StopReason(cause="unwritable-frame")


class FrameWriter:
    """Writes one session's frames. No method but `write` waits, and none fails.

    `drop(reason)` is called when the client cannot be served any longer. It must not stop the session within the call:
    the stream that sent the frame must first tell the backend.
    """

    def __init__(
        self, socket: Socket, outboxes: OutboxPool, *, session_id: str, drop: Callable[[StopReason], None]
    ) -> None:
        self._session_id = session_id
        self._drop = drop
        self._outbox = Outbox(socket, outboxes, on_overflow=lambda: self._give_up(NOT_READING))
        self._scope = trio.CancelScope(shield=True)

    def send(self, frame: ServerFrame) -> None:
        """Send a frame to the client. A client that does not read is dropped."""
        try:
            self._outbox.put(encode(frame))
        except (
            ValueError,
            RecursionError,
        ) as error:  # a backend may overwrite a field with something that cannot be encoded
            self.unwritable(frame.message, error)

    def send_text(self, text: str) -> None:
        """The same for a frame that is encoded already."""
        self._outbox.put(text)

    def offer_text(self, text: str) -> bool:
        """The same for one of many clients that get it: if there is no room for all of them, false, and not sent."""
        return self._outbox.offer(text)

    def unwritable(self, message: str, error: Exception) -> None:
        """A frame of this kind cannot be written; the session ends."""
        log.error("a frame cannot be written", session=self._session_id, message=message, error=error)
        self._give_up(UNWRITABLE)

    async def write(self) -> StopReason | None:
        """Write what is queued until there is a reason to end the session; None once the writer is closed and empty.

        Shielded, so that the last frames (why each stream ended) are still sent when the session is stopped.
        """
        with self._scope:
            try:
                await self._outbox.write()
            except trio.TooSlowError:
                return NOT_READING
            except ConnectionClosed as closed:
                return closed_by_client(closed)
        return None

    def close(self) -> None:
        """Accept nothing more; what is queued has `FAREWELL_TIMEOUT` to leave."""
        self._outbox.close()
        self._scope.deadline = trio.current_time() + FAREWELL_TIMEOUT

    def abort(self) -> None:
        """Stop writing at once."""
        self._scope.cancel()

    def discard(self) -> None:
        """The last step: drop what is queued, and refer to nobody any more."""
        self._outbox.discard()
        self._drop = _ignored

    def _give_up(self, reason: StopReason) -> None:
        self._outbox.close()
        self._drop(reason)


def _ignored(reason: StopReason) -> None:
    """The session is gone."""
