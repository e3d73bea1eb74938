"""Who gets which packet of a track."""

from protocol.sfu.incoming_track import MediaPacket
from protocol.sfu.outgoing_track import OutgoingTrack, Variant

Copy = tuple[Variant, bytes]
"""The bytes for all viewers of one variant."""


class TrackRouter:
    """The viewers of one track.

    Viewers of a video track wait for a key frame, unless the last one can be replayed (`IncomingTrack.replay`); viewers
    of an audio track wait for the next packet. `admit` starts them. `copies` makes one copy for each variant in use,
    never one for each viewer: the packet sender loops over the viewers.
    """

    def __init__(self, *, gated: bool) -> None:
        self._gated = gated
        self._waiting: dict[OutgoingTrack, None] = {}
        self._members: dict[Variant, int] = {}

    def join(self, viewer: OutgoingTrack) -> None:
        """Add a viewer that starts with the first packet it can start with."""
        self._waiting[viewer] = None

    def join_at(self, viewer: OutgoingTrack, sequence: int) -> None:
        """Add a viewer to which the caller sends the packets from this extended number up to the newest."""
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

    @property
    def starts_anywhere(self) -> bool:
        """Whether some viewer waits that starts with any packet."""
        return bool(self._waiting) and not self._gated

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
        data = packet.data
        return [(variant, variant.render(data)) for variant in self._members]
