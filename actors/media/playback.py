"""A played stream: one viewer of a publication."""

import math
from collections.abc import Sequence

from actors.media.events import NotEnoughBandwidth, Post, discard
from actors.media.io.datagrams import Datagrams
from actors.media.peer.transport import Transport, TransportServices
from actors.media.publication import Publication
from actors.media.sending.sender import Recipient
from actors.media.statistics import StreamMediaStatistics
from actors.media.subscribers import Subscriber, Subscribers
from actors.media.tracks.rates import RateMeter
from protocol.metrics.labels import PLAY
from protocol.sfu.bandwidth import ReportedLoss, Shortage
from protocol.sfu.outgoing_track import OutgoingTrack
from protocol.sfu.rtt import RttEstimator
from protocol.webrtc.answer import write_answer
from protocol.webrtc.roles import PeerRoles
from protocol.webrtc.rtcp import (
    BitrateEstimate,
    FullIntraRequest,
    Nack,
    PictureLoss,
    ReceiverReport,
    ReportBlock,
    RtcpPacket,
    SenderReport,
)
from protocol.webrtc.sdp import Direction, MediaKind, Offer, TrackPlan


class _PlayedTrack:
    """One track of the playback: its place among the track's subscribers, and the losses that the viewer reports."""

    def __init__(self, subscribers: Subscribers, subscriber: Subscriber) -> None:
        self.subscribers = subscribers
        self.subscriber = subscriber
        self.lost = 0
        self.losses = ReportedLoss()

    def round_trip(self, block: ReportBlock, now: float) -> float | None:
        """Seconds, when the viewer's report refers to the sender report that it got last."""
        lsr, sent_at = self.subscriber.reported
        return now - sent_at - block.dlsr / 65536 if block.lsr and block.lsr == lsr else None


