"""A published stream: takes the publisher's RTP, keeps the publisher informed, feeds the viewers."""

import math
from collections.abc import Sequence

from actors.media.facts import Flowing, Resized
from actors.media.feed import Feed
from actors.media.network import Network
from actors.media.sources import Source, SourceTable
from actors.media.statistics import BitrateLimit, StreamMediaStatistics
from actors.media.transport import Post, Transport
from protocol.sfu.track import MediaPacket
from protocol.signaling.statuses import StreamInfo
from protocol.webrtc.answer import write_answer
from protocol.webrtc.rtcp import (
    RtcpPacket,
    SenderReport,
    build_fir,
    build_nack,
    build_pli,
    build_receiver_report,
    build_sdes,
)
from protocol.webrtc.rtp import (
    HEADER_SIZE,
    RtpError,
    RtpHeader,
    extension_u16,
    parse_header,
    payload,
    peek_ssrc,
)
from protocol.webrtc.sdp import Direction, LocalTransport, MediaKind, Offer, SourceTrack, TrackPlan
from protocol.webrtc.srtp import MAX_PACKET
from protocol.webrtc.twcc import TwccRecorder

REPORT_INTERVAL = 1.0  # seconds between receiver reports
FEEDBACK_INTERVAL = 0.1  # seconds between transport-cc feedbacks


