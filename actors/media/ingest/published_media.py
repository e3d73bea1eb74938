"""What every ingest gives the owner of its stream: what the publication is, and the end of what viewers get."""

from actors.media.publication import Publication


class PublishedMedia:
    """The part of an ingest that does not depend on where packets come from."""

    publication: Publication

    @property
    def audio_codec(self) -> str | None:
        """Canonical name (OPUS, PCMU, PCMA), None without audio."""
        return self.publication.audio_codec

    @property
    def video_codec(self) -> str | None:
        """Canonical name (VP8, H264, VP9, AV1), None without video."""
        return self.publication.video_codec

    @property
    def bitrate_kbps(self) -> int:
        """What arrives, measured over the last moments."""
        return self.publication.bitrate_kbps

    def withdraw(self) -> None:
        """No packet to any viewer from here on; `close` follows."""
        self.publication.end()
