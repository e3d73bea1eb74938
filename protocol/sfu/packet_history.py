"""The last packets of a track, kept for retransmission; one ring serves all viewers of the track."""

from collections import deque
from collections.abc import Sequence
from typing import Final, NamedTuple

VIDEO_AGE = 2.0  # seconds: more than any player waits for a lost packet
VIDEO_BYTES = 8 << 20  # two seconds at 27 Mbit/s
AUDIO_AGE = 1.0
AUDIO_BYTES = 256 << 10

ENTRY_BYTES = 256  # roughly what the interpreter needs for a packet besides its bytes


class ReplayLimits(NamedTuple):
    """What of a history a viewer that joins between two key frames may be sent."""

    age: float
    """Seconds from a key frame to the newest packet; a viewer that starts there lags this much for a moment."""
    octets: int
    """What it is sent in one burst; more would fill its path."""
    still_octets: int
    """The same while the picture is still: the next one may be a long time coming."""


SHORT_REPLAY: Final = ReplayLimits(age=0.5, octets=256 << 10, still_octets=2 << 20)
"""Of a publisher that sends a key frame as soon as it is asked."""
SLOW_REPLAY: Final = ReplayLimits(age=10.0, octets=1 << 20, still_octets=2 << 20)
"""Of one that is slow to send it. More would take a viewer's path longer than the key frame, which is requested."""
LONG_REPLAY: Final = ReplayLimits(age=10.0, octets=8 << 20, still_octets=8 << 20)
"""Of one that cannot be asked: the viewer gets all since its last key frame, shows it at once, and is live."""


class PacketHistory:
    """Packets by extended sequence number (RFC 3550 A.1): the newest `max_age` seconds that fit into `max_bytes`.

    Age is measured to the newest packet: while nothing arrives, as with a still picture, nothing expires.
    The limit is on memory: each packet adds `ENTRY_BYTES`, so that many small packets are limited too. `replay`: what a
    viewer that joins late may be sent of it.
    """

    def __init__(self, *, max_age: float, max_bytes: int, replay: ReplayLimits = SHORT_REPLAY) -> None:
        self.replay_limits = replay
        """May be changed; what is needed for it is kept from then on."""
        self.forgotten = -1
        """The newest number evicted; -1 before the first. Nothing is known any more about the packets before it."""
        self._max_age = max_age
        self._max_bytes = max_bytes
        self._bytes = 0
        self._packets: dict[int, bytes] = {}
        self._arrivals: deque[tuple[float, int]] = deque()

    def __len__(self) -> int:
        return len(self._packets)

    def __contains__(self, sequence: int) -> bool:
        return sequence in self._packets

    def put(self, sequence: int, packet: bytes, now: float) -> None:
        """Keep a packet that is not in yet, and evict those that it displaces."""
        self.put_run(sequence, (packet,), (now,))

    def put_run(self, first: int, run: Sequence[bytes], times: Sequence[float]) -> None:
        """The same for packets that follow each other from number `first` on, and the times when each came."""
        packets, arrivals = self._packets, self._arrivals
        numbers, now = range(first, first + len(run)), times[-1]
        packets.update(zip(numbers, run, strict=True))
        arrivals.extend(zip(times, numbers, strict=True))
        self._bytes += sum(map(len, run)) + ENTRY_BYTES * len(run)
        oldest = now - max(self._max_age, self.replay_limits.age)
        while arrivals and (arrivals[0][0] < oldest or self._bytes > self._max_bytes):
            old = arrivals.popleft()[1]
            self._bytes -= len(packets.pop(old)) + ENTRY_BYTES
            if old > self.forgotten:
                self.forgotten = old

    def get(self, sequence: int) -> bytes | None:
        return self._packets.get(sequence)

    def clear(self) -> None:
        """Forget every packet."""
        self._packets.clear()
        self._arrivals.clear()
        self._bytes = 0
