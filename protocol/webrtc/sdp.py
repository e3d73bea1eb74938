"""What SDP says about one WebRTC peer, as values: the types that offer, negotiation and answer share.

For streams the server is always the answerer (the browser's SDK offers, for publishing and for playing), so the steps
are:

    offer.parse_offer(text) -> Offer
    negotiation.negotiate_publish(offer, ...) | negotiate_play(offer, ...) -> tuple[TrackPlan, ...]
    answer.write_answer(offer, plans, transport, ...) -> text

A page that is called is offered (`call_offer`).

Terms are those of RFC 8866 (SDP), RFC 9143 (BUNDLE), RFC 8829 (JSEP) and RFC 8839 (ICE in SDP).
"""

from collections.abc import Mapping
from enum import Enum, StrEnum
from types import MappingProxyType

from attrs import field, frozen

from protocol.common.errors import ProtocolError

TRANSPORT_CC_URI = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
MID_URI = "urn:ietf:params:rtp-hdrext:sdes:mid"


class SdpError(ProtocolError):
    """The offer cannot be served; the message tells the peer why."""


class NoCommonCodecs(SdpError):
    """The two sides share no codec for a kind of media that is wanted."""


class NotBundled(SdpError):
    """Media that is wanted would need a second transport."""


class MediaKind(StrEnum):
    """The kinds of media that the server forwards."""

    AUDIO = "audio"
    VIDEO = "video"