class Playback:
    """What the owner of a played stream holds."""

    def __init__(
        self,
        services: TransportServices,
        offer: Offer,
        plans: Sequence[TrackPlan],
        publication: Publication,
        *,
        session_id: str,
        post: Post,
        roles: PeerRoles,
        over_tcp: bool = False,
    ) -> None:
        self._context = services.context
        self._port = services.port
        self._publication = publication
        self._is_withdrawn = False
        self._is_for_node = roles.shares is not None
        self._plans = {plan.kind: plan for plan in plans}
        self._tracks: dict[int, _PlayedTrack] = {}  # by the SSRC that we send
        self._rate = RateMeter(services.context.clock())
        self._post = post
        self._round_trip = RttEstimator()
        self._shortage = Shortage()
        self._nacks = self._plis = self._resent = self._resent_bytes = self._available = 0
        self._transport = Transport(services, offer, self, session_id, post, roles)
        self.answer = write_answer(
            offer,
            plans,
            services.local_transport(self._transport.ufrag, self._transport.pwd, roles.setup, over_tcp=over_tcp),
            direction=Direction.SENDONLY,
            cname=publication.stream_id,
            stream_id=publication.stream_id,
        )
        for kind in self._plans:
            publication.tracks[kind].expect(services.context.clock())
        self._needs_compounds = any(plan.has_compound_feedback for plan in plans)
        self._context.compound_viewers += self._needs_compounds

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
    def closed(self) -> bool:
        return self._transport.closed

    @property
    def publication(self) -> Publication:
        return self._publication

    @property
    def bitrate_kbps(self) -> int:
        """What is sent, measured over the last moments."""
        return 0 if self.closed else self._rate.kbps

    def withdraw(self) -> None:
        """No media from here on; `close` follows."""
        self._is_withdrawn = True
        for track in self._tracks.values():
            track.subscribers.leave(track.subscriber)

    def close(self) -> None:
        """End it: no packet from here on, then DTLS close_notify. Idempotent."""
        self._transport.close()

    def statistics(self) -> StreamMediaStatistics:
        packets, octets = self._sent()
        self._rate.sample(octets, self._context.clock())
        tracks = self._tracks.values()
        return StreamMediaStatistics(
            packets=packets,
            bytes=octets,
            video_bytes=sum(track.subscriber.sent[1] for track in tracks if track.subscribers.track.is_video),
            bitrate_kbps=0 if self.closed else self._rate.kbps,
            lost=sum(track.lost for track in tracks),
            nacks=self._nacks,
            plis=self._plis,
            resent=self._resent,
            dropped=sum(track.subscriber.recipient.dropped + track.subscriber.recipient.failed for track in tracks),
            round_trip=self._round_trip.mean,
            available_kbps=self._available,
        )

    # -- for the transport ---------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float:
        return math.inf

    def on_connected(self, now: float) -> None:
        if not self._publication.ended and not self._is_withdrawn:
            for plan in self._plans.values():
                self._join(plan, now)

    def on_moved(self) -> None:
        path, port = self._transport.path, self._port
        if path is not None:
            for track in self._tracks.values():
                track.subscribers.readdress(track.subscriber, port.outlet(path), path.remote, by_tcp=port.is_tcp(path))

    def on_gap(self, now: float) -> None:
        for track in self._tracks.values():
            track.subscribers.restart(track.subscriber, now)

    def on_closed(self) -> None:
        self._post = discard
        self._context.compound_viewers -= self._needs_compounds
        self.withdraw()

    def on_rtp(self, datagrams: Datagrams, indices: Sequence[int]) -> None:
        self._context.counters.unexpected += len(indices)  # a player has nothing to send

    def on_time(self, now: float) -> None:
        pass

    def on_rtcp(self, packets: tuple[RtcpPacket, ...], now: float) -> None:
        for packet in () if self._is_withdrawn else packets:
            match packet:
                case Nack(media_ssrc=ssrc, lost=lost):
                    self._resend(ssrc, lost, now)
                case PictureLoss(media_ssrc=ssrc):
                    self._request_key_frame(ssrc, now)
                case FullIntraRequest(entries=entries):
                    for ssrc, _ in entries:
                        self._request_key_frame(ssrc, now)
                case ReceiverReport(reports=blocks) | SenderReport(reports=blocks):
                    self._take_reports(blocks, now)
                case BitrateEstimate(bitrate=bitrate):
                    self._take_estimate(bitrate, now)

    # -- inside --------------------------------------------------------------------------------------------------

    def _join(self, plan: TrackPlan, now: float) -> None:
        transport = self._transport
        path, subscribers = transport.path, self._publication.subscribers(plan.kind)
        if path is None or transport.transmitter is None:
            return
        outgoing = OutgoingTrack(
            payload_type=plan.codec.payload_type,
            rtx_payload_type=plan.rtx_payload_type,
            rtx_ssrc=plan.rtx_ssrc,
            rtx_sequence=self._context.random_number(16),
            round_trip=self._round_trip,
            now=now,
            by_tcp=self._port.is_tcp(path),
            for_node=self._is_for_node,
        )
        recipient = Recipient(transmitter=transport.transmitter, socket=self._port.outlet(path), address=path.remote)
        subscriber = Subscriber(
            outgoing=outgoing, recipient=recipient, send_rtp=transport.send_rtp, send_rtcp=transport.send_rtcp
        )
        self._tracks[subscribers.track.source.ssrc] = _PlayedTrack(subscribers, subscriber)
        subscribers.join(subscriber, now)

    def _resend(self, ssrc: int, lost: Sequence[int], now: float) -> None:
        track = self._tracks.get(ssrc)
        if track is None:
            return
        self._nacks += len(lost)
        for packet in track.subscribers.resends(track.subscriber, lost, now):
            self._resent += 1
            self._resent_bytes += len(packet)
            self._context.counters.resent += 1
            self._transport.send_rtp(packet)

    def _request_key_frame(self, ssrc: int, now: float) -> None:
        track = self._tracks.get(ssrc)
        if track is not None and track.subscribers.track.is_video:
            self._plis += 1
            track.subscribers.request_key_frame(track.subscriber, now)

    def _take_reports(self, blocks: Sequence[ReportBlock], now: float) -> None:
        self._rate.sample(self._sent()[1], now)
        quality = self._context.quality.paths[PLAY]
        for block in blocks:
            track = self._tracks.get(block.ssrc)
            if track is None:
                continue
            quality.reported(block, track.subscribers.track.source.codec.clock_rate)
            track.lost = max(block.packets_lost, 0)
            share = track.losses.take(block.highest_sequence, block.packets_lost, now)
            if share is not None:
                self._shortage.losing(share, now)
            seconds = track.round_trip(block, now)
            if seconds is not None:
                self._round_trip.sample(seconds)
                quality.answered(seconds)

    def _take_estimate(self, bandwidth: int, now: float) -> None:
        """Compare what the viewer can receive (REMB) with what the publisher sends of the stream's tracks."""
        self._available = bandwidth // 1000
        bitrate = sum(track.subscribers.track.rate.bytes_per_second * 8 for track in self._tracks.values())
        if self._shortage.update(bitrate, bandwidth, now):
            self._post(NotEnoughBandwidth(bitrate=round(bitrate), bandwidth=bandwidth))

    def _sent(self) -> tuple[int, int]:
        packets, octets = self._resent, self._resent_bytes
        for track in self._tracks.values():
            more_packets, more_octets = track.subscriber.sent
            packets, octets = packets + more_packets, octets + more_octets
        return packets, octets

    def _codec(self, kind: MediaKind) -> str | None:
        return self._plans[kind].codec.name if kind in self._plans else None
