"""Between a session and its client's socket: sends at once what can be sent, and queues the rest, bounded.

A client that does not read must harm only itself: putting a frame in never waits, and a full queue means that the
client is dropped. The bound is in bytes, because a frame may have 30 bytes or a mebibyte. The queues of all clients
together are bounded too: beyond that, the client with the longest queue is dropped, so each has at least an equal
share.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import trio

from actors.runtime.slices import HeldSends, Turns
from actors.runtime.timeouts import fail_after
from actors.session.socket.client_socket import Socket
from protocol.metrics.signalling_counts import FlowCounts

OUTBOX_BYTES: Final = 8 * 1024 * 1024
"""Bytes that may be queued for one client."""
SEND_TIMEOUT: Final = 10.0
"""Seconds that the client may take to receive one frame."""
MOST_HELD: Final = 12 * 1024
"""Characters that are held for one client until the end of a slice, before they leave: the system takes 16 KiB."""
OVERHEAD: Final = 64
"""Bytes that a queued text takes besides its characters."""

_REST = ""  # in the queue: what the socket has left of a frame that was sent at once


class OutboxPool:
    """The outboxes of all clients, and their common bound.

    `on_overflow` is called each time a client is dropped because of it. What is sent in a slice, by `turns`, is held to
    its end.
    """

    def __init__(self, limit: int, turns: Turns | None = None, *, on_overflow: Callable[[], None]) -> None:
        self.limit = limit
        self.held = HeldSends() if turns is None else turns.held
        self._on_overflow = on_overflow
        self._waiting: set[Outbox] = set()
        self.bytes = 0
        self.left = FlowCounts()
        """What was sent, or is to be."""

    def has_room(self, size: int) -> bool:
        """Whether `size` more bytes may wait without any client being dropped."""
        return self.bytes + size <= self.limit

    def add(self, outbox: "Outbox", size: int) -> None:
        """`size` more bytes wait in `outbox`. If that is too much in total, the fullest outbox overflows."""
        self._waiting.add(outbox)
        self.bytes += size
        while self.bytes > self.limit:
            self._on_overflow()
            max(self._waiting, key=lambda waiting: waiting.bytes).overflow()

    def remove(self, outbox: "Outbox", size: int) -> None:
        """`size` bytes in `outbox` no longer wait."""
        self.bytes -= size
        if not outbox.bytes:
            self._waiting.discard(outbox)


class Outbox:
    """Texts on their way to a client, in the order in which they are put in.

    `on_overflow` is called when the client does not read: too much is queued for it, or for all clients and most for
    it.
    """

    def __init__(self, socket: Socket, pool: OutboxPool, *, on_overflow: Callable[[], None]) -> None:
        self._socket = socket
        self._pool = pool
        self._on_overflow = on_overflow
        self._texts: deque[str] = deque()
        self.bytes = 0
        """What is queued, each with the memory it takes."""
        self._held: list[str] = []
        self._held_size = 0  # characters of those
        self._closed = False
        self._is_idle = False  # the writer waits, and has sent all it had
        self._wake = trio.Event()

    def put(self, text: str) -> None:
        """Send or queue `text`, never waiting. What does not fit, and what comes after `close`, is dropped."""
        if not self._closed and not self._send_now(text):
            self._queue(text)

    def offer(self, text: str) -> bool:
        """The same for one of many clients that get `text`: if there is no room for all of them, this one goes without.

        Then it is false, and no client is dropped for it.
        """
        if self._closed:
            return False
        if not self._send_now(text):
            if not self._pool.has_room(len(text) + OVERHEAD):
                return False
            self._queue(text)
        return not self._closed

    def close(self) -> None:
        """Accept nothing more; what is queued is still sent."""
        self._closed = True
        self._wake.set()

    async def write(self) -> None:
        """Send what is queued, until the outbox is closed and empty.

        Raises trio.TooSlowError for a client that does not read, and ConnectionClosed.
        """
        while (text := await self._next()) is not None:
            with fail_after(SEND_TIMEOUT):
                await self._socket.send_message(text)

    def discard(self) -> None:
        """The last step: drop what is queued, and accept nothing more."""
        self._held = []
        self._texts.clear()
        self._release(self.bytes)
        self.close()
        self._on_overflow = _nobody  # and refer to nobody any more

    def overflow(self) -> None:
        """Too much is queued for all clients together, and most of it here."""
        tell = self._on_overflow
        self.discard()
        tell()

    def release(self) -> None:
        """Send, or queue, what was held in a slice."""
        texts, self._held, self._held_size = self._held, [], 0
        if texts and not self._pass_on(texts):
            for text in texts:
                self._queue(text)

    def _send_now(self, text: str) -> bool:
        """Whether the socket took `text` at once, at least its beginning, or gets it at the end of this slice."""
        if not self._pool.held.is_slice or len(text) > MOST_HELD:
            self.release()
            return self._is_idle and self._pass_on((text,))
        if self._held_size + len(text) > MOST_HELD:
            self.release()
        if not self._is_idle:
            return False
        self._held.append(text)
        self._held_size += len(text)
        self._pool.held.add(self)
        return True

    def _pass_on(self, texts: Sequence[str]) -> bool:
        """Whether the socket took them at once, at least their beginning."""
        if not self._socket.send_now(*texts):
            return False
        for text in texts:
            self._pool.left.add(len(text))
        if self._socket.has_pending:
            self._queue(_REST)
        return True

    def _queue(self, text: str) -> None:
        size = len(text) + OVERHEAD
        if self.bytes + size > OUTBOX_BYTES:
            self.close()
            self._on_overflow()
            return
        if text is not _REST:
            self._pool.left.add(len(text))
        self._texts.append(text)
        self.bytes += size
        self._is_idle = False
        self._wake.set()
        self._pool.add(self, size)

    def _release(self, size: int) -> None:
        self.bytes -= size
        self._pool.remove(self, size)

    async def _next(self) -> str | None:
        while not self._texts:
            if self._closed:
                return None
            self._wake = trio.Event()
            self._is_idle = True
            await self._wake.wait()
        text = self._texts.popleft()
        self._release(len(text) + OVERHEAD)
        return text


def _nobody() -> None:
    """Nobody has to be told."""
