"""A publication whose packets come from a worker process: nothing is sent back to where they come from."""

from collections.abc import Sequence
from typing import Final

from actors.media.context import MediaContext
from actors.media.events import Post
from actors.media.ingest.published_media import PublishedMedia
from actors.media.publication import Publication
from actors.media.statistics import StreamMediaStatistics
from protocol.taps import RecordKind, TapError, TapRecord, TrackFormat, read_report
from protocol.webrtc.rtcp import SenderReport
from protocol.webrtc.rtp import RtpError, parse_header, payload
from protocol.webrtc.sdp import Codec, MediaKind

SAMPLE_INTERVAL: Final = 1.0
"""Seconds between two measurements of the bitrate."""
_FORMATS: Final = {
    "H264": "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
    "OPUS": "minptime=10;useinbandfec=1",
}
"""What players are told. Cameras send the High profile of H264; browsers decode it, but offer only lower ones."""


class FedIngest(PublishedMedia):
    """What the owner of a stream holds that comes from a worker. Players attach to its `publication`."""

    answer: Final = ""
    """There is no offer."""

    def __init__(self, context: MediaContext, tracks: Sequence[TrackFormat], post: Post) -> None:
        self.publication = Publication(
            context,
            {_kind(track): _codec(track) for track in tracks},
            post=post,
            ask=_nobody,
            heeds_requests=False,
        )
        self._formats = tuple(tracks)
        self._tracks = [self.publication.tracks[_kind(track)] for track in tracks]
        self._sampled = context.clock()

    # -- for the owner -------------------------------------------------------------------------------------------

    @property
    def lacks_key_frame(self) -> bool:
        """Whether there is video, of which nobody has seen anything."""
        return self.publication.video_codec is not None and not self.publication.width

    def close(self) -> None:
        """End it. Idempotent."""
        self.publication.end()

    def statistics(self) -> StreamMediaStatistics:
        return self.publication.statistics()

    # -- for the worker's feed -----------------------------------------------------------------------------------

    def begins_again(self, tracks: Sequence[TrackFormat]) -> bool:
        """Another worker goes on; False if its tracks are others, which players could not be told."""
        if tuple(tracks) != self._formats:
            return False
        for track in self._tracks:
            track.incoming.restart()
        return True

    def take(self, record: TapRecord, now: float) -> None:
        """A packet, or a report of the clock, comes. Raises TapError."""
        if self.publication.ended:
            return
        if record.track >= len(self._tracks):
            raise TapError("a packet of a track that INFO does not name")
        if record.kind is RecordKind.RTP:
            self._take_packet(record, now)
        elif record.kind is RecordKind.REPORT:
            ntp, timestamp = read_report(record.body)
            report = SenderReport(ssrc=0, ntp_timestamp=ntp, rtp_timestamp=timestamp, packet_count=0, octet_count=0)
            self._tracks[record.track].take_report(report, now)

    def _take_packet(self, record: TapRecord, now: float) -> None:
        track = self._tracks[record.track]
        try:
            header = parse_header(record.body)
            body = payload(record.body, header)
        except RtpError:
            raise TapError("a packet that is no RTP") from None
        packet = track.incoming.receive(header.sequence, header.timestamp, header.marker, body, now)
        self.publication.take(track, packet, now)
        if now - self._sampled >= SAMPLE_INTERVAL:
            self._sampled = now
            for each in self._tracks:
                each.sample_rate(now)


def _kind(track: TrackFormat) -> MediaKind:
    return MediaKind.VIDEO if track.is_video else MediaKind.AUDIO


def _codec(track: TrackFormat) -> Codec:
    return Codec(
        payload_type=0,
        name=track.codec,
        clock_rate=track.clock_rate,
        channels=track.channels,
        fmtp=_FORMATS.get(track.codec, ""),
    )


def _nobody() -> None:
    """A worker's source cannot be asked for a key frame."""
