"""Writes the server's answer: ICE-lite, one transport, and only what was planned.

Each offered section gets one of three answers. *Accepted*: a planned track. *Inactive*: the section stays in the
BUNDLE group with one codec and carries nothing. *Rejected*: port 0, outside the group, for sections that could never
be served (`MediaSection.rejected`). A section that is merely not needed, such as the video of a player whose publisher
has none, is made inactive rather than rejected: unmodified pages are known to play with that, and the offerer-tagged
section of the BUNDLE group is never rejected, which would move the transport to another section.
"""

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address

from protocol.webrtc.sdp import (
    MID_URI,
    TRANSPORT_CC_URI,
    Codec,
    Direction,
    LocalTransport,
    MediaKind,
    MediaSection,
    Offer,
    Setup,
    TrackPlan,
)

_TOKEN = re.compile(r"[!-~]+")
_UPSTREAM_FEEDBACK = {
    MediaKind.AUDIO: ("transport-cc",),
    MediaKind.VIDEO: ("nack", "nack pli", "ccm fir", "transport-cc", "goog-remb"),
}
_DOWNSTREAM_FEEDBACK: dict[MediaKind, tuple[str, ...]] = {
    MediaKind.AUDIO: (),
    MediaKind.VIDEO: ("nack", "nack pli", "ccm fir", "goog-remb"),
}
_HOST_TYPE_PREFERENCE = 126
_TCP_TYPE_PREFERENCE = 90  # below every kind of UDP (RFC 6544 section 4.2)
_PASSIVE_PREFERENCE = 4  # direction-pref of passive host candidates
_RTP_COMPONENT = 1


def write_answer(
    offer: Offer,
    plans: Sequence[TrackPlan],
    transport: LocalTransport,
    *,
    direction: Direction,
    cname: str = "",
    stream_id: str = "",
) -> str:
    """The answer to `offer` as text with CRLF line endings.

    `plans` come from a negotiation of the same offer. `direction` is the server's: recvonly to a publisher, sendonly
    to a player, sendrecv in a call. Players and calls need `cname` (the RTCP name of the sender) and `stream_id`, both
    without spaces. Audio and video share the `stream_id`, or the page would show only one of them. ValueError: misuse
    by the caller.
    """
    _check(offer, transport, direction, cname, stream_id)
    planned = {plan.mid: plan for plan in plans}
    lines = list(session_lines(offer.bundle, transport))
    for section in offer.sections:
        plan = planned.get(section.mid)
        if section.rejected:
            lines += _rejected_lines(section, transport)
        elif plan is None:
            lines += _inactive_lines(section, transport)
        elif direction == Direction.SENDONLY:
            lines += _play_lines(section, plan, transport, cname, stream_id)
        elif direction == Direction.SENDRECV:
            lines += call_lines(section, plan, transport, cname, stream_id)
        else:
            lines += _publish_lines(section, plan, transport)
    return "\r\n".join(lines) + "\r\n"


def _check(offer: Offer, transport: LocalTransport, direction: Direction, cname: str, stream_id: str) -> None:
    if direction == Direction.INACTIVE:
        raise ValueError("an answer in which nothing is sent or received is none")
    if direction.sends and not (_TOKEN.fullmatch(cname) and _TOKEN.fullmatch(stream_id)):
        raise ValueError("an answer with media of ours needs a cname and a stream_id without spaces")
    if transport.setup == Setup.ACTPASS or transport.setup == offer.setup:
        raise ValueError(f"the server cannot answer setup {offer.setup} with {transport.setup}")
    if not (transport.candidates or transport.tcp_candidates):
        raise ValueError("an answer needs at least one candidate")


def session_lines(bundle: Sequence[str], transport: LocalTransport) -> Iterator[str]:
    """The session level, of an answer or an offer. `bundle`: the mids that share the transport."""
    # RFC 8866 requires a number that is unique to the answer; the random ufrag is unique, and it is public.
    origin = int.from_bytes(transport.ufrag.encode()[:7])
    yield "v=0"
    yield f"o=- {origin} 1 IN IP4 0.0.0.0"
    yield "s=-"
    yield "t=0 0"
    yield "a=ice-lite"
    if bundle:
        yield f"a=group:BUNDLE {' '.join(bundle)}"
    yield "a=msid-semantic:WMS *"


