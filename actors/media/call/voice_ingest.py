"""A call's voice as a publication: what the phone says, in one format, whatever the page gets of it."""

from typing import Final

from attrs import evolve

from actors.media.context import MediaContext
from actors.media.events import Post
from actors.media.ingest.published_media import PublishedMedia
from actors.media.publication import Publication
from actors.media.statistics import StreamMediaStatistics
from protocol.webrtc.rtp import RtpHeader
from protocol.webrtc.sdp import Codec, MediaKind

SAMPLE_INTERVAL: Final = 1.0
"""Seconds between two measurements of the bitrate."""
_FORMATS: Final = {"OPUS": "minptime=10;useinbandfec=1"}
"""What players are told."""


class VoiceIngest(PublishedMedia):
    """What the owner of the stream holds. Players attach to its `publication`; `codec` is what they are sent."""

    answer: Final = ""
    """There is no offer."""

    def __init__(self, context: MediaContext, codec: Codec, post: Post) -> None:
        self.codec = evolve(codec, payload_type=0, fmtp=_FORMATS.get(codec.name, ""), rtcp_feedback=())
        self.publication = Publication(context, {MediaKind.AUDIO: self.codec}, post=post, ask=_nobody)
        self._track = self.publication.tracks[MediaKind.AUDIO]
        self._sampled = context.clock()
        self._ssrc: int | None = None

    def close(self) -> None:
        """End it. Idempotent."""
        self.publication.end()

    def statistics(self) -> StreamMediaStatistics:
        return self.publication.statistics()

    def send(self, header: RtpHeader, body: bytes, codec: Codec, now: float) -> None:
        """The phone's voice, in the format of the publication."""
        if self.publication.ended:
            return
        if header.ssrc != self._ssrc:  # as after music on hold: its numbers have nothing to do with the others
            self._ssrc = header.ssrc
            self._track.incoming.restart()
        packet = self._track.incoming.receive(header.sequence, header.timestamp, header.marker, body, now)
        self.publication.take(self._track, packet, now)
        if now - self._sampled >= SAMPLE_INTERVAL:
            self._sampled = now
            self._track.sample_rate(now)


def _nobody() -> None:
    """Voice has no key frames."""
