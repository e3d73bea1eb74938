"""What a viewer gets who joins between two key frames: the packets from the last one on, as long as they are few.

Only a whole stretch of packets is any use: a hole would have to be asked for, and may never be filled. Time in which
nothing came counts for nothing: a picture that stands still is as good as new.
"""

from typing import NamedTuple

from protocol.sfu.packet_history import PacketHistory

REPLAY_AGE = 0.5
"""Seconds from a key frame to the newest packet; so far behind is a viewer for a moment that starts there."""
REPLAY_BYTES = 256 << 10
"""What comes to it at once; more would fill its path."""
STILL_BYTES = 2 << 20
"""The same while the picture stands still: there may be no other for a long time."""


class Replay(NamedTuple):
    """Canonical packets from the last key frame to the newest; the first has the extended sequence number `start`."""

    start: int
    packets: list[bytes]


def replay_from(history: PacketHistory, first: int, last: int, *, behind: float, quiet: float) -> Replay | None:
    """The packets from `first`, where a key frame begins, to `last`; None: the viewer has to wait for the next one.

    `behind` is the time from the key frame to the newest packet, `quiet` that since the newest packet, in seconds.
    """
    if behind > REPLAY_AGE:
        return None
    room, packets = STILL_BYTES if quiet > REPLAY_AGE else REPLAY_BYTES, []
    for sequence in range(first, last + 1):
        packet = history.get(sequence)
        if packet is None or len(packet) > room:
            return None
        room -= len(packet)
        packets.append(packet)
    return Replay(first, packets)
