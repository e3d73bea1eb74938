"""A stream's way from the node that has it to another one: what the two tell each other in place of SDP.

    edge    has viewers, and calls        `viewer_offer` is what it offers, as any viewer would
    origin  has the publication, answers  `publisher_offer` is its answer, read as the offer of a publisher

Both ends are this server, so payload types are agreed beforehand, and what every viewer can do is not negotiated.
"""

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from attrs import field, frozen

from protocol.webrtc.paths import IcePath
from protocol.webrtc.roles import PeerRoles
from protocol.webrtc.sdp import (
    Codec,
    Direction,
    Fingerprint,
    MediaKind,
    MediaSection,
    NoCommonCodecs,
    Offer,
    Setup,
    SourceTrack,
)
from protocol.webrtc.shared_address import SharedAddress, report_ssrc

_PAYLOAD_TYPES: Final[Mapping[MediaKind, int]] = MappingProxyType({MediaKind.AUDIO: 111, MediaKind.VIDEO: 102})
_RTX_PAYLOAD_TYPE: Final = 103
_CODECS: Final[Mapping[MediaKind, Collection[str]]] = MappingProxyType(
    {MediaKind.AUDIO: ("OPUS", "PCMU", "PCMA"), MediaKind.VIDEO: ("VP8", "H264", "VP9", "AV1")}
)
_VIDEO_FEEDBACK: Final = ("nack", "nack pli", "ccm fir")
_PROTOCOL: Final = "UDP/TLS/RTP/SAVPF"


@frozen(kw_only=True)
class LegEnd:
    """One end's ICE credentials, for this leg alone, and the fingerprint of its certificate."""

    ufrag: str
    pwd: str = field(repr=False)
    fingerprint: str
    """`algorithm AB:CD:...`, as in SDP."""

    @classmethod
    def of(cls, credentials: tuple[str, str], fingerprint: Fingerprint) -> "LegEnd":
        ufrag, pwd = credentials
        return cls(ufrag=ufrag, pwd=pwd, fingerprint=f"{fingerprint.algorithm} {fingerprint.value}")


@frozen(kw_only=True)
class LegTrack:
    """One track of the publication, with the SSRCs under which it comes."""

    is_video: bool
    codec: str
    clock_rate: int
    channels: int
    fmtp: str
    ssrc: int
    rtx_ssrc: int | None = None

    @classmethod
    def of(cls, source: SourceTrack) -> "LegTrack":
        codec = source.codec
        return cls(
            is_video=source.kind is MediaKind.VIDEO,
            codec=codec.name,
            clock_rate=codec.clock_rate,
            channels=codec.channels,
            fmtp=codec.fmtp,
            ssrc=source.ssrc,
            rtx_ssrc=source.rtx_ssrc,
        )

    @property
    def ssrcs(self) -> tuple[int, ...]:
        """Those under which it comes."""
        return (self.ssrc,) if self.rtx_ssrc is None else (self.ssrc, self.rtx_ssrc)

    @property
    def kind(self) -> MediaKind:
        return MediaKind.VIDEO if self.is_video else MediaKind.AUDIO

    @property
    def leg_codec(self) -> Codec:
        """As it comes: with the leg's payload types and feedback, and the publisher's parameters."""
        return Codec(
            payload_type=_PAYLOAD_TYPES[self.kind],
            name=self.codec,
            clock_rate=self.clock_rate,
            channels=self.channels,
            fmtp=self.fmtp,
            rtcp_feedback=_VIDEO_FEEDBACK if self.is_video else (),
            rtx_payload_type=_RTX_PAYLOAD_TYPE if self.is_video else None,
        )

    def section(self, direction: Direction) -> MediaSection:
        """It as a section of an offer. Only who sends names SSRCs."""
        codec, sends = self.leg_codec, direction.sends
        types = [codec.payload_type] if codec.rtx_payload_type is None else [codec.payload_type, codec.rtx_payload_type]
        return MediaSection(
            media=self.kind,
            kind=self.kind,
            protocol=_PROTOCOL,
            formats=tuple(map(str, types)),
            mid=str(self.kind),
            direction=direction,
            codecs=(codec,),
            extensions=MappingProxyType({}),
            ssrcs=self.ssrcs if sends else (),
            fid_groups=((self.ssrc, self.rtx_ssrc),) if sends and self.rtx_ssrc is not None else (),
            rtcp_rsize=True,
        )


def viewer_offer(edge: LegEnd, tracks: Sequence[LegTrack]) -> Offer:
    """What an edge offers that wants these tracks. It is the DTLS client."""
    return _offer(edge, tracks, Direction.RECVONLY, Setup.ACTIVE)


def publisher_offer(origin: LegEnd, tracks: Sequence[LegTrack]) -> Offer:
    """What an origin sends, as an offer to an edge. It is the DTLS server. Raises NoCommonCodecs."""
    for track in tracks:
        if track.codec not in _CODECS[track.kind]:
            raise NoCommonCodecs(f"{track.codec} is no codec that this version knows")
    return _offer(origin, tracks, Direction.SENDONLY, Setup.PASSIVE)


def edge_roles(path: IcePath, credentials: tuple[str, str], origin: LegEnd, tracks: Sequence[LegTrack]) -> PeerRoles:
    """The edge's part: it calls the origin by that path, and is the DTLS client."""
    ufrag, _ = credentials
    ssrcs = tuple(ssrc for track in tracks for ssrc in track.ssrcs)
    return PeerRoles(
        setup=Setup.ACTIVE,
        controlling=True,
        calls=path,
        credentials=credentials,
        shares=SharedAddress(ssrcs=ssrcs, username=f"{origin.ufrag}:{ufrag}"),
        reports_as=report_ssrc(ufrag),
    )


def origin_roles(credentials: tuple[str, str], edge: LegEnd) -> PeerRoles:
    """The origin's part: it waits for the edge's check, and is the DTLS server."""
    ufrag, _ = credentials
    shares = SharedAddress(ssrcs=(report_ssrc(edge.ufrag),), username=f"{edge.ufrag}:{ufrag}")
    return PeerRoles(credentials=credentials, shares=shares)


def is_same_media(one: Sequence[LegTrack], other: Sequence[LegTrack]) -> bool:
    """Whether viewers of the one can go on with the other, without being told."""
    return [track.leg_codec for track in one] == [track.leg_codec for track in other]


def _offer(end: LegEnd, tracks: Sequence[LegTrack], direction: Direction, setup: Setup) -> Offer:
    algorithm, _, value = end.fingerprint.partition(" ")
    sections = tuple(track.section(direction) for track in tracks)
    return Offer(
        sections=sections,
        bundle=tuple(section.mid for section in sections),
        ice_ufrag=end.ufrag,
        ice_pwd=end.pwd,
        fingerprints=(Fingerprint(algorithm=algorithm, value=value),),
        setup=setup,
    )
