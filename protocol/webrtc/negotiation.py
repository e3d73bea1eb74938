"""Chooses codecs: which tracks of an offer are accepted, and in which format.

The server forwards and never transcodes, so publishing a stream fixes one codec per kind, and a player takes exactly
that one or nothing. Both negotiations consider the first section of each kind that has the right direction; every other
section of the offer is answered `inactive`.
"""

from collections.abc import Collection, Iterator, Sequence

from protocol.webrtc.sdp import (
    MID_URI,
    TRANSPORT_CC_URI,
    Codec,
    MediaKind,
    MediaSection,
    NoCommonCodecs,
    NotBundled,
    Offer,
    Rejection,
    SourceTrack,
    TrackPlan,
)

_CONSTRAINED_BASELINE = "constrained-baseline"

# RFC 6184 table 5, as browsers read it: (profile_idc, mask of profile_iop, its value, profile).
_H264_PROFILES = (
    (0x42, 0x4F, 0x40, _CONSTRAINED_BASELINE),
    (0x4D, 0x8F, 0x80, _CONSTRAINED_BASELINE),
    (0x58, 0xCF, 0xC0, _CONSTRAINED_BASELINE),
    (0x42, 0x4F, 0x00, "baseline"),
    (0x58, 0xCF, 0x80, "baseline"),
    (0x4D, 0xAF, 0x00, "main"),
    (0x64, 0xFF, 0x00, "high"),
    (0x64, 0xFF, 0x0C, "constrained-high"),
    (0xF4, 0xFF, 0x00, "high-4:4:4-predictive"),
)
# RFC 6184 names baseline level 1 for an absent profile-level-id; browsers take constrained baseline level 3.1.
_H264_DEFAULT = "42e01f"


def negotiate_publish(offer: Offer, preference: Sequence[str]) -> tuple[TrackPlan, ...]:
    """The tracks to take from a publisher: per kind the first codec of `preference` (canonical names) that it offers.

    Audio that offers none of them is left out of a publication with video (see `audio_left_out`). Video is never left
    out: a missing picture would be more surprising than a refusal. Raises NoCommonCodecs when video offers none of
    them, when nothing is left, or when no section sends at all; NotBundled when a track would need its own transport.
    """
    sections = dict(_first_of_each_kind(offer, tuple(MediaKind), sends=True))
    if not sections:
        raise NoCommonCodecs("the offer sends neither audio nor video")
    codecs = {kind: _preferred(section.codecs, preference) for kind, section in sections.items()}
    for kind, codec in codecs.items():
        if codec is None and (kind is MediaKind.VIDEO or len(sections) == 1):
            raise NoCommonCodecs(f"the publisher's {kind} has no codec of {', '.join(preference)}")
    return tuple(_publish_plan(kind, sections[kind], codec) for kind, codec in codecs.items() if codec is not None)


def audio_left_out(offer: Offer, plans: Sequence[TrackPlan]) -> tuple[str, ...]:
    """The formats of a publisher's audio, as its offer names them, if `plans` leave it out; for the log."""
    if any(plan.kind is MediaKind.AUDIO for plan in plans):
        return ()
    sections = _first_of_each_kind(offer, (MediaKind.AUDIO,), sends=True)
    return tuple(name for _, section in sections for name in section.encodings)


def negotiate_play(offer: Offer, sources: Sequence[SourceTrack]) -> tuple[TrackPlan, ...]:
    """The tracks to send to a player, with the payload types of its own offer.

    Raises NoCommonCodecs when a receiving section cannot take the publisher's codec of that kind, or when nothing is
    left to send; NotBundled when a track would need its own transport. A kind that only one of the two has is not an
    error: it is left out.
    """
    by_kind = {source.kind: source for source in reversed(sources)}
    sections = _first_of_each_kind(offer, tuple(by_kind), sends=False)
    plans = tuple(_play_plan(section, by_kind[kind]) for kind, section in sections)
    if not plans:
        raise NoCommonCodecs("the offer receives no kind of media that the publisher sends")
    return plans


def same_format(one: Codec, other: Codec) -> bool:
    """Whether one can be sent as the other: same codec, profile and packetization; levels do not matter."""
    wanted = _format(one)
    return wanted is not None and wanted == _format(other)


def _first_of_each_kind(
    offer: Offer, kinds: Collection[MediaKind], *, sends: bool
) -> Iterator[tuple[MediaKind, MediaSection]]:
    """Sections without a known codec count too: the peer wants that kind, and only the caller may refuse it."""
    fitting = [section for section in offer.sections if _fits(section, sends=sends)]
    served = [section for section in fitting if section.rejection in (None, Rejection.NO_CODEC)]
    first = {section.kind: section for section in reversed(served)}
    apart = {section.kind: section for section in fitting if section.rejection is Rejection.NOT_BUNDLED}
    for section in fitting:
        kind = section.kind
        if kind not in kinds or kind is None:
            continue
        if kind not in first and kind in apart:
            raise NotBundled(
                f"the offer has its {kind} on a transport of its own; the server has one per peer: "
                "offer all sections in one BUNDLE group (bundlePolicy max-bundle)"
            )
        if first.get(kind) is section:
            yield kind, section


