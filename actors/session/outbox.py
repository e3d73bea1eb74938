"""What stands between a session and its client's socket: sends at once what can leave, and queues the rest, bounded.

A client that does not read must cost nothing but itself: whoever puts a frame in never waits, and a queue that is
full means that the client is dropped. It is bounded by bytes, because one frame may be 30 bytes or a mebibyte.
"""

from collections import deque
from typing import Final

import trio

from actors.session.client_socket import Socket

OUTBOX_BYTES: Final = 8 * 1024 * 1024
"""What may wait to be sent to one client."""
SEND_TIMEOUT: Final = 10.0
"""Seconds that the client may take to receive one frame."""

_REST = ""  # in the queue: what the socket has left of a frame that was sent at once


class OutboxFull(Exception):
    """The client does not read what it is sent."""


class Outbox:
    """Texts on their way to a client, in the order in which they are put in."""

    def __init__(self, socket: Socket) -> None:
        self._socket = socket
        self._texts: deque[str] = deque()
        self._bytes = 0
        self._closed = False
        self._is_idle = False  # the writer waits, and has sent all it had
        self._wake = trio.Event()

    def put(self, text: str) -> None:
        """Send or queue `text`, never waiting. Raises OutboxFull; after `close` the text is dropped."""
        if self._closed:
            return
        if not (self._is_idle and self._socket.send_now(text)):
            self._queue(text)
        elif self._socket.has_rest:
            self._queue(_REST)

    def close(self) -> None:
        """Take nothing more; what is queued still goes out."""
        self._closed = True
        self._wake.set()

    async def write(self) -> None:
        """Send what is queued, until the outbox is closed and empty.

        Raises trio.TooSlowError for a client that does not read, and ConnectionClosed.
        """
        while (text := await self._next()) is not None:
            with trio.fail_after(SEND_TIMEOUT):
                await self._socket.send_message(text)

    def _queue(self, text: str) -> None:
        if self._bytes + len(text) > OUTBOX_BYTES:
            raise OutboxFull
        self._texts.append(text)
        self._bytes += len(text)
        self._is_idle = False
        self._wake.set()

    async def _next(self) -> str | None:
        while not self._texts:
            if self._closed:
                return None
            self._wake = trio.Event()
            self._is_idle = True
            await self._wake.wait()
        text = self._texts.popleft()
        self._bytes -= len(text)
        return text
