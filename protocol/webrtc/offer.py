"""Reads a browser's SDP offer: tolerant of what pages do to it, strict about what the server relies on.

Pages edit the text (the SDK's `stripCodecs` leaves RTX formats that point to nothing, drops a CR, leaves empty
lines), so unknown or damaged lines are skipped; the lack of a usable transport is the only error.
The text is untrusted: sizes are limited, only printable ASCII is kept (some of it is echoed in the answer), and any
text results in an `Offer` or an `SdpError`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType

from attrs import evolve, field, frozen

from protocol.webrtc.sdp import (
    Codec,
    Direction,
    Fingerprint,
    MediaKind,
    MediaSection,
    NoCommonCodecs,
    Offer,
    Rejection,
    SdpError,
    Setup,
    parse_parameters,
)

# A Chrome offer with every codec has 6 kB and 200 lines in 2 sections; simulcast needs 6 SSRCs.
MAX_TEXT_LENGTH = 65_536
MAX_LINES = 2_000
MAX_SECTIONS = 16
MAX_FORMATS = 128
MAX_SSRCS = 16

_LINE_BREAK = re.compile(r"\r\n|\n|\r")
_ICE_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
_ICE_PWD = re.compile(r"[A-Za-z0-9+/]{22,256}")
_PROTOCOLS = frozenset({"UDP/TLS/RTP/SAVPF", "TCP/TLS/RTP/SAVPF", "TCP/DTLS/RTP/SAVPF", "RTP/SAVPF"})
_DIGEST_BYTES = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_KNOWN_CODECS = {
    ("OPUS", 48_000, 2),
    ("OPUS", 48_000, 1),  # RFC 7587 requires 2, whatever is sent; cameras and older GStreamer leave it out
    ("G722", 8_000, 1),  # RFC 3551 section 4.5.2: its clock is 8,000, though it samples 16,000 times a second
    ("PCMU", 8_000, 1),
    ("PCMA", 8_000, 1),
    ("VP8", 90_000, 1),
    ("H264", 90_000, 1),
    ("VP9", 90_000, 1),
    ("AV1", 90_000, 1),
}
_COMPANIONS = {
    ("TELEPHONE-EVENT", 8_000, 1),
    ("TELEPHONE-EVENT", 48_000, 1),
    ("CN", 8_000, 1),
}
_AUDIO_NAMES = frozenset({"OPUS", "G722", "PCMU", "PCMA"})
_STATIC_FORMATS = {
    0: "PCMU/8000",
    8: "PCMA/8000",
    9: "G722/8000",
    13: "CN/8000",
}  # RFC 3551 table 4: valid without a=rtpmap
_RTCP_CONFLICT = range(64, 96)  # RFC 5761 section 4: with rtcp-mux these look like RTCP
_MAX_EXTENSION_ID = 14  # RFC 8285: higher ids need the two-byte form, which browsers use only with extmap-allow-mixed


@frozen(kw_only=True)
class _Block:
    """The session level, or one m= line and its attributes: attribute name -> values in order."""

    heading: str = ""
    attributes: dict[str, list[str]] = field(factory=dict)

    def add(self, line: str) -> None:
        if line.startswith("a="):
            name, _, value = line[2:].partition(":")
            self.attributes.setdefault(name, []).append(value.strip())

    def has(self, name: str) -> bool:
        return name in self.attributes

    def values(self, name: str) -> list[str]:
        return self.attributes.get(name, [])

    def first(self, name: str) -> str:
        return self.values(name)[0] if self.has(name) else ""

    def by_format(self, name: str) -> dict[str, list[str]]:
        """Values of the shape `<payload type or *> <rest>`: payload type -> rests in order."""
        found: dict[str, list[str]] = {}
        for value in self.values(name):
            target, _, rest = value.partition(" ")
            found.setdefault(target, []).append(rest.strip())
        return found


def parse_offer(text: str) -> Offer:
    """Read an offer. Raises SdpError when the server cannot answer it at all, NoCommonCodecs when it knows no codec.

    The transport is chosen as in RFC 9143 section 7.3.2: in a BUNDLE group the first usable section is the tagged one,
    and its credentials, fingerprints and role apply to the whole group, whatever the other sections say (Firefox gives
    each section its own credentials). The server has one transport per peer: without a group that is the first usable
    section's, and the others are marked `Rejection.NOT_BUNDLED`; see `negotiation`.
    """
    session, blocks = _split(text)
    if session.has("ice-lite"):
        raise SdpError("the offer is ICE-lite, and so is the server: nobody would send checks")
    sections = [_section(block, session) for block in blocks]
    _refuse_duplicates((section.mid for section in sections if section.mid), "mid")
    _refuse_duplicates((ssrc for section in sections for ssrc in section.ssrcs), "SSRC")
    members, bundle = _choose_transport(session, sections)
    tagged = blocks[members[0]]
    return Offer(
        sections=tuple(_place(section, index in members) for index, section in enumerate(sections)),
        bundle=bundle,
        ice_ufrag=_credential("ice-ufrag", _ICE_UFRAG, tagged, session),
        ice_pwd=_credential("ice-pwd", _ICE_PWD, tagged, session),
        fingerprints=_fingerprints(tagged, session),
        setup=_setup(tagged, session),
    )


def _split(text: str) -> tuple[_Block, list[_Block]]:
    if len(text) > MAX_TEXT_LENGTH:
        raise SdpError(f"the offer is longer than {MAX_TEXT_LENGTH} characters")
    lines = [line for line in (line.strip(" \t") for line in _LINE_BREAK.split(text)) if line]
    if len(lines) > MAX_LINES:
        raise SdpError(f"the offer has more than {MAX_LINES} lines")
    if not lines or lines[0] != "v=0":
        raise SdpError("the offer is not SDP: it does not begin with v=0")
    blocks = [_Block()]
    for line in lines:
        if line.startswith("m="):
            blocks.append(_Block(heading=line[2:]))
        elif line.isascii() and line.isprintable():
            blocks[-1].add(line)
    if not 1 <= len(blocks) - 1 <= MAX_SECTIONS:
        raise SdpError(f"the offer has {len(blocks) - 1} media sections; 1 to {MAX_SECTIONS} are served")
    return blocks[0], blocks[1:]


# --- one section -----------------------------------------------------------------------------------------------


def _section(block: _Block, session: _Block) -> MediaSection:
    media, port, protocol, formats = _heading(block.heading)
    kind = MediaKind(media) if media in tuple(MediaKind) else None
    fid_groups = _fid_groups(block)
    section = MediaSection(
        media=media,
        kind=kind,
        protocol=protocol,
        formats=formats,
        mid=_token(block.first("mid")),
        direction=_direction(block) or _direction(session) or Direction.SENDRECV,
        codecs=_codecs(block, formats, kind) if kind else (),
        companions=_companions(block, formats) if kind is MediaKind.AUDIO else (),
        extensions=_extensions(block),
        ssrcs=_ssrcs(block, fid_groups),
        fid_groups=fid_groups,
        rtcp_rsize=block.has("rtcp-rsize"),
        encodings=tuple(values[0] for values in block.by_format("rtpmap").values())[:MAX_FORMATS],
    )
    return evolve(section, rejection=_own_rejection(section, block, port))


def _heading(heading: str) -> tuple[str, int, str, tuple[str, ...]]:
    """`<media> <port>[/<count>] <protocol> <format> ...` (RFC 8866 section 5.14)."""
    parts = heading.split()
    port = _number(parts[1].partition("/")[0], 65_535) if len(parts) >= 4 else None
    if port is None or not (heading.isascii() and heading.isprintable()):
        raise SdpError("the offer has a malformed m= line")
    if len(parts) - 3 > MAX_FORMATS:
        raise SdpError(f"the offer has more than {MAX_FORMATS} formats in a section")
    return parts[0], port, parts[2], tuple(dict.fromkeys(parts[3:]))


def _own_rejection(section: MediaSection, block: _Block, port: int) -> Rejection | None:
    """Why the section itself is unusable; port 0 does not reject a bundle-only section (RFC 9143 section 6)."""
    if section.kind is None or section.protocol not in _PROTOCOLS:
        return Rejection.UNSUPPORTED
    if not (block.has("rtcp-mux") or block.has("rtcp-mux-only")):
        return Rejection.UNSUPPORTED
    if port == 0 and not block.has("bundle-only"):
        return Rejection.DISABLED
    return None if section.codecs else Rejection.NO_CODEC


def _direction(block: _Block) -> Direction | None:
    return next((direction for direction in Direction if block.has(direction)), None)


def _extensions(block: _Block) -> Mapping[str, int]:
    """`a=extmap:<id>[/<direction>] <uri>` (RFC 8285 section 8), without those that the offerer only receives."""
    found: dict[str, int] = {}
    for value in block.values("extmap"):
        target, _, rest = value.partition(" ")
        number, _, direction = target.partition("/")
        identifier = _number(number, _MAX_EXTENSION_ID)
        uri = rest.split(" ", 1)[0]
        if identifier and uri and direction in ("", "sendrecv", "sendonly") and identifier not in found.values():
            found.setdefault(uri, identifier)
    return MappingProxyType(found)


def _ssrcs(block: _Block, fid_groups: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    numbers = [_ssrc(value.partition(" ")[0]) for value in block.values("ssrc")]
    numbers += [ssrc for group in fid_groups for ssrc in group]
    found = tuple(dict.fromkeys(number for number in numbers if number))
    if len(found) > MAX_SSRCS:
        raise SdpError(f"the offer has more than {MAX_SSRCS} SSRCs in a section")
    return found


def _fid_groups(block: _Block) -> tuple[tuple[int, int], ...]:
    """`a=ssrc-group:FID <media> <rtx>` (RFC 5576 section 4.2); each SSRC is paired only once."""
    groups: list[tuple[int, int]] = []
    paired: set[int] = set()
    for value in block.values("ssrc-group"):
        match value.split():
            case ["FID", first, second]:
                media, rtx = _ssrc(first), _ssrc(second)
            case _:
                continue
        if media and rtx and media != rtx and paired.isdisjoint((media, rtx)):
            groups.append((media, rtx))
            paired |= {media, rtx}
    return tuple(groups)


# --- codecs ----------------------------------------------------------------------------------------------------


def _codecs(block: _Block, formats: Sequence[str], kind: MediaKind) -> tuple[Codec, ...]:
    encodings = {target: values[0] for target, values in block.by_format("rtpmap").items()}
    fmtps = {target: ";".join(values) for target, values in block.by_format("fmtp").items()}
    feedback = block.by_format("rtcp-fb")
    retransmissions = _retransmissions(formats, encodings, fmtps)
    found = []
    for text in formats:
        payload_type = _payload_type(text)
        encoding = None if payload_type is None else encodings.get(text, _STATIC_FORMATS.get(payload_type, ""))
        known = _known_encoding(encoding, kind) if encoding else None
        if payload_type is None or known is None:
            continue
        name, clock_rate, channels = known
        codec = Codec(
            payload_type=payload_type,
            name=name,
            clock_rate=clock_rate,
            channels=channels,
            fmtp=fmtps.get(text, ""),
            rtcp_feedback=tuple(dict.fromkeys(feedback.get(text, []) + feedback.get("*", []))),
            rtx_payload_type=retransmissions.get(text),
        )
        found.append(codec)
    return tuple(found)


def _companions(block: _Block, formats: Sequence[str]) -> tuple[Codec, ...]:
    encodings = {target: values[0] for target, values in block.by_format("rtpmap").items()}
    found = []
    for text in formats:
        payload_type = _payload_type(text)
        encoding = None if payload_type is None else encodings.get(text, _STATIC_FORMATS.get(payload_type, ""))
        if payload_type is None or not encoding or (read := _read_encoding(encoding)) not in _COMPANIONS:
            continue
        fmtp = ";".join(block.by_format("fmtp").get(text, []))
        found.append(Codec(payload_type=payload_type, name=read[0], clock_rate=read[1], fmtp=fmtp))
    return tuple(found)


def _retransmissions(
    formats: Iterable[str], encodings: Mapping[str, str], fmtps: Mapping[str, str]
) -> dict[str, int | None]:
    """Format -> payload type of its RTX (RFC 4588 section 8.1); one whose format is gone is never looked up."""
    found: dict[str, int | None] = {}
    for text in formats:
        if encodings.get(text, "").lower().startswith("rtx/"):
            found.setdefault(parse_parameters(fmtps.get(text, "")).get("apt", ""), _payload_type(text))
    return found


def _known_encoding(encoding: str, kind: MediaKind) -> tuple[str, int, int] | None:
    """`<name>/<clock rate>[/<channels>]` of a=rtpmap in canonical form; None if the server does not know it."""
    known = _read_encoding(encoding)
    expected_kind = MediaKind.AUDIO if known[0] in _AUDIO_NAMES else MediaKind.VIDEO
    return known if known in _KNOWN_CODECS and kind == expected_kind else None


def _read_encoding(encoding: str) -> tuple[str, int, int]:
    name, clock_rate, channels = [*encoding.upper().split("/"), "1", "1"][:3]
    return name, _number(clock_rate, 1_000_000) or 0, _number(channels, 255) or 0


# --- the transport ---------------------------------------------------------------------------------------------


def _choose_transport(session: _Block, sections: Sequence[MediaSection]) -> tuple[list[int], tuple[str, ...]]:
    """The indexes of the sections on the transport, the tagged one first, and their mids when they are bundled."""
    usable = [index for index, section in enumerate(sections) if not section.rejected]
    by_mid = {sections[index].mid: index for index in usable if sections[index].mid}
    for group in session.values("group"):
        semantics, *mids = [*group.split(), ""]
        members = tuple(mid for mid in dict.fromkeys(mids) if mid in by_mid)
        if semantics == "BUNDLE" and members:
            return [by_mid[mid] for mid in members], members
    if usable:
        return usable[:1], ()
    if any(section.rejection == Rejection.NO_CODEC for section in sections):
        raise NoCommonCodecs("the offer has no codec that the server knows")
    if any(section.protocol == "RTP/AVP" for section in sections):
        raise SdpError("the offer is plain RTP without ICE and DTLS (an MSE or WSPlayer client); only WebRTC is served")
    raise SdpError("the offer has no audio or video section over UDP/TLS/RTP/SAVPF with rtcp-mux")


def _place(section: MediaSection, member: bool) -> MediaSection:
    return section if member or section.rejected else evolve(section, rejection=Rejection.NOT_BUNDLED)


def _credential(name: str, shape: re.Pattern[str], tagged: _Block, session: _Block) -> str:
    value = tagged.first(name) or session.first(name)
    if not shape.fullmatch(value):
        raise SdpError(f"the offer has no valid a={name} for its transport")
    return value


def _fingerprints(tagged: _Block, session: _Block) -> tuple[Fingerprint, ...]:
    """The fingerprints (RFC 8122 section 5) of the section, else of the session, with a digest that is still secure."""
    found = []
    for value in tagged.values("fingerprint") or session.values("fingerprint"):
        algorithm, _, digest = value.partition(" ")
        algorithm, digest = algorithm.lower(), digest.strip().upper()
        size = _DIGEST_BYTES.get(algorithm, 0)
        if size and re.fullmatch(rf"[0-9A-F]{{2}}(:[0-9A-F]{{2}}){{{size - 1}}}", digest):
            found.append(Fingerprint(algorithm=algorithm, value=digest))
    if not found:
        raise SdpError(f"the offer has no a=fingerprint with {', '.join(_DIGEST_BYTES)}")
    return tuple(dict.fromkeys(found))


def _setup(tagged: _Block, session: _Block) -> Setup:
    """RFC 4145 section 4.1: an offer without a=setup means active."""
    value = tagged.first("setup") or session.first("setup") or Setup.ACTIVE
    if value not in list(Setup):
        raise SdpError(f"the offer must have a=setup with {', '.join(Setup)}")
    return Setup(value)


# --- small helpers ----------------------------------------------------------------------------------------------


def _number(text: str, maximum: int) -> int | None:
    """A decimal number from 0 to `maximum`; the length is checked first, because int() refuses very long texts."""
    if not (len(text) <= 10 and text.isascii() and text.isdecimal()):
        return None
    return int(text) if int(text) <= maximum else None


def _ssrc(text: str) -> int | None:
    return _number(text, 0xFFFF_FFFF)


def _payload_type(text: str) -> int | None:
    number = _number(text, 127)
    return None if number in _RTCP_CONFLICT or str(number) != text else number


def _token(text: str) -> str:
    return text if text and " " not in text else ""


def _refuse_duplicates(values: Iterable[object], name: str) -> None:
    seen = set()
    for value in values:
        if value in seen:
            raise SdpError(f"the offer uses a {name} twice")
        seen.add(value)
