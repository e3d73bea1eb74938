"""What a viewer that joins between two key frames gets: the packets since the last one, as long as they are few.

The packets must be complete: a hole would have to be requested, and may never be filled. Time without packets does not
count: a still picture is as good as new.
"""

import math
from typing import NamedTuple

from protocol.sfu.keyframe_detection import KeyFrame, key_frame, may_begin_key_frame
from protocol.sfu.packet_history import PacketHistory, ReplayLimits


class Replay(NamedTuple):
    """Canonical packets from the last key frame to the newest; the first has the extended sequence number `start`."""

    start: int
    packets: list[bytes]


def replay_from(
    history: PacketHistory, first: int, last: int, *, behind: float, quiet: float, limits: ReplayLimits
) -> Replay | None:
    """The packets from `first`, where a key frame begins, to `last`; None: the viewer has to wait for the next one.

    `behind` is the time from the key frame to the newest packet, `quiet` the time since the newest packet, in seconds.
    """
    if behind > limits.age:
        return None
    room, packets = limits.still_octets if quiet > limits.age else limits.octets, []
    for sequence in range(first, last + 1):
        packet = history.get(sequence)
        if packet is None or len(packet) > room:
            return None
        room -= len(packet)
        packets.append(packet)
    return Replay(first, packets)


class LastKeyFrame:
    """Where the last key frame of a track began, by extended sequence number, and when it came; -1 before the first."""

    def __init__(self, codec: str) -> None:
        self.start, self.came = -1, -math.inf
        self.may_begin = may_begin_key_frame(codec)
        """By the first byte of a payload: what says no here need not be given to `find`."""
        self._codec = codec
        self._timestamp = -1

    def find(self, sequence: int, payload: bytes, timestamp: int, now: float) -> KeyFrame | None:
        """The key frame that begins in a packet.

        Only its first packet counts: H.264 shows one in the parameter sets and again in the slice.
        """
        found = key_frame(self._codec, payload)
        if found is None or timestamp == self._timestamp:
            return None
        self.start, self.came, self._timestamp = sequence, now, timestamp
        return found
