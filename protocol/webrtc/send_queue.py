"""What waits to be written to a TCP connection that carries media, bounded by age: a slow link shows the present.

A link that is slower than its stream would otherwise hold ever older pictures: seconds of delay, and no end of memory.
When what waits is too old, the media in the queue is dropped, and all further media until the queue is empty. Then the
viewer goes on with what is current (`resume`), video from a key frame on. Control packets (STUN, DTLS, RTCP) stay.
"""

from collections import deque
from typing import Final

from attrs import frozen

from protocol.common.memory_budget import Allowance
from protocol.webrtc.demux import Datagram
from protocol.webrtc.framing import framed

MAX_AGE: Final = 0.3
"""Seconds that the oldest packet may wait."""
MAX_BYTES: Final = 4 << 20
"""Bytes of one queue, whatever their age."""
MAX_CONTROL: Final = 16 << 10
"""Bytes to which control packets may fill a queue that takes no media."""


@frozen(eq=False)
class _Frame:
    data: bytes
    since: float
    is_media: bool


class SendQueue:
    """The packets of one connection that the system had no room for. `budget` is what all queues together may hold.

    `now` is in seconds on any monotonic clock.
    """

    def __init__(self, budget: Allowance) -> None:
        self.has_gap = False
        """Media was dropped, and none is taken until `resume`."""
        self.dropped = 0
        """Media packets that were not taken, or taken out again."""
        self._memory = Allowance(MAX_BYTES, parent=budget)
        self._frames: deque[_Frame] = deque()
        self._written = 0  # bytes of the first frame

    def __len__(self) -> int:
        return len(self._frames)

    @property
    def size(self) -> int:
        """Bytes held."""
        return int(self._memory.used)

    def put(self, packet: bytes, now: float, *, written: int = 0) -> bool:
        """Take a packet, of whose frame so many bytes are written already; False if it is dropped."""
        is_media = Datagram.of(packet) is Datagram.RTP
        if is_media and not self.has_gap and self._frames and now - self._frames[0].since > MAX_AGE:
            self._drop_media()
        frame = _Frame(framed(packet), now, is_media)
        if not self._takes(frame) and not written:  # the rest of a frame must follow
            self.dropped += is_media
            return False
        if not self._frames:
            self._written = written
        self._frames.append(frame)
        return True

    @property
    def head(self) -> memoryview:
        """What to write next. There must be something."""
        return memoryview(self._frames[0].data)[self._written :]

    def wrote(self, count: int) -> None:
        """So many bytes of `head` are written."""
        self._written += count
        if self._written >= len(self._frames[0].data):
            self._memory.give_back(len(self._frames.popleft().data))
            self._written = 0

    def resume(self) -> None:
        """Media is taken again."""
        self.has_gap = False

    def clear(self) -> None:
        """The connection is closed: nothing is held any more."""
        self._frames.clear()
        self._memory.give_back(self._memory.used)

    # -- inside --------------------------------------------------------------------------------------------------

    def _takes(self, frame: _Frame) -> bool:
        if self.has_gap and (frame.is_media or self._memory.used > MAX_CONTROL):
            return False
        if self._memory.take(len(frame.data)):
            return True
        if frame.is_media:
            self._drop_media()
        return False

    def _drop_media(self) -> None:
        self.has_gap = True
        begun = 1 if self._written else 0
        kept = [frame for index, frame in enumerate(self._frames) if index < begun or not frame.is_media]
        self.dropped += len(self._frames) - len(kept)
        self._memory.give_back(sum(len(frame.data) for frame in self._frames) - sum(len(one.data) for one in kept))
        self._frames = deque(kept)
