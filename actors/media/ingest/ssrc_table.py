"""Which remote SSRC is which track: as announced in the offer, or as the packets show (RFC 9143 section 9.2).

A publisher may send with an SSRC that was not announced: from the start, or later, after its encoder was restarted. The
payload type shows which track it is, and so does the mid extension where it was negotiated. That is a guess, made
before decryption; `bind` confirms it once the packet has proved authentic. No SSRC replaces one that is still active:
of several layers of one picture (simulcast) only one is forwarded.
"""

import math
from collections.abc import Mapping, Sequence

from attrs import frozen

from actors.media.tracks.published_track import PublishedTrack
from protocol.webrtc.rtp import RtpError, extension, parse_header
from protocol.webrtc.sdp import MediaKind, TrackPlan

TAKEOVER_AFTER = 0.5  # seconds of silence of a track's SSRC, after which another one may be the track

_PADDING = 0x20  # of the first byte; how much there is of it is encrypted


@frozen(eq=False)
class Source:
    """What one remote SSRC is: a track's media, or its retransmissions."""

    track: PublishedTrack
    is_rtx: bool
    payload_type: int
    mid: str
    mid_extension_id: int | None


class SsrcTable:
    """The SSRCs of one publisher. `media` holds those of media, by track."""

    def __init__(self, plans: Sequence[TrackPlan], tracks: Mapping[MediaKind, PublishedTrack]) -> None:
        self.media: dict[PublishedTrack, int] = {}
        self._sources: list[Source] = []
        self._known: dict[int, Source] = {}
        self._ssrcs: dict[Source, int] = {}
        self._left: set[int] = set()  # those of retransmissions whose media has another SSRC now
        self._ended: set[Source] = set()  # those that said goodbye
        self._guessed_since = math.inf
        for plan in plans:
            self._announce(plan, tracks[plan.kind], plan.codec.payload_type, plan.ssrc, is_rtx=False)
            if plan.rtx_payload_type is not None:
                self._announce(plan, tracks[plan.kind], plan.rtx_payload_type, plan.rtx_ssrc, is_rtx=True)

    def __contains__(self, ssrc: int) -> bool:
        return ssrc in self._known

    def find(self, ssrc: int, data: bytes, now: float) -> Source | None:
        """The source of this SSRC, from which `data` came, encrypted; None when it can be none of the tracks."""
        found = self._known.get(ssrc)
        return self._guess(ssrc, data, now) if found is None else found

    def known(self, ssrc: int) -> Source:
        """The source of an SSRC that is in the table."""
        return self._known[ssrc]

    def media_of(self, ssrc: int) -> PublishedTrack | None:
        """The track whose media this SSRC is."""
        source = self._known.get(ssrc)
        return None if source is None or source.is_rtx else source.track

    def bind(self, ssrc: int, source: Source) -> bool:
        """Packets of this SSRC are the source's from here on; True when it takes the place of another."""
        former = self._ssrcs.get(source)
        if former is not None:
            del self._known[former]
            self._release_rtx(source.track)
            source.track.incoming.restart()
        self._known[ssrc], self._ssrcs[source] = source, ssrc
        self._ended.discard(source)
        if not source.is_rtx:
            self.media[source.track] = ssrc
        return former is not None

    def end(self, ssrc: int) -> None:
        """The publisher announces that nothing more comes from this SSRC (BYE)."""
        if ssrc in self._known:
            self._ended.add(self._known[ssrc])

    # -- inside --------------------------------------------------------------------------------------------------

    def _announce(
        self, plan: TrackPlan, track: PublishedTrack, payload_type: int, ssrc: int | None, *, is_rtx: bool
    ) -> None:
        source = Source(track, is_rtx, payload_type, plan.mid, plan.mid_extension_id)
        self._sources.append(source)
        if ssrc is not None:
            self.bind(ssrc, source)

    def _guess(self, ssrc: int, data: bytes, now: float) -> Source | None:
        self._guessed_since = min(self._guessed_since, now)
        payload_type = data[1] & 0x7F
        for source in self._sources:
            if source.payload_type == payload_type and self._is_vacant(source, now) and ssrc not in self._left:
                mid = _mid(data, source.mid_extension_id)
                return source if mid in (None, source.mid.encode()) else None
        return None

    def _is_vacant(self, source: Source, now: float) -> bool:
        """The source has no SSRC, or it has fallen silent. Retransmissions are silent most of the time."""
        if source not in self._ssrcs or source in self._ended:
            return True
        heard_at = source.track.incoming.heard_at
        since = self._guessed_since if heard_at == -math.inf else heard_at
        return not source.is_rtx and now - since > TAKEOVER_AFTER

    def _release_rtx(self, track: PublishedTrack) -> None:
        """Drop the former SSRC's retransmissions: the numbers they repeat mean something else now."""
        for source in self._sources:
            if source.track is track and source.is_rtx and source in self._ssrcs:
                ssrc = self._ssrcs.pop(source)
                del self._known[ssrc]
                self._left.add(ssrc)


def _mid(data: bytes, extension_id: int | None) -> bytes | None:
    """The mid that a packet names; header extensions are in the clear (RFC 3711 section 3.1)."""
    if extension_id is None:
        return None
    clear = bytes((data[0] & ~_PADDING,)) + data[1:]
    try:
        return extension(clear, parse_header(clear), extension_id)
    except RtpError:
        return None