# --- the three answers to a section ------------------------------------------------------------------------------


def _rejected_lines(section: MediaSection, transport: LocalTransport) -> Iterator[str]:
    """GStreamer expects transport attributes here too, and refuses an answer without them."""
    yield f"m={section.media} 0 {section.protocol} {section.formats[0]}"
    yield "c=IN IP4 0.0.0.0"
    yield from _mid_lines(section)
    yield f"a={Direction.INACTIVE}"
    yield from _identity_lines(transport)


def _inactive_lines(section: MediaSection, transport: LocalTransport) -> Iterator[str]:
    codec = section.codecs[0]
    yield from _opening_lines(section, [codec.payload_type], Direction.INACTIVE, transport)
    yield from _codec_lines(codec)
    yield from _transport_lines(transport)


def _publish_lines(section: MediaSection, plan: TrackPlan, transport: LocalTransport) -> Iterator[str]:
    yield from _opening_lines(section, _payload_types(plan), Direction.RECVONLY, transport)
    if plan.twcc_extension_id is not None:
        yield f"a=extmap:{plan.twcc_extension_id} {TRANSPORT_CC_URI}"
    if plan.mid_extension_id is not None:
        yield f"a=extmap:{plan.mid_extension_id} {MID_URI}"
    yield from _track_lines(plan, _UPSTREAM_FEEDBACK[plan.kind])
    yield from _transport_lines(transport)


def _play_lines(
    section: MediaSection, plan: TrackPlan, transport: LocalTransport, cname: str, stream_id: str
) -> Iterator[str]:
    yield from _opening_lines(section, _payload_types(plan), Direction.SENDONLY, transport)
    yield f"a=msid:{stream_id} {stream_id}-{plan.kind}"
    yield from _track_lines(plan, _DOWNSTREAM_FEEDBACK[plan.kind])
    if plan.ssrc is not None and plan.rtx_ssrc is not None:
        yield f"a=ssrc-group:FID {plan.ssrc} {plan.rtx_ssrc}"  # without it the browser does not recognize RTX
    for ssrc in (plan.ssrc, plan.rtx_ssrc):
        if ssrc is not None:
            yield f"a=ssrc:{ssrc} cname:{cname}"
            yield f"a=ssrc:{ssrc} msid:{stream_id} {stream_id}-{plan.kind}"  # for clients older than a=msid
    yield from _transport_lines(transport)


def call_lines(
    section: MediaSection, plan: TrackPlan, transport: LocalTransport, cname: str, stream_id: str
) -> Iterator[str]:
    """A section of a call, in an answer or an offer: both sides send, each any of the plan's codecs."""
    codecs = (plan.codec, *plan.alternatives)
    yield from _opening_lines(section, [codec.payload_type for codec in codecs], Direction.SENDRECV, transport)
    yield f"a=msid:{stream_id} {stream_id}-{plan.kind}"
    for codec in codecs:
        yield from _codec_lines(codec)
    if plan.ssrc is not None:
        yield f"a=ssrc:{plan.ssrc} cname:{cname}"
        yield f"a=ssrc:{plan.ssrc} msid:{stream_id} {stream_id}-{plan.kind}"
    yield from _transport_lines(transport)


# --- parts of a section ------------------------------------------------------------------------------------------


def _opening_lines(
    section: MediaSection, payload_types: Sequence[int], direction: Direction, transport: LocalTransport
) -> Iterator[str]:
    address, port = _default_candidate(transport)
    yield f"m={section.media} {port} {section.protocol} {' '.join(map(str, payload_types))}"
    yield f"c=IN IP{address.version} {address}"
    yield from _mid_lines(section)
    yield f"a={direction}"
    yield "a=rtcp-mux"
    if section.rtcp_rsize:
        yield "a=rtcp-rsize"


def _mid_lines(section: MediaSection) -> Iterator[str]:
    if section.mid:
        yield f"a=mid:{section.mid}"


def _payload_types(plan: TrackPlan) -> list[int]:
    types = (plan.codec.payload_type, plan.rtx_payload_type)
    return [payload_type for payload_type in types if payload_type is not None]


