"""A WebRTC peer that publishes: its RTP goes into a publication, RTCP tells it how its packets arrive."""

import math
from collections.abc import Sequence
from typing import ClassVar

from attrs import evolve

from actors.media.events import Post
from actors.media.ingest.intake import Intake
from actors.media.ingest.published_media import PublishedMedia
from actors.media.ingest.publisher_feedback import REPORT_INTERVAL, PublisherFeedback
from actors.media.ingest.ssrc_table import SsrcTable
from actors.media.io.datagrams import Datagrams
from actors.media.peer.transport import Transport, TransportServices
from actors.media.publication import Publication
from actors.media.statistics import StreamMediaStatistics
from actors.runtime.logs import get_logger
from protocol.stream.info_texts import StreamInfo
from protocol.webrtc.answer import write_answer
from protocol.webrtc.negotiation import audio_left_out
from protocol.webrtc.roles import PeerRoles
from protocol.webrtc.rtcp import Bye, RtcpPacket, SenderReport
from protocol.webrtc.rtcp_xr import ExtendedReport
from protocol.webrtc.sdp import Direction, MediaKind, Offer, TrackPlan

log = get_logger("media")


class WebRtcIngest(PublishedMedia):
    """What the owner of a stream holds that a WebRTC peer publishes. Players attach to its `publication`."""

    _report_interval: ClassVar = REPORT_INTERVAL
    _allowance: ClassVar = 1

    def __init__(
        self,
        services: TransportServices,
        offer: Offer,
        plans: Sequence[TrackPlan],
        session_id: str,
        post: Post,
        roles: PeerRoles,
        *,
        over_tcp: bool = False,
    ) -> None:
        self._context = context = services.context
        self._timers = services.timers
        self.publication = self._open_publication(plans, post)
        self._round_trip = self.publication.round_trip
        self._sources = SsrcTable(plans, self.publication.tracks)
        self._feedback = PublisherFeedback(
            context,
            plans,
            self._sources,
            self._round_trip,
            cname=self.publication.stream_id,
            send=self._send_rtcp,
            ssrc=roles.reports_as,
            interval=self._report_interval,
        )
        self._silent_at = math.inf
        self._transport = Transport(services, offer, self, session_id, post, roles)
        self._intake = Intake(
            context, self._transport, self._sources, self._feedback, self.publication, allowance=self._allowance
        )
        local = services.local_transport(self._transport.ufrag, self._transport.pwd, roles.setup, over_tcp=over_tcp)
        self.answer = write_answer(offer, plans, local, direction=Direction.RECVONLY)
        if left_out := audio_left_out(offer, plans):
            log.warning("audio is in no codec of ours", session=session_id, offered=" ".join(left_out))

    # -- for the owner -------------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        return self._transport.closed

    def close(self) -> None:
        """End it: no packet to any viewer from here on, DTLS close_notify to the publisher. Idempotent."""
        self._transport.close()

    def statistics(self) -> StreamMediaStatistics:
        return evolve(
            self.publication.statistics(),
            nacks=self._feedback.nacks,
            dropped=self._transport.drops.total,
            round_trip=self._round_trip.mean,
        )

    # -- for the transport ---------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float:
        return min(self._silent_at, self._feedback.deadline)

    def on_connected(self, now: float) -> None:
        self._feedback.start(now)
        self._hear_media(now)

    def on_moved(self) -> None:
        pass  # what is sent to a publisher asks the transport for the path each time

    def on_gap(self, now: float) -> None:
        pass  # only control packets go to a publisher

    def on_closed(self) -> None:
        self._silent_at = math.inf
        self._feedback.stop()
        self.publication.end()

    def on_rtp(self, datagrams: Datagrams, indices: Sequence[int]) -> None:
        now = self._intake.take(datagrams, indices)
        if now > -math.inf:
            self._hear_media(now)
            due = self._feedback.deadline
            if due <= now:
                self._feedback.on_time(now)
                self._timers.put_off(self._transport)
            else:
                self._timers.hasten(self._transport, due)

    def on_rtcp(self, packets: tuple[RtcpPacket, ...], now: float) -> None:
        if self._may_stand_still:
            self._hear_media(now)
        for packet in packets:
            match packet:
                case SenderReport():
                    track = self._sources.media_of(packet.ssrc)
                    if track is not None:
                        track.take_report(packet, now)
                case ExtendedReport():
                    self._feedback.take_echoes(packet, now)
                case Bye(ssrcs=ssrcs):
                    for ssrc in ssrcs:
                        self._sources.end(ssrc)

    def on_time(self, now: float) -> None:
        if self._silent_at < self._context.excused_until:
            self._silent_at = self._context.excused_until
        if now >= self._silent_at:
            self._transport.fail(StreamInfo.FAILED_BY_RTP_ACTIVITY)
        else:
            self._feedback.on_time(now)

    # -- inside --------------------------------------------------------------------------------------------------

    def _open_publication(self, plans: Sequence[TrackPlan], post: Post) -> Publication:
        return Publication(
            self._context, {plan.kind: plan.codec for plan in plans}, post=post, ask=self._ask_for_key_frames
        )

    def _hear_media(self, now: float) -> None:
        self._silent_at = now + self._context.settings.rtp_activity_timeout

    @property
    def _may_stand_still(self) -> bool:
        """A picture in which nothing moves needs no packets, as in a shared screen; sound is never that quiet."""
        sent = {kind for kind, track in self.publication.tracks.items() if track.incoming.packets}
        return sent == {MediaKind.VIDEO}

    def _ask_for_key_frames(self) -> None:
        self._feedback.ask_for_key_frames(self._context.clock())
        self._timers.schedule(self._transport)

    def _send_rtcp(self, packet: bytes) -> None:
        self._transport.send_rtcp(packet)
