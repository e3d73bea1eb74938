"""What takes the packets of a published track: the fan-out to viewers, and whatever else wants them."""

from typing import Protocol

from protocol.sfu.incoming_track import MediaPacket, MediaRun
from protocol.webrtc.rtcp import SenderReport


class PacketSink(Protocol):
    """Gets what comes of a track between `PublishedTrack.attach` and `detach`.

    It is called while the packet is handled, so it must not wait. An error that it raises ends the publication. A sink
    that detaches itself meanwhile still gets the rest of a run.
    """

    def take(self, packet: MediaPacket, now: float) -> None:
        """A packet that arrived at `now`, in seconds of the plane's clock.

        Every packet comes once, as it arrives: a retransmitted one comes late, below the highest `packet.sequence` so
        far. `packet.data` has payload type 0 and the SSRC of `PublishedTrack.source`, whatever the publisher's are, and
        may end in RTP padding. A change of the picture's size shows in `packet.key_frame`.
        """

    def take_run(self, run: MediaRun) -> None:
        """Packets that came together: `take` for each of them."""
        for packet, now in run.singly():
            self.take(packet, now)

    def take_report(self, report: SenderReport, now: float) -> None:
        """The publisher's wall clock at a timestamp of this track, by which audio and video are aligned."""

    def end(self) -> None:
        """The track has ended, and the sink is detached."""
