"""RTCP to a publisher: what arrived and when, what is missing, how much it may send, when a key frame is needed."""

import math
from collections.abc import Callable, Sequence

from actors.media.context import MediaContext
from actors.media.ingest.ssrc_table import SsrcTable
from actors.media.tracks.published_track import PublishedTrack
from protocol.metrics.labels import PUBLISH
from protocol.sfu.bandwidth import UplinkEstimate
from protocol.sfu.rtt import RttEstimator
from protocol.webrtc.rtcp import (
    ReportBlock,
    build_fir,
    build_nack,
    build_pli,
    build_receiver_report,
    build_remb,
    build_sdes,
)
from protocol.webrtc.rtcp_xr import ExtendedReport, build_reference_time
from protocol.webrtc.rtp import STOP_ID, RtpHeader, extension_u16
from protocol.webrtc.sdp import MediaKind, TrackPlan
from protocol.webrtc.twcc import TICK_US, TwccRecorder

REPORT_INTERVAL = 1.0  # seconds between receiver reports
FEEDBACK_INTERVAL = 0.1  # seconds from an arrival until a later one takes its transport-cc feedback along
FEEDBACK_DELAY = 0.15  # seconds until it is sent in any case; to wake up for it alone costs as much as ten packets

_TICKS = 1_000_000 / TICK_US  # a second


