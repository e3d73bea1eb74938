"""Which remote SSRC is which track: as the offer announced them, or by payload type where it announced none."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from actors.media.feed import Feed
from protocol.webrtc.sdp import MediaKind, TrackPlan


class Source(NamedTuple):
    """What one remote SSRC is: a track's media, or its retransmissions."""

    feed: Feed
    is_rtx: bool
    payload_type: int | None


class SourceTable:
    """The SSRCs of one publisher. `media` holds those of media, by feed."""

    def __init__(self, plans: Sequence[TrackPlan], feeds: Mapping[MediaKind, Feed]) -> None:
        self.media: dict[Feed, int] = {}
        self._known: dict[int, Source] = {}
        self._unknown: list[Source] = []
        for plan in plans:
            feed = feeds[plan.kind]
            self._announce(Source(feed, False, plan.codec.payload_type), plan.ssrc)
            if plan.rtx_payload_type is not None:
                self._announce(Source(feed, True, plan.rtx_payload_type), plan.rtx_ssrc)

    def __contains__(self, ssrc: int) -> bool:
        return ssrc in self._known

    def find(self, ssrc: int, payload_type: int) -> Source | None:
        """The source of this SSRC. One that the offer did not name may be a track that still has none.

        That is a guess, made before decryption; `bind` makes it stick once the packet proved authentic.
        """
        found = self._known.get(ssrc)
        if found is None:
            return next((source for source in self._unknown if source.payload_type == payload_type), None)
        return found

    def media_of(self, ssrc: int) -> Feed | None:
        """The feed whose media this SSRC is."""
        source = self._known.get(ssrc)
        return None if source is None or source.is_rtx else source.feed

    def bind(self, ssrc: int, source: Source) -> None:
        self._known[ssrc] = source
        if source in self._unknown:
            self._unknown.remove(source)
        if not source.is_rtx:
            self.media[source.feed] = ssrc

    def _announce(self, source: Source, ssrc: int | None) -> None:
        if ssrc is None:
            self._unknown.append(source)
        else:
            self.bind(ssrc, source)