class Direction(StrEnum):
    """Who sends in a section, seen from the side that writes it (RFC 8866 section 6.7)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"

    @property
    def sends(self) -> bool:
        """The writer of this direction sends media."""
        return self in (Direction.SENDRECV, Direction.SENDONLY)

    @property
    def receives(self) -> bool:
        """The writer of this direction takes media."""
        return self in (Direction.SENDRECV, Direction.RECVONLY)


class Setup(StrEnum):
    """The DTLS role that a side proposes (RFC 8842): `active` is the client, `passive` the server."""

    ACTPASS = "actpass"
    ACTIVE = "active"
    PASSIVE = "passive"


class Rejection(Enum):
    """Why an offered section is answered with port 0, whatever is negotiated."""

    UNSUPPORTED = "not audio or video over RTP/SAVPF with rtcp-mux"
    DISABLED = "offered with port 0"
    NO_CODEC = "offers no codec that the server knows"
    NOT_BUNDLED = "needs a second transport; the server has one per peer"


def parse_parameters(fmtp: str) -> Mapping[str, str]:
    """Read `key=value;key=value`. Keys become lower case, the first of a repeated key wins, other text is ignored."""
    parameters: dict[str, str] = {}
    for part in fmtp.split(";"):
        key, equals, value = part.partition("=")
        if equals:
            parameters.setdefault(key.strip().lower(), value.strip())
    return MappingProxyType(parameters)


@frozen(kw_only=True)
class Codec:
    """One format of a section: a codec with the payload type that this offer assigns to it.

    `name` is canonical: OPUS G722 PCMU PCMA VP8 H264 VP9 AV1. `payload_type` is 0 to 127 and means nothing outside its
    offer. `clock_rate` is in Hz. `fmtp` is verbatim, `parameters` the same, parsed. `rtcp_feedback` holds entries such
    as `nack pli`. `rtx_payload_type` is the retransmission format (RFC 4588) that the offer ties to this one.
    """

    payload_type: int
    name: str
    clock_rate: int
    channels: int = 1
    fmtp: str = ""
    rtcp_feedback: tuple[str, ...] = ()
    rtx_payload_type: int | None = None
    parameters: Mapping[str, str] = field(init=False, eq=False, repr=False)

    @parameters.default
    def _read_fmtp(self) -> Mapping[str, str]:
        return parse_parameters(self.fmtp)


@frozen(kw_only=True)
class Fingerprint:
    """The digest of a DTLS certificate: `algorithm` in lower case (sha-256), `value` as `AB:CD:...` in upper case."""

    algorithm: str
    value: str


@frozen(kw_only=True)
class MediaSection:
    """One m= line with its attributes, in the order of the offer.

    `media` and `protocol` are verbatim; `kind` is None for anything but audio and video. `mid` is empty when not
    offered. `formats` are the payload types of the m= line as text, `encodings` what a=rtpmap calls them, `codecs`
    those that the server knows, in the offerer's order of preference. `extensions` maps a header extension's URI to its
    id (1 to 14), only those that the offerer may send. `ssrcs` are in order of appearance, `fid_groups` pairs of (media
    SSRC, its RTX SSRC).
    `rejection` is None for a section that can carry media; see `Rejection`.
    """

    media: str
    kind: MediaKind | None
    protocol: str
    formats: tuple[str, ...]
    mid: str
    direction: Direction
    codecs: tuple[Codec, ...]
    extensions: Mapping[str, int]
    ssrcs: tuple[int, ...]
    fid_groups: tuple[tuple[int, int], ...]
    rtcp_rsize: bool
    encodings: tuple[str, ...] = ()
    companions: tuple[Codec, ...] = ()
    """Formats that go with those of voice and are none by themselves: TELEPHONE-EVENT (RFC 4733), CN (RFC 3389)."""
    rejection: Rejection | None = None

    @property
    def rejected(self) -> bool:
        """The section is answered by port 0 and left out of BUNDLE."""
        return self.rejection is not None


@frozen(kw_only=True)
class Offer:
    """A peer's offer that the server can answer over one transport.

    `sections` are all m= lines; at least one is not rejected. `bundle` holds the mids that share the transport, the
    tagged one first; it is empty when the offer has no BUNDLE group, and then exactly one section is usable.
    Credentials, fingerprints (at least one; any may match) and `setup` are the transport's.
    """

    sections: tuple[MediaSection, ...]
    bundle: tuple[str, ...]
    ice_ufrag: str
    ice_pwd: str = field(repr=False)
    fingerprints: tuple[Fingerprint, ...]
    setup: Setup


@frozen(kw_only=True)
class SourceTrack:
    """A publisher's track, as players receive it.

    `codec` is the publisher's (its payload types do not matter here); `ssrc` and `rtx_ssrc` are those that the server
    uses towards every player.
    """

    kind: MediaKind
    codec: Codec
    ssrc: int
    rtx_ssrc: int | None = None


@frozen(kw_only=True)
class TrackPlan:
    """One track that the answer accepts.

    `codec` carries the payload type and fmtp of the negotiated offer. `rtx_payload_type` is None when there is no RTX.
    `ssrc` and `rtx_ssrc` are the sender's. For publishing they are those the offer announced, or None (then the mid
    extension or the payload type tells tracks apart); for playing they are the server's own.
    The extension ids are those to expect upstream; None means not negotiated. `reduced_size`: RTCP need not be compound
    (RFC 5506).
    """

    kind: MediaKind
    mid: str
    codec: Codec
    rtx_payload_type: int | None = None
    ssrc: int | None = None
    rtx_ssrc: int | None = None
    twcc_extension_id: int | None = None
    mid_extension_id: int | None = None
    reduced_size: bool = False
    alternatives: tuple[Codec, ...] = ()
    """Of a call: what either side may send beside `codec`."""

    @property
    def has_compound_feedback(self) -> bool:
        """Whether urgent video feedback (a NACK, a key frame request) follows a report (RFC 3550 section 6.1)."""
        return self.kind is MediaKind.VIDEO and not self.reduced_size

    @property
    def uses_remb(self) -> bool:
        """Whether REMB tells the sender its bandwidth, because it lacks transport-wide feedback."""
        return self.twcc_extension_id is None and "goog-remb" in self.codec.rtcp_feedback


@frozen(kw_only=True)
class LocalTransport:
    """The server's end of a peer's transport: ICE-lite credentials, certificate, and (address, port) of each socket.

    The candidates are in the operator's order of preference; at least one is needed, by UDP or by TCP.
    """

    ufrag: str
    pwd: str = field(repr=False)
    fingerprint: Fingerprint
    candidates: tuple[tuple[str, int], ...]
    setup: Setup = Setup.PASSIVE
    tcp_candidates: tuple[tuple[str, int], ...] = ()
    """Where the peer may open TCP connections (RFC 6544, passive)."""
