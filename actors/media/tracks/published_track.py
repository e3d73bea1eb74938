"""One published track. It does not know where its packets come from or where they go.

An ingest (`actors.media.ingest`) has `incoming` take each packet, and gives the result to `forward`; the sinks that are
attached get it. A sink that cannot go on without a key frame says so by `request_key_frame`. The ingest is told by
`ask`, looks whether a request is due (`requests`), and sends it to the publisher.
"""

import math
from collections.abc import Callable

from actors.media.tracks.packet_sink import PacketSink
from actors.media.tracks.rates import RateMeter
from protocol.sfu.incoming_track import IncomingTrack, MediaPacket, MediaRun
from protocol.sfu.keyframe_requests import KeyFrameRequests
from protocol.sfu.packet_history import (
    AUDIO_AGE,
    AUDIO_BYTES,
    LONG_REPLAY,
    SHORT_REPLAY,
    SLOW_REPLAY,
    VIDEO_AGE,
    VIDEO_BYTES,
    PacketHistory,
)
from protocol.sfu.rtt import RttEstimator
from protocol.webrtc.rtcp import ReportBlock, SenderReport
from protocol.webrtc.sdp import Codec, MediaKind, SourceTrack


class PublishedTrack:
    """See above.

    `ssrc` and `rtx_ssrc` are the server's own. `round_trip` is the publisher's. `ask` is called when a key frame
    request may have become due. `heeds_requests`: the publisher sends a key frame when asked. If not, or if it is slow
    to do so, the track keeps the packets since the last one, and viewers begin with that.
    """

    def __init__(
        self,
        kind: MediaKind,
        codec: Codec,
        *,
        ssrc: int,
        rtx_ssrc: int,
        round_trip: RttEstimator,
        now: float,
        ask: Callable[[], None],
        heeds_requests: bool = True,
    ) -> None:
        self.is_video = is_video = kind is MediaKind.VIDEO
        self.source = SourceTrack(kind=kind, codec=codec, ssrc=ssrc, rtx_ssrc=rtx_ssrc if is_video else None)
        self.incoming = IncomingTrack(
            codec=codec.name,
            clock_rate=codec.clock_rate,
            ssrc=ssrc,
            nack=is_video and "nack" in codec.rtcp_feedback,
            ring=_history(is_video=is_video),
            round_trip=round_trip,
        )
        self.requests = KeyFrameRequests()
        self.rate = RateMeter(now)
        self.last_report: SenderReport | None = None
        self.last_report_at = 0.0
        """When that came, in seconds of the plane's clock."""
        self.heeds_requests = heeds_requests
        self._choose_replay()
        self._sinks: tuple[PacketSink, ...] = ()
        self._ask = ask

    # -- for sinks -----------------------------------------------------------------------------------------------

    def attach(self, sink: PacketSink) -> None:
        """The sink gets the next packet and all that follow."""
        self._sinks = (*self._sinks, sink)

    def detach(self, sink: PacketSink) -> None:
        """The sink gets nothing more. One that is not attached is ignored."""
        self._sinks = tuple(other for other in self._sinks if other is not sink)

    def request_key_frame(self, now: float, *, not_before: float = -math.inf) -> None:
        """A sink needs a key frame, at once or from `not_before` on. Requests that come close together become one."""
        self.requests.request(now, not_before=not_before)
        self._ask()

    def expect(self, now: float) -> None:
        """A viewer is connecting. Have a key frame at hand when it is connected, rather than ask for one then."""
        if self.is_video and not self.incoming.has_fresh_key_frame:
            self.request_key_frame(now)

    # -- for the ingest ------------------------------------------------------------------------------------------

    def begin_again(self, ask: Callable[[], None]) -> None:
        """What comes from here on comes by another way, with other numbers; `ask` as above."""
        self._ask = ask
        self.incoming.restart()

    def forward(self, packet: MediaPacket, now: float) -> None:
        """Give every sink a packet that `incoming` made."""
        if packet.key_frame is not None:
            self.requests.arrived(now)
            self._choose_replay()
        for sink in self._sinks:
            sink.take(packet, now)
        self.mend(now)

    def forward_run(self, run: MediaRun) -> None:
        """Give every sink packets that `incoming` made, none of which begins a key frame."""
        for sink in self._sinks:
            sink.take_run(run)
        self.mend(run.arrivals[-1])

    def mend(self, now: float) -> None:
        """Only a key frame makes up for packets that will not come any more."""
        if self.incoming.key_frame_needed:
            self.incoming.key_frame_needed = False
            self.requests.request(now)

    def missing(self, now: float) -> list[int]:
        """The packets to ask the publisher for now, by extended sequence number."""
        wanted = self.incoming.wanted(now)
        self.mend(now)
        return wanted

    def sample_rate(self, now: float) -> None:
        """Measure the bitrate; to be called about once a second."""
        self.rate.sample(self.incoming.bytes, now)

    def report_block(self, remote_ssrc: int, now: float) -> ReportBlock | None:
        """What the publisher is told about the track since the last report; None before the first packet."""
        return self.incoming.report(remote_ssrc, now)

    def take_report(self, report: SenderReport, now: float) -> None:
        """Give every sink the publisher's sender report."""
        own = self.incoming.take_sender_report(report, now)
        if own is not None:
            self.last_report, self.last_report_at = own, now
            for sink in self._sinks:
                sink.take_report(own, now)

    def end(self) -> None:
        """Nothing comes any more, and no sink gets anything more."""
        sinks, self._sinks = self._sinks, ()
        self._ask = _ask_nobody
        for sink in sinks:
            sink.end()
        self.incoming.ring.clear()  # plaintext is not kept longer than the stream

    def _choose_replay(self) -> None:
        """How old the key frame may be with which a viewer begins, rather than wait for the next one."""
        if self.is_video:
            asked = SLOW_REPLAY if self.requests.are_answered_slowly else SHORT_REPLAY
            self.incoming.ring.replay_limits = asked if self.heeds_requests else LONG_REPLAY


def _ask_nobody() -> None:
    """The publisher is gone."""


def _history(*, is_video: bool) -> PacketHistory:
    if is_video:
        return PacketHistory(max_age=VIDEO_AGE, max_bytes=VIDEO_BYTES)
    return PacketHistory(max_age=AUDIO_AGE, max_bytes=AUDIO_BYTES)