class PublisherFeedback:
    """The RTCP towards one publisher. Nothing is sent before `start` or after `stop`.

    `send` encrypts and sends to the publisher; under `ssrc` or a random one. `interval`: seconds between two receiver
    reports. `round_trip` is the publisher's, measured here and by its tracks. Feedback on a track whose section has no
    `rtcp-rsize` is part of a compound packet (RFC 5506, RFC 3550 section 6.1).
    """

    def __init__(
        self,
        context: MediaContext,
        plans: Sequence[TrackPlan],
        sources: SsrcTable,
        round_trip: RttEstimator,
        *,
        cname: str,
        send: Callable[[bytes], None],
        ssrc: int | None = None,
        interval: float = REPORT_INTERVAL,
    ) -> None:
        self.nacks = 0
        self._quality = context.quality.paths[PUBLISH]
        self._round_trip = round_trip
        self._sources = sources
        self._cname = cname
        self._send = send
        self._ssrc = context.random_number(32) if ssrc is None else ssrc
        self._interval = interval
        self._opening = build_receiver_report(self._ssrc) + build_sdes(self._ssrc, cname)
        self._reduced = {plan.kind for plan in plans if plan.reduced_size}
        self._twcc = TwccRecorder()
        self._twcc_id = next((plan.twcc_extension_id for plan in plans if plan.twcc_extension_id is not None), None)
        self.tag = _one_byte_tag(self._twcc_id)
        """How a header extension with a packet's number begins: 0 without such numbers, -1 in no one-byte form."""
        ceiling = context.settings.max_publisher_bitrate * 1000
        self._uplink = UplinkEstimate(ceiling) if any(_is_estimated(plan) for plan in plans) else None
        self._fir_number = 0
        self._report_at = self._feedback_at = math.inf

    @property
    def deadline(self) -> float:
        """When `on_time` is due."""
        if self._report_at == math.inf:
            return math.inf
        when = min(self._report_at, self._feedback_at)
        for track in self._sources.media:
            when = min(when, track.incoming.losses.deadline, track.requests.deadline)
        return when

    def start(self, now: float) -> None:
        self._report_at = now + self._interval

    def stop(self) -> None:
        self._report_at = self._feedback_at = math.inf
        self._send = _unsent

    def number(self, plain: bytes, header: RtpHeader) -> int | None:
        """The number of a decrypted packet for transport-wide feedback."""
        return None if self._twcc_id is None else extension_u16(plain, header, self._twcc_id)

    def record_arrivals(self, arrivals: Sequence[tuple[int, float]]) -> None:
        """Note when decrypted packets came: at least one, each by its number."""
        self._twcc.record_all([(number, int(now * _TICKS)) for number, now in arrivals])
        if self._feedback_at == math.inf:
            self._feedback_at = arrivals[0][1] + FEEDBACK_DELAY
        if arrivals[-1][1] >= self._feedback_at - (FEEDBACK_DELAY - FEEDBACK_INTERVAL):
            self._feedback_at = arrivals[-1][1]

    def take_echoes(self, report: ExtendedReport, now: float) -> None:
        """The publisher reports on a reference time that we sent."""
        for echo in report.echoes:
            seconds = echo.round_trip(now) if echo.ssrc == self._ssrc else None
            if seconds is not None:
                self._round_trip.sample(seconds)
                self._quality.answered(seconds)

    def on_time(self, now: float) -> None:
        """Send all that is due."""
        if now >= self._feedback_at:
            self._feedback_at = math.inf
            self._send_arrivals()
        self._send_nacks(now)
        self.ask_for_key_frames(now)
        if now >= self._report_at:
            self._report_at = now + self._interval
            self._send_report(now)

    def ask_for_key_frames(self, now: float) -> None:
        """Send the requests that are due; called for each new one too, so that the first leaves at once."""
        if self._report_at == math.inf:
            return
        for track, ssrc in self._sources.media.items():
            if track.requests.due(now):
                self._send_about(track, self._key_frame_request(track, ssrc))

    # -- inside --------------------------------------------------------------------------------------------------

    def _send_arrivals(self) -> None:
        media = self._sources.media
        track = next((track for track in media if track.source.kind in self._reduced), next(iter(media), None))
        while feedback := self._twcc.build_feedback(sender_ssrc=self._ssrc, media_ssrc=media[track] if track else 0):
            self._send_about(track, feedback)

    def _send_nacks(self, now: float) -> None:
        for track, ssrc in self._sources.media.items():
            missing = track.missing(now)
            if missing:
                self.nacks += len(missing)
                self._send_about(track, build_nack(self._ssrc, ssrc, sorted(missing)))

    def _send_about(self, track: PublishedTrack | None, packet: bytes) -> None:
        """Send feedback on a track, or on the transport."""
        is_reduced = track is not None and track.source.kind in self._reduced
        self._send(packet if is_reduced else self._opening + packet)

    def _key_frame_request(self, track: PublishedTrack, ssrc: int) -> bytes:
        if "nack pli" in track.source.codec.rtcp_feedback:
            return build_pli(self._ssrc, ssrc)
        self._fir_number += 1
        return build_fir(self._ssrc, ssrc, self._fir_number)

    def _send_report(self, now: float) -> None:
        media = self._sources.media
        for track in media:
            track.sample_rate(now)
        blocks = {track: block for track, ssrc in media.items() if (block := track.report_block(ssrc, now)) is not None}
        for track, block in blocks.items():
            self._quality.reported(block, track.source.codec.clock_rate)
        packet = build_receiver_report(self._ssrc, list(blocks.values())) + build_sdes(self._ssrc, self._cname)
        packet += build_reference_time(self._ssrc, now)
        if self._uplink is not None:
            packet += self._estimate(self._uplink, blocks)
        self._send(packet)

    def _estimate(self, uplink: UplinkEstimate, blocks: dict[PublishedTrack, ReportBlock]) -> bytes:
        """Only the video's losses count: video is what fills the path."""
        lost = max((block.fraction_lost for track, block in blocks.items() if track.is_video), default=0)
        received = sum(track.rate.bytes_per_second * 8 for track in blocks)
        bitrate = uplink.update(received, lost / 256)
        return build_remb(self._ssrc, bitrate, [block.ssrc for block in blocks.values()])


def _one_byte_tag(extension_id: int | None) -> int:
    """RFC 8285 section 4.2: the id, and the length less one."""
    if extension_id is None:
        return 0
    return extension_id << 4 | 1 if extension_id < STOP_ID else -1


def _unsent(packet: bytes) -> None:
    """The publisher is gone."""


def _is_estimated(plan: TrackPlan) -> bool:
    return plan.kind is MediaKind.VIDEO and plan.uses_remb
