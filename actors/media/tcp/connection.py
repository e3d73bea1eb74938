"""One accepted TCP connection: packets go out at once, or wait in a queue that forgets what is too old."""

import errno
import socket
from collections.abc import Callable

import trio

from protocol.common.memory_budget import Allowance
from protocol.webrtc.framing import framed
from protocol.webrtc.paths import IcePath
from protocol.webrtc.send_queue import SendQueue


class TcpConnection:
    """`path` is its place among the paths of all peers; `clock` gives monotonic seconds."""

    def __init__(
        self, opened: socket.socket, path: IcePath, name: bytes, *, clock: Callable[[], float], budget: Allowance
    ) -> None:
        self.socket = opened
        self.path = path
        self.name = name
        """The remote address as the kernel has it."""
        self.life = trio.CancelScope()
        self.alone_since: float | None = trio.current_time()
        """Since when it belongs to no peer; None: it belongs to one."""
        self.was_claimed = False
        self.unclaimed_bytes = 0
        """Bytes that came before a peer claimed it."""
        self.queue = SendQueue(budget)
        self._clock = clock
        self._is_broken = False
        self._blocked = trio.lowlevel.ParkingLot()

    def send(self, packet: bytes) -> bool:
        """Write a packet, or let it wait; False if it is dropped. Raises OSError if the connection is over."""
        if self._is_broken:
            raise OSError(errno.EPIPE, "the connection is over")
        written = 0
        if not len(self.queue) and not self.queue.has_gap:
            frame = framed(packet)
            written = self._write(frame)
            if written == len(frame):
                return True
        taken = self.queue.put(packet, self._clock(), written=written)
        self._blocked.unpark()
        return taken

    async def until_writable(self) -> None:
        """Wait until something waits in the queue, or a gap is to end, and the system has room."""
        while not len(self.queue) and not self.queue.has_gap:
            await self._blocked.park()
        await trio.lowlevel.wait_writable(self.socket)

    def flush(self) -> None:
        """Write what the system has room for. Raises OSError."""
        queue = self.queue
        while len(queue):
            head = queue.head
            count = self._write(head)
            if count:
                queue.wrote(count)
            if count < len(head):
                return

    def close(self) -> None:
        """Nothing is sent any more; who reads and writes it is to end. Idempotent."""
        self._is_broken = True
        self.life.cancel()

    def _write(self, data: bytes | memoryview) -> int:
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            self.close()
            raise
