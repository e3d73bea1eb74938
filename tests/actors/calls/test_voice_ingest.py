"""A call's voice as a publication, whatever source the phone sends it from."""

from actors.media.call.voice_ingest import VoiceIngest
from actors.media.context import MediaContext
from actors.media.events import discard
from actors.media.sending.sender import PortableSender
from actors.media.tracks.packet_sink import PacketSink
from config.settings import Settings
from protocol.sfu.incoming_track import MediaPacket
from protocol.webrtc.rtcp import SenderReport
from protocol.webrtc.rtp import HEADER_SIZE, RtpHeader, parse_header, payload
from protocol.webrtc.sdp import Codec, MediaKind

PCMU = Codec(payload_type=0, name="PCMU", clock_rate=8_000)


class Listener(PacketSink):
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, bytes]] = []

    def take(self, packet: MediaPacket, now: float) -> None:
        header = parse_header(packet.data)
        self.heard.append((header.sequence, payload(packet.data, header)))

    def take_report(self, report: SenderReport, now: float) -> None: ...

    def end(self) -> None: ...


def test_another_source_of_the_phone_is_heard_at_once() -> None:
    context = MediaContext(
        settings=Settings(), sender=PortableSender(), clock=lambda: 0.0, entropy=lambda size: b"\1" * size
    )
    voice, listener = VoiceIngest(context, PCMU, discard), Listener()
    voice.publication.tracks[MediaKind.AUDIO].attach(listener)
    for index, (ssrc, sequence) in enumerate([(1, 50_000), (1, 50_001), (2, 40_000), (2, 40_001), (3, 40_001)]):
        header = RtpHeader(0, False, sequence, 160 * sequence, ssrc, HEADER_SIZE, 0, 0, 0, 0)
        voice.send(header, bytes([index]), PCMU, 0.02 * index)
    assert [body for _, body in listener.heard] == [b"\0", b"\1", b"\2", b"\3", b"\4"]
    first = listener.heard[0][0]
    assert [sequence for sequence, _ in listener.heard] == list(range(first, first + 5))
