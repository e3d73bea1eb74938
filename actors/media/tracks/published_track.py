"""One published track on its way to the viewers: the track, its router, and a fan-out for each variant in use."""

from collections.abc import Callable, Sequence

from attrs import define, field

from actors.media.io.sockets import UdpSocket
from actors.media.sending.sender import FanOut, PacketSender, Recipient
from actors.media.statistics import RateMeter
from protocol.sfu.outgoing import OutgoingTrack, Variant
from protocol.sfu.packet_history import AUDIO_AGE, AUDIO_BYTES, VIDEO_AGE, VIDEO_BYTES, PacketHistory
from protocol.sfu.router import TrackRouter, ViewerRequests
from protocol.sfu.rtt import RttEstimator
from protocol.sfu.track import IncomingTrack, MediaPacket
from protocol.webrtc.rtcp import ReportBlock, SenderReport, build_sdes, forward_sender_report
from protocol.webrtc.rtp import size_without_padding
from protocol.webrtc.sdp import MediaKind, SourceTrack, TrackPlan
from protocol.webrtc.stun import Address

PADDED_FOR = 10  # viewers of a picture; for fewer, packets of one size save too little to change their bytes for it

_RTP_HEADER = 12


@define(eq=False, kw_only=True)
class Subscriber:
    """One viewer of one track. `send_rtp` and `send_rtcp` encrypt and send to it alone."""

    outgoing: OutgoingTrack
    slot: Recipient
    send_rtp: Callable[[bytes], None]
    send_rtcp: Callable[[bytes], None]
    requests: ViewerRequests = field(factory=ViewerRequests)
    fan_out: FanOut | None = None
    before: tuple[int, int] = (0, 0)  # what the fan-out had sent, and in how many bytes, when the viewer came in
    after: tuple[int, int] | None = None  # the same when it left
    reported: tuple[int, float] = (0, 0.0)  # the sender report that it got last, and when

    @property
    def sent(self) -> tuple[int, int]:
        """Packets and bytes sent to it, without resends and padding."""
        if self.fan_out is None:
            return 0, 0
        end_packets, end_octets = self.after or (self.fan_out.packets, self.fan_out.octets)
        packets, octets = end_packets - self.before[0], end_octets - self.before[1]
        missed = self.slot.dropped + self.slot.failed
        return packets - missed, octets - (octets * missed // packets if packets else 0)


class PublishedTrack:
    """A published track and its viewers.

    `round_trip` is the publisher's. `asked` is called when a key frame request may have become due. `may_pad`: video
    packets may be padded to equal sizes, where that saves something.
    """

    def __init__(
        self,
        plan: TrackPlan,
        sender: PacketSender,
        *,
        ssrc: int,
        rtx_ssrc: int,
        cname: str,
        round_trip: RttEstimator,
        now: float,
        asked: Callable[[], None],
        may_pad: bool = False,
    ) -> None:
        self.is_video = is_video = plan.kind is MediaKind.VIDEO
        self.source = SourceTrack(kind=plan.kind, codec=plan.codec, ssrc=ssrc, rtx_ssrc=rtx_ssrc if is_video else None)
        self.track = IncomingTrack(
            codec=plan.codec.name,
            clock_rate=plan.codec.clock_rate,
            ssrc=ssrc,
            nack=is_video and "nack" in plan.codec.rtcp_feedback,
            ring=_ring(is_video=is_video),
            round_trip=round_trip,
        )
        self.router = TrackRouter(gated=is_video)
        self.rate = RateMeter(now)
        self.cname = cname
        self._asked = asked
        self._sender = sender
        self._may_pad = may_pad and is_video and sender.gathers
        self._fan_outs: dict[Variant, FanOut] = {}
        self._viewers: dict[OutgoingTrack, Subscriber] = {}
        self._last_report: SenderReport | None = None

    def expect(self, now: float) -> None:
        """A viewer is on its way. Have a key frame at hand when it is connected, rather than ask for one then."""
        if self.is_video and not self.track.has_fresh_key_frame:
            self.router.requests.request(now)
            self._asked()

    def join(self, viewer: Subscriber, now: float) -> int:
        """Take in a viewer that is connected; how many packets of the past it was sent to start with."""
        self._viewers[viewer.outgoing] = viewer
        self._choose_padding()
        replay = self.track.replay(now) if self.is_video else None
        if replay is None:
            self.router.join(viewer.outgoing, now)
            self._asked()
            return 0
        self.router.join_at(viewer.outgoing, replay.start)
        self._start(viewer, replay.start, now)
        self._replay(viewer, replay.packets)
        return len(replay.packets)

    def leave(self, viewer: Subscriber) -> None:
        """No packet goes to this viewer from here on. One that is not in is ignored."""
        if self._viewers.pop(viewer.outgoing, None) is None:
            return
        self._choose_padding()
        variant = viewer.outgoing.variant
        self.router.leave(viewer.outgoing)
        if viewer.fan_out is not None:
            viewer.fan_out.remove(viewer.slot)
            viewer.after = viewer.fan_out.packets, viewer.fan_out.octets
            if not len(viewer.fan_out):
                self._fan_outs.pop(variant, None)

    def readdress(self, viewer: Subscriber, socket: UdpSocket, address: Address) -> None:
        """The viewer is reached by another socket or address from here on."""
        if viewer.fan_out is None:
            viewer.slot.socket, viewer.slot.address = socket, address
        else:
            viewer.fan_out.readdress(viewer.slot, socket, address)

    def forward(self, packet: MediaPacket, now: float) -> int:
        """Queue a packet for all viewers; how many copies that makes."""
        for outgoing in self.router.admit(packet, self.track.highest):
            self._start(self._viewers[outgoing], packet.sequence, now)
        copies = 0
        for variant, data in self.router.copies(packet):
            fan_out = self._fan_outs[variant]
            fan_out.queue(data, packet.sequence)
            copies += len(fan_out)
        self.mend(now)
        return copies

    def missing(self, now: float) -> list[int]:
        """The packets to ask the publisher for now, by extended sequence number."""
        wanted = self.track.wanted(now)
        self.mend(now)
        return wanted

    def look_back(self, remote_ssrc: int, now: float) -> ReportBlock | None:
        """Once a second: what the publisher is to know of its track; None before the first packet."""
        self.rate.sample(self.track.bytes, now)
        return self.track.report(remote_ssrc, now)

    def request_key_frame(self, viewer: Subscriber, now: float) -> None:
        """A viewer cannot go on without one (PLI, FIR)."""
        self.router.requests.request(now, not_before=viewer.requests.not_before(now))
        self._asked()

    def report(self, report: SenderReport, now: float) -> None:
        """Pass the publisher's clocks on to every viewer; players align audio and video by them."""
        own = self.track.take_sender_report(report, now)
        if own is None:
            return
        self._last_report = report = own
        for viewer in self._viewers.values():
            if viewer.outgoing.start >= 0:
                self._send_report(viewer, report, now)

    def lost_packets(self, viewer: Subscriber, wanted: Sequence[int], now: float) -> list[bytes]:
        """The packets behind a viewer's NACK as it may have them again. What the server lacks itself is passed over."""
        found = []
        for number in wanted:
            sequence = viewer.outgoing.source_sequence(number, self.track.highest)
            packet = None if sequence is None else self.track.ring.get(sequence)
            if sequence is None or packet is None:
                continue
            if viewer.outgoing.budget.allow(sequence, len(packet), self.rate.bytes_per_second, now):
                found.append(viewer.outgoing.resend(packet))
        return found

    def close(self) -> None:
        """The publisher is gone: nothing goes to anybody any more."""
        for viewer in list(self._viewers.values()):
            self.leave(viewer)
        self.track.ring.clear()  # plaintext is not kept longer than the stream
        self._asked = _unasked

    def _choose_padding(self) -> None:
        self.track.pads = self._may_pad and len(self._viewers) >= PADDED_FOR

    def mend(self, now: float) -> None:
        """What will not come any more can only be made up for by a key frame."""
        if self.track.key_frame_needed:
            self.track.key_frame_needed = False
            self.router.requests.request(now)

    def _start(self, viewer: Subscriber, sequence: int, now: float) -> None:
        variant = viewer.outgoing.variant
        fan_out = self._fan_outs.get(variant)
        if fan_out is None:
            fan_out = self._fan_outs[variant] = self._sender.open()
        viewer.slot.start = sequence
        viewer.fan_out = fan_out
        viewer.before = fan_out.packets, fan_out.octets
        fan_out.add(viewer.slot)
        if self._last_report is not None:
            self._send_report(viewer, self._last_report, now)

    def _replay(self, viewer: Subscriber, packets: Sequence[bytes]) -> None:
        sent, octets = viewer.before
        viewer.before = sent - len(packets), octets - sum(map(size_without_padding, packets))
        for packet in packets:
            viewer.send_rtp(viewer.outgoing.variant.render(packet))

    def _send_report(self, viewer: Subscriber, report: SenderReport, now: float) -> None:
        viewer.reported = report.lsr, now
        packets, octets = viewer.sent
        sender_report = forward_sender_report(
            report, ssrc=self.source.ssrc, packet_count=packets, octet_count=octets - packets * _RTP_HEADER
        )
        viewer.send_rtcp(sender_report + build_sdes(self.source.ssrc, self.cname))


def _unasked() -> None:
    """Nobody can be asked for a key frame any more."""


def _ring(*, is_video: bool) -> PacketHistory:
    if is_video:
        return PacketHistory(max_age=VIDEO_AGE, max_bytes=VIDEO_BYTES)
    return PacketHistory(max_age=AUDIO_AGE, max_bytes=AUDIO_BYTES)