def _codec_lines(codec: Codec) -> Iterator[str]:
    """The rtpmap and right after it the fmtp, verbatim: the SDK looks for that line to insert bitrate limits."""
    channels = f"/{codec.channels}" if codec.channels > 1 else ""
    name = codec.name.lower() if codec.name == "OPUS" else codec.name
    yield f"a=rtpmap:{codec.payload_type} {name}/{codec.clock_rate}{channels}"
    if codec.fmtp:
        yield f"a=fmtp:{codec.payload_type} {codec.fmtp}"


def _track_lines(plan: TrackPlan, served_feedback: Sequence[str]) -> Iterator[str]:
    """The codec, the feedback that is both offered and served, and its RTX."""
    codec = plan.codec
    unused = "goog-remb" if plan.twcc_extension_id is not None else "transport-cc"
    yield from _codec_lines(codec)
    for feedback in served_feedback:
        if feedback in codec.rtcp_feedback and feedback != unused:
            yield f"a=rtcp-fb:{codec.payload_type} {feedback}"
    if plan.rtx_payload_type is not None:
        yield f"a=rtpmap:{plan.rtx_payload_type} rtx/{codec.clock_rate}"
        yield f"a=fmtp:{plan.rtx_payload_type} apt={codec.payload_type}"


def _transport_lines(transport: LocalTransport) -> Iterator[str]:
    yield from _identity_lines(transport)
    yield from _candidate_lines(transport)
    yield "a=end-of-candidates"


def _identity_lines(transport: LocalTransport) -> Iterator[str]:
    yield f"a=ice-ufrag:{transport.ufrag}"
    yield f"a=ice-pwd:{transport.pwd}"
    yield f"a=fingerprint:{transport.fingerprint.algorithm} {transport.fingerprint.value}"
    yield f"a=setup:{transport.setup}"


# --- candidates --------------------------------------------------------------------------------------------------


def candidate_priorities(candidates: Sequence[tuple[str, int]]) -> list[int]:
    """The priority of each of these candidates in an answer (RFC 8445 section 5.1.2.1)."""
    ranked = _ranked(candidates)
    return [_priority(ranked.index((ip_address(address), port))) for address, port in candidates]


def _ranked(candidates: Sequence[tuple[str, int]]) -> list[tuple[IPv4Address | IPv6Address, int]]:
    """Best first: IPv6 before IPv4 (RFC 8421), loopback last, else the operator's order."""
    parsed = [(ip_address(address), port) for address, port in candidates]
    return sorted(parsed, key=lambda candidate: (candidate[0].is_loopback, candidate[0].version == 4))


def tcp_candidate_priorities(candidates: Sequence[tuple[str, int]]) -> list[int]:
    """The priority of each of these passive TCP candidates in an answer (RFC 6544 section 4.2)."""
    ranked = _ranked(candidates)
    return [_tcp_priority(ranked.index((ip_address(address), port))) for address, port in candidates]


def _tcp_priority(rank: int) -> int:
    local = (_PASSIVE_PREFERENCE << 13) | (8_191 - rank)
    return (_TCP_TYPE_PREFERENCE << 24) | (local << 8) | (256 - _RTP_COMPONENT)


def _priority(rank: int) -> int:
    return (_HOST_TYPE_PREFERENCE << 24) | (65_535 - rank << 8) | (256 - _RTP_COMPONENT)


def _candidate_lines(transport: LocalTransport) -> Iterator[str]:
    """Host candidates, each with its own foundation and priority."""
    for rank, (address, port) in enumerate(_ranked(transport.candidates)):
        yield f"a=candidate:{rank + 1} {_RTP_COMPONENT} udp {_priority(rank)} {address} {port} typ host"
    first = len(transport.candidates) + 1
    for rank, (address, port) in enumerate(_ranked(transport.tcp_candidates)):
        where = f"{_RTP_COMPONENT} tcp {_tcp_priority(rank)} {address} {port}"
        yield f"a=candidate:{first + rank} {where} typ host tcptype passive"


def _default_candidate(transport: LocalTransport) -> tuple[IPv4Address | IPv6Address, int]:
    """The address for m= and c=: IPv4 where there is one, since it works with most peers (RFC 8839 section 4.2.1.2)."""
    ranked = _ranked(transport.candidates or transport.tcp_candidates)
    return next((candidate for candidate in ranked if candidate[0].version == 4), ranked[0])