class Publication:
    """What the owner of a published stream holds, and what players attach to."""

    def __init__(self, network: Network, offer: Offer, plans: Sequence[TrackPlan], session_id: str, post: Post) -> None:
        now = network.clock()
        self._network = network
        self._post = post
        self._ssrc = network.random_number(32)  # the sender of our feedback
        self.stream_id = network.entropy(8).hex()
        self._feeds = {plan.kind: self._open_feed(plan, now) for plan in plans}
        self._sources = SourceTable(plans, self._feeds)
        self._limit = BitrateLimit(network.settings.max_publisher_bitrate, now)
        self._twcc = TwccRecorder()
        self._twcc_id = next((plan.twcc_extension_id for plan in plans if plan.twcc_extension_id is not None), None)
        self._flowing = False
        self._width = self._height = 0
        self._nacks = self._over_bitrate = self._fir_number = 0
        self._report_at = self._feedback_at = self._silent_at = math.inf
        self._transport = Transport(network, offer, self, session_id, post)
        self.answer = write_answer(
            offer, plans, local_transport(network, self._transport), direction=Direction.RECVONLY
        )

    # -- for the owner -------------------------------------------------------------------------------------------

    @property
    def audio_codec(self) -> str | None:
        """Canonical name (OPUS, PCMU, PCMA), None without audio."""
        return self._codec(MediaKind.AUDIO)

    @property
    def video_codec(self) -> str | None:
        """Canonical name (VP8, H264, VP9, AV1), None without video."""
        return self._codec(MediaKind.VIDEO)

    @property
    def has_audio(self) -> bool:
        return MediaKind.AUDIO in self._feeds

    @property
    def has_video(self) -> bool:
        return MediaKind.VIDEO in self._feeds

    @property
    def width(self) -> int:
        """Of the picture, in pixels; 0 until known."""
        return self._width

    @property
    def height(self) -> int:
        """Of the picture, in pixels; 0 until known."""
        return self._height

    @property
    def closed(self) -> bool:
        return self._transport.closed

    def request_key_frame(self) -> None:
        """Ask the publisher for one; requests that come close together are made into one."""
        for feed in self._feeds.values():
            if feed.source.kind is MediaKind.VIDEO:
                feed.router.requests.request(self._network.clock())
        self._ask_for_key_frames()

    def close(self) -> None:
        """End it: no packet to any viewer from here on, DTLS close_notify to the publisher. Idempotent."""
        self._transport.close()

    def statistics(self) -> StreamMediaStatistics:
        tracks = [feed.track for feed in self._feeds.values()]
        return StreamMediaStatistics(
            packets=sum(track.packets for track in tracks),
            bytes=sum(track.bytes for track in tracks),
            bitrate_kbps=sum(feed.rate.kbps for feed in self._feeds.values()),
            lost=sum(track.lost for track in tracks),
            nacks=self._nacks,
            plis=sum(feed.router.requests.sent for feed in self._feeds.values()),
            dropped=self._over_bitrate,
        )

    # -- for playbacks -------------------------------------------------------------------------------------------

    @property
    def sources(self) -> tuple[SourceTrack, ...]:
        """The tracks as players are offered them."""
        return tuple(feed.source for feed in self._feeds.values())

    def feed(self, kind: MediaKind) -> Feed:
        return self._feeds[kind]

    # -- for the transport ---------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float:
        when = min(self._report_at, self._feedback_at, self._silent_at)
        if when < math.inf:  # nothing can be asked before DTLS is up
            for feed in self._sources.media:
                when = min(when, feed.track.losses.deadline, feed.router.requests.deadline)
        return when

    def on_connected(self, now: float) -> None:
        self._report_at = now + REPORT_INTERVAL
        self._silent_at = now + self._network.settings.rtp_activity_timeout

    def on_moved(self) -> None:
        pass  # whatever is sent to a publisher asks the transport for the way

    def on_closed(self) -> None:
        self._report_at = self._feedback_at = self._silent_at = math.inf
        for feed in self._feeds.values():
            feed.close()

    def on_rtp(self, data: bytes, now: float) -> None:
        counters = self._network.counters
        if len(data) < HEADER_SIZE:
            counters.malformed += 1
            return
        if not self._limit.allow(len(data), now):
            counters.over_bitrate += 1
            self._over_bitrate += 1
            return
        ssrc = peek_ssrc(data)
        source = self._sources.find(ssrc, data[1] & 0x7F)
        if source is None:
            counters.unexpected += 1
            return
        plain = self._transport.unprotect(data, now)
        if plain is None:
            return
        try:
            self._take(ssrc, source, plain, now)
        except RtpError:
            counters.malformed += 1

    def on_rtcp(self, packets: tuple[RtcpPacket, ...], now: float) -> None:
        for packet in packets:
            if isinstance(packet, SenderReport):
                feed = self._sources.media_of(packet.ssrc)
                if feed is not None:
                    feed.report(packet, now)

    def on_time(self, now: float) -> None:
        if now >= self._silent_at:
            self._transport.fail(StreamInfo.FAILED_BY_RTP_ACTIVITY)
            return
        if now >= self._feedback_at:
            self._feedback_at = math.inf
            self._send_feedback()
        self._send_nacks(now)
        self._ask_for_key_frames()
        if now >= self._report_at:
            self._report_at = now + REPORT_INTERVAL
            self._send_report(now)

    # -- packets in ----------------------------------------------------------------------------------------------

    def _take(self, ssrc: int, source: Source, plain: bytes, now: float) -> None:
        header = parse_header(plain)
        if self._twcc_id is not None:
            self._record_arrival(plain, header, now)
        if header.payload_type != source.payload_type or len(plain) > MAX_PACKET:
            self._network.counters.unexpected += 1
            return
        if ssrc not in self._sources:
            self._sources.bind(ssrc, source)
        self._silent_at = now + self._network.settings.rtp_activity_timeout
        track, body = source.feed.track, payload(plain, header)
        if source.is_rtx:
            packet = track.receive_rtx(header.timestamp, header.marker, body, now)
        else:
            packet = track.receive(header.sequence, header.timestamp, header.marker, body, now)
        if packet is not None:
            self._forward(source.feed, packet, now)
        self._transport.reschedule()

    def _forward(self, feed: Feed, packet: MediaPacket, now: float) -> None:
        self._network.counters.forwarded += feed.forward(packet, now)
        if not self._flowing:
            self._flowing = True
            self._post(Flowing())
        if packet.key_frame is not None and packet.key_frame.width:
            self._resize(packet.key_frame.width, packet.key_frame.height)
        if feed.track.key_frame_needed:
            feed.track.key_frame_needed = False
            feed.router.requests.request(now)

    def _resize(self, width: int, height: int) -> None:
        if (width, height) != (self._width, self._height):
            self._width, self._height = width, height
            self._post(Resized(width=width, height=height))

    def _record_arrival(self, plain: bytes, header: RtpHeader, now: float) -> None:
        number = extension_u16(plain, header, self._twcc_id or 0)
        if number is not None:
            self._twcc.record(number, int(now * 1_000_000))
            self._feedback_at = min(self._feedback_at, now + FEEDBACK_INTERVAL)

    def _open_feed(self, plan: TrackPlan, now: float) -> Feed:
        network = self._network
        return Feed(
            plan,
            network.sender,
            ssrc=network.random_number(32),
            rtx_ssrc=network.random_number(32),
            cname=self.stream_id,
            now=now,
            asked=self._ask_for_key_frames,
        )

    # -- feedback out --------------------------------------------------------------------------------------------

    def _send_feedback(self) -> None:
        media_ssrc = next(iter(self._sources.media.values()), 0)
        while feedback := self._twcc.build_feedback(sender_ssrc=self._ssrc, media_ssrc=media_ssrc):
            self._transport.send_rtcp(feedback)

    def _send_nacks(self, now: float) -> None:
        for feed, ssrc in self._sources.media.items():
            missing = feed.track.losses.due(now)
            if missing:
                self._nacks += len(missing)
                self._transport.send_rtcp(build_nack(self._ssrc, ssrc, sorted(missing)))

    def _ask_for_key_frames(self) -> None:
        """Send what requests are due; called for every new one too, so that the first leaves at once."""
        now = self._network.clock()
        for feed, ssrc in self._sources.media.items():
            if self._report_at < math.inf and feed.router.requests.due(now):
                self._transport.send_rtcp(self._key_frame_request(feed, ssrc))
        self._transport.reschedule()

    def _key_frame_request(self, feed: Feed, ssrc: int) -> bytes:
        if "nack pli" in feed.source.codec.rtcp_feedback:
            return build_pli(self._ssrc, ssrc)
        self._fir_number += 1
        return build_fir(self._ssrc, ssrc, self._fir_number)

    def _send_report(self, now: float) -> None:
        for feed in self._feeds.values():
            feed.rate.sample(feed.track.bytes, now)
        blocks = [feed.track.report(ssrc, now) for feed, ssrc in self._sources.media.items()]
        report = build_receiver_report(self._ssrc, [block for block in blocks if block is not None])
        self._transport.send_rtcp(report + build_sdes(self._ssrc, self.stream_id))

    def _codec(self, kind: MediaKind) -> str | None:
        return self._feeds[kind].source.codec.name if kind in self._feeds else None


def local_transport(network: Network, transport: Transport) -> LocalTransport:
    """The server's end of a transport as an answer tells it."""
    return LocalTransport(
        ufrag=transport.ufrag,
        pwd=transport.pwd,
        fingerprint=network.context.fingerprint,
        candidates=tuple(address for entry in network.sockets for address in entry.advertised),
    )
