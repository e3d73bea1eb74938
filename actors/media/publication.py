"""A published stream: takes the publisher's RTP, keeps the publisher informed, feeds the viewers."""

import math
from collections.abc import Sequence

from actors.media.events import Flowing, Resized
from actors.media.peer.transport import Post, Transport, TransportServices, discard
from actors.media.statistics import StreamMediaStatistics
from actors.media.tracks.intake import Intake
from actors.media.tracks.published_track import PublishedTrack
from actors.media.tracks.publisher_feedback import PublisherFeedback
from actors.media.tracks.ssrc_table import SsrcTable
from actors.runtime.logs import get_logger
from protocol.sfu.rtt import RttEstimator
from protocol.sfu.track import MediaPacket
from protocol.stream.statuses import StreamInfo
from protocol.webrtc.answer import write_answer
from protocol.webrtc.negotiation import audio_left_out
from protocol.webrtc.rtcp import Bye, RtcpPacket, SenderReport
from protocol.webrtc.rtcp_xr import ExtendedReport
from protocol.webrtc.sdp import Direction, LocalTransport, MediaKind, Offer, SourceTrack, TrackPlan

log = get_logger("media")


class Publication:
    """What the owner of a published stream holds, and what players attach to."""

    def __init__(
        self, services: TransportServices, offer: Offer, plans: Sequence[TrackPlan], session_id: str, post: Post
    ) -> None:
        self._context = context = services.context
        self._timers = services.timers
        now = context.clock()
        self._post = post
        self.stream_id = context.entropy(8).hex()
        self._round_trip = RttEstimator()
        self._feeds = {plan.kind: self._open_feed(plan, now) for plan in plans}
        self._sources = SsrcTable(plans, self._feeds)
        self._feedback = PublisherFeedback(
            context, plans, self._sources, self._round_trip, cname=self.stream_id, send=self._send_rtcp
        )
        self._flowing = False
        self._width = self._height = 0
        self._silent_at = math.inf
        self._transport = Transport(services, offer, self, session_id, post)
        self._intake = Intake(context, self._transport, self._sources, self._feedback)
        self.answer = write_answer(
            offer, plans, local_transport(services, self._transport), direction=Direction.RECVONLY
        )
        if left_out := audio_left_out(offer, plans):
            log.warning("audio is in no codec of ours", session=session_id, offered=" ".join(left_out))

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
            if feed.is_video:
                feed.router.requests.request(self._context.clock())
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
            nacks=self._feedback.nacks,
            plis=sum(feed.router.requests.sent for feed in self._feeds.values()),
            dropped=self._transport.drops.total,
            round_trip=self._round_trip.mean,
        )

    # -- for playbacks -------------------------------------------------------------------------------------------

    @property
    def sources(self) -> tuple[SourceTrack, ...]:
        """The tracks as players are offered them."""
        return tuple(feed.source for feed in self._feeds.values())

    def feed(self, kind: MediaKind) -> PublishedTrack:
        return self._feeds[kind]

    # -- for the transport ---------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float:
        return min(self._silent_at, self._feedback.deadline)

    def on_connected(self, now: float) -> None:
        self._feedback.start(now)
        self._hear_media(now)

    def on_moved(self) -> None:
        pass  # whatever is sent to a publisher asks the transport for the way

    def on_closed(self) -> None:
        self._post = discard
        self._silent_at = math.inf
        self._feedback.stop()
        for feed in self._feeds.values():
            feed.close()

    def on_rtp(self, data: bytes, now: float) -> None:
        taken = self._intake.take(data, now)
        if taken is None:
            return
        self._hear_media(now)
        if taken.packet is None:
            taken.feed.mend(now)
        else:
            self._forward(taken.feed, taken.packet, now)
        self._timers.schedule_later(self._transport)

    def on_rtcp(self, packets: tuple[RtcpPacket, ...], now: float) -> None:
        if self._may_stand_still:
            self._hear_media(now)
        for packet in packets:
            match packet:
                case SenderReport():
                    feed = self._sources.media_of(packet.ssrc)
                    if feed is not None:
                        feed.report(packet, now)
                case ExtendedReport():
                    self._feedback.take_echoes(packet, now)
                case Bye(ssrcs=ssrcs):
                    for ssrc in ssrcs:
                        self._sources.end(ssrc)

    def on_time(self, now: float) -> None:
        if now >= self._silent_at:
            self._transport.fail(StreamInfo.FAILED_BY_RTP_ACTIVITY)
        else:
            self._feedback.on_time(now)

    # -- packets in ----------------------------------------------------------------------------------------------

    def _hear_media(self, now: float) -> None:
        self._silent_at = now + self._context.settings.rtp_activity_timeout

    @property
    def _may_stand_still(self) -> bool:
        """A picture in which nothing moves needs no packets, as in a shared screen; sound is never that quiet."""
        sent = {kind for kind, feed in self._feeds.items() if feed.track.packets}
        return sent == {MediaKind.VIDEO}

    def _forward(self, feed: PublishedTrack, packet: MediaPacket, now: float) -> None:
        context, copies = self._context, feed.forward(packet, now)
        context.counters.forwarded += copies
        if copies and feed.is_video and packet.sequence == feed.track.highest:
            context.in_picture = not packet.ends_picture
        if not self._flowing:
            self._flowing = True
            self._post(Flowing())
        if packet.key_frame is not None and packet.key_frame.width:
            self._resize(packet.key_frame.width, packet.key_frame.height)

    def _resize(self, width: int, height: int) -> None:
        if (width, height) != (self._width, self._height):
            self._width, self._height = width, height
            self._post(Resized(width=width, height=height))

    def _open_feed(self, plan: TrackPlan, now: float) -> PublishedTrack:
        context = self._context
        return PublishedTrack(
            plan,
            context.sender,
            ssrc=context.random_number(32),
            rtx_ssrc=context.random_number(32),
            cname=self.stream_id,
            round_trip=self._round_trip,
            now=now,
            asked=self._ask_for_key_frames,
            may_pad=context.settings.media_padding,
        )

    def _ask_for_key_frames(self) -> None:
        self._feedback.ask_for_key_frames(self._context.clock())
        self._timers.schedule(self._transport)

    def _send_rtcp(self, packet: bytes) -> None:
        self._transport.send_rtcp(packet)

    def _codec(self, kind: MediaKind) -> str | None:
        return self._feeds[kind].source.codec.name if kind in self._feeds else None


def local_transport(services: TransportServices, transport: Transport) -> LocalTransport:
    """The server's end of a transport as an answer tells it."""
    return LocalTransport(
        ufrag=transport.ufrag,
        pwd=transport.pwd,
        fingerprint=services.handshakes.fingerprint,
        candidates=services.port.candidates,
    )
