"""The two ends of a published track without WebRTC: a source of plain RTP packets, and a sink that keeps everything."""

from collections.abc import Iterable

from attrs import define, field

from actors.media.context import MediaContext
from actors.media.events import Post
from actors.media.publication import Publication
from actors.media.tracks.packet_sink import PacketSink
from protocol.sfu.incoming_track import MediaPacket
from protocol.webrtc.rtcp import SenderReport
from protocol.webrtc.rtp import parse_header, payload
from protocol.webrtc.sdp import Codec, MediaKind

OPUS = Codec(payload_type=0, name="OPUS", clock_rate=48_000, channels=2)
VP8 = Codec(payload_type=0, name="VP8", clock_rate=90_000)


class PlainSource:
    """An ingest that is fed by hand: no peer, no encryption, nobody to send RTCP to."""

    def __init__(self, context: MediaContext, *, post: Post, video: Codec = VP8) -> None:
        self.key_frames_asked = 0
        self._context = context
        self.publication = Publication(
            context, {MediaKind.AUDIO: OPUS, MediaKind.VIDEO: video}, post=post, ask=self._ask_for_key_frames
        )

    def feed(self, kind: MediaKind, packets: Iterable[bytes]) -> None:
        """RTP packets of one track come, all at once."""
        track, now = self.publication.tracks[kind], self._context.clock()
        for data in packets:
            header = parse_header(data)
            body = payload(data, header)
            packet = track.incoming.receive(header.sequence, header.timestamp, header.marker, body, now)
            self.publication.take(track, packet, now)
        self._context.flush()

    def _ask_for_key_frames(self) -> None:
        for track in self.publication.tracks.values():
            self.key_frames_asked += track.requests.due(self._context.clock())


@define(eq=False)
class KeepingSink(PacketSink):
    """A sink that is no viewer: it keeps what it gets, with the time."""

    packets: list[tuple[MediaPacket, float]] = field(factory=list)
    reports: list[SenderReport] = field(factory=list)
    ended: bool = False

    def take(self, packet: MediaPacket, now: float) -> None:
        self.packets.append((packet, now))

    def take_report(self, report: SenderReport, now: float) -> None:
        self.reports.append(report)

    def end(self) -> None:
        self.ended = True

    @property
    def payloads(self) -> list[bytes]:
        return [payload(packet.data, parse_header(packet.data)) for packet, _ in self.packets]
