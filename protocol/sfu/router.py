"""Who gets which packet of a track, and when the publisher is asked for a key frame."""

import math
from typing import NamedTuple

from protocol.sfu.outgoing import OutgoingTrack, Variant
from protocol.sfu.track import MediaPacket

MIN_REQUEST_INTERVAL = 0.4  # seconds between two key frame requests for one track
RETRY_INTERVAL = 1.0  # seconds until a request that brought no key frame is repeated
MIN_VIEWER_INTERVAL = 1.0  # seconds between two requests of one viewer; an earlier one is answered when they are over


class KeyFrameRequests:
    """Key frame requests for one track, many viewers' made into one.

    A key frame is several times the size of another frame, so at most one is asked for in `MIN_REQUEST_INTERVAL`; a
    request that comes sooner is not lost but deferred. A key frame that begins after a request answers it.
    """

    def __init__(self) -> None:
        self.deadline = math.inf  # when `due` has something to say
        self.sent = 0
        self._sent_at = -math.inf

    def request(self, now: float, *, not_before: float = -math.inf) -> None:
        """Somebody needs a key frame, at once or from `not_before` on."""
        self.deadline = min(self.deadline, max(now, not_before, self._sent_at + MIN_REQUEST_INTERVAL))

    def due(self, now: float) -> bool:
        """Is a request to be sent now? It is repeated until `arrived`."""
        if now < self.deadline:
            return False
        self.sent += 1
        self._sent_at = now
        self.deadline = now + RETRY_INTERVAL
        return True

    def arrived(self) -> None:
        self.deadline = math.inf


class ViewerRequests:
    """The key frame requests (PLI, FIR) of one viewer, which must not be able to command key frames all the time."""

    def __init__(self) -> None:
        self._next_at = -math.inf

    def not_before(self, now: float) -> float:
        """Count a request, and say from when on it may be answered."""
        allowed = max(now, self._next_at)
        if now >= self._next_at:
            self._next_at = now + MIN_VIEWER_INTERVAL
        return allowed


class Copy(NamedTuple):
    """The bytes for all viewers of one variant."""

    variant: Variant
    data: bytes


class TrackRouter:
    """The viewers of one track.

    Viewers of a video track wait for a key frame, unless the last one can be replayed (`IncomingTrack.replay`); viewers
    of an audio track wait for the next packet. `admit` starts them. `copies` gives one copy for each variant in use,
    never one for each viewer: sending to them is the packet sender's loop.
    """

    def __init__(self, *, gated: bool) -> None:
        self._gated = gated
        self._waiting: dict[OutgoingTrack, None] = {}
        self._members: dict[Variant, int] = {}

    def join(self, viewer: OutgoingTrack) -> None:
        """Add a viewer that starts with the next packet that it can start with."""
        self._waiting[viewer] = None

    def join_at(self, viewer: OutgoingTrack, sequence: int) -> None:
        """Add a viewer whose first packet, of this extended number, and all since are sent to it by the caller."""
        viewer.begin(sequence)
        self._members[viewer.variant] = self._members.get(viewer.variant, 0) + 1

    def leave(self, viewer: OutgoingTrack) -> None:
        """Forget a viewer; one that never joined is ignored."""
        if viewer in self._waiting:
            del self._waiting[viewer]
        elif viewer.start >= 0:
            self._members[viewer.variant] -= 1
            if not self._members[viewer.variant]:
                del self._members[viewer.variant]
            viewer.start = -1

    def admit(self, packet: MediaPacket, highest: int) -> list[OutgoingTrack]:
        """The viewers that start with this packet. `highest` is the newest sequence number of the track.

        Call it before `copies`. A late packet starts nobody.
        """
        if not self._waiting or packet.sequence != highest or (self._gated and packet.key_frame is None):
            return []
        started = list(self._waiting)
        self._waiting.clear()
        for viewer in started:
            self.join_at(viewer, packet.sequence)
        return started

    def copies(self, packet: MediaPacket) -> list[Copy]:
        """The packet as each variant in use needs it."""
        return [Copy(variant, variant.render(packet.data)) for variant in self._members]
