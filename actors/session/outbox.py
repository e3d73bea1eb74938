"""The bounded queue between a session and its client's socket.

A client that does not read must cost nothing but itself: whoever puts a frame in never waits, and a queue that is
full means that the client is dropped. It is bounded by bytes, because one frame may be 30 bytes or a mebibyte.
"""

from collections import deque

import trio


class OutboxFull(Exception):
    """The client does not read what it is sent."""


class Outbox:
    """Texts waiting to be sent. One reader, any number of writers, all in one thread."""

    def __init__(self, *, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._texts: deque[str] = deque()
        self._bytes = 0
        self._closed = False
        self._wake = trio.Event()

    def put(self, text: str) -> None:
        """Queue `text`. Raises OutboxFull; after `close` the text is dropped."""
        if self._closed:
            return
        if self._bytes + len(text) > self._max_bytes:
            raise OutboxFull
        self._texts.append(text)
        self._bytes += len(text)
        self._wake.set()

    def close(self) -> None:
        """Take nothing more; what is queued still goes out."""
        self._closed = True
        self._wake.set()

    async def get(self) -> str | None:
        """The next text, waiting for one; None once the outbox is closed and empty."""
        while not self._texts:
            if self._closed:
                return None
            self._wake = trio.Event()
            await self._wake.wait()
        text = self._texts.popleft()
        self._bytes -= len(text)
        return text