def _fits(section: MediaSection, *, sends: bool) -> bool:
    return section.direction.sends if sends else section.direction.receives


def _publish_plan(kind: MediaKind, section: MediaSection, codec: Codec) -> TrackPlan:
    media_ssrc, rtx_ssrc = _announced_ssrcs(section)
    measured = "transport-cc" in codec.rtcp_feedback
    return TrackPlan(
        kind=kind,
        mid=section.mid,
        codec=codec,
        rtx_payload_type=codec.rtx_payload_type,
        ssrc=media_ssrc,
        rtx_ssrc=rtx_ssrc if codec.rtx_payload_type is not None else None,
        twcc_extension_id=section.extensions.get(TRANSPORT_CC_URI) if measured else None,
        mid_extension_id=section.extensions.get(MID_URI) if section.mid else None,
        reduced_size=section.rtcp_rsize,
    )


def _play_plan(section: MediaSection, source: SourceTrack) -> TrackPlan:
    codec = next((codec for codec in section.codecs if same_format(codec, source.codec)), None)
    if codec is None:
        raise NoCommonCodecs(f"the player's {source.kind} cannot take the publisher's {source.codec.name}")
    repaired = codec.rtx_payload_type is not None and source.rtx_ssrc is not None
    return TrackPlan(
        kind=source.kind,
        mid=section.mid,
        codec=codec,
        rtx_payload_type=codec.rtx_payload_type if repaired else None,
        ssrc=source.ssrc,
        rtx_ssrc=source.rtx_ssrc if repaired else None,
        reduced_size=section.rtcp_rsize,
    )


def _announced_ssrcs(section: MediaSection) -> tuple[int | None, int | None]:
    """The first media SSRC (in a simulcast offer, its first layer) and its RTX SSRC."""
    repairs = dict(section.fid_groups)
    media = next((ssrc for ssrc in section.ssrcs if ssrc not in repairs.values()), None)
    return media, repairs.get(media) if media is not None else None


def _preferred(codecs: Sequence[Codec], preference: Sequence[str]) -> Codec | None:
    for name in preference:
        candidates = [codec for codec in codecs if codec.name == name and _publishable(codec)]
        if candidates:
            return min(candidates, key=_compatibility_rank)
    return None


def _publishable(codec: Codec) -> bool:
    """Whether other browsers can be expected to play it: VP9 and AV1 only in their 8-bit 4:2:0 profile."""
    match codec.name:
        case "VP9":
            return codec.parameters.get("profile-id", "0") == "0"
        case "AV1":
            return codec.parameters.get("profile", "0") == "0"
        case _:
            return _format(codec) is not None


def _compatibility_rank(codec: Codec) -> tuple[bool, bool]:
    """Sort key: constrained baseline with packetization-mode 1 is the most widely playable H264. Ties: offer order."""
    if codec.name != "H264":
        return (False, False)
    return (_packetization_mode(codec) != "1", _h264_profile(codec) != _CONSTRAINED_BASELINE)


def _format(codec: Codec) -> tuple[str, ...] | None:
    """What two codecs must have in common to be the same format; None for a codec that cannot be forwarded."""
    match codec.name:
        case "H264":
            profile, mode = _h264_profile(codec), _packetization_mode(codec)
            return ("H264", profile, mode) if profile and mode in ("0", "1") else None
        case "VP9":
            return ("VP9", codec.parameters.get("profile-id", "0"))
        case "AV1":
            return ("AV1", codec.parameters.get("profile", "0"))
        case _:
            return (codec.name,)


def _packetization_mode(codec: Codec) -> str:
    """RFC 6184 section 8.1: 0 (the default) single NAL units, 1 non-interleaved, 2 interleaved (no browser has it)."""
    return codec.parameters.get("packetization-mode", "0")


def _h264_profile(codec: Codec) -> str:
    """The profile of a profile-level-id; its first four digits for an unusual one; empty when it is malformed."""
    text = codec.parameters.get("profile-level-id", _H264_DEFAULT).lower()
    if len(text) != 6 or not all(digit in "0123456789abcdef" for digit in text):
        return ""
    profile_idc, profile_iop = int(text[:2], 16), int(text[2:4], 16)
    for known_idc, mask, value, profile in _H264_PROFILES:
        if profile_idc == known_idc and profile_iop & mask == value:
            return profile
    return text[:4]
