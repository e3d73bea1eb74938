"""The server's offer to a page that is called: one section of audio, ICE-lite, and the answer that comes back."""

from collections.abc import Sequence
from types import MappingProxyType

from protocol.webrtc.answer import call_lines, session_lines
from protocol.webrtc.offer import parse_offer
from protocol.webrtc.sdp import (
    Codec,
    Direction,
    LocalTransport,
    MediaKind,
    MediaSection,
    NoCommonCodecs,
    Offer,
    SdpError,
    Setup,
    TrackPlan,
)

_MID = "0"


def write_call_offer(
    codecs: Sequence[Codec], transport: LocalTransport, *, ssrc: int, cname: str, stream_id: str
) -> str:
    """An offer of audio in these formats, at least one, as text with CRLF line endings."""
    first, *others = codecs
    plan = TrackPlan(kind=MediaKind.AUDIO, mid=_MID, codec=first, ssrc=ssrc, alternatives=tuple(others))
    section = MediaSection(
        media="audio",
        kind=MediaKind.AUDIO,
        protocol="UDP/TLS/RTP/SAVPF",
        formats=tuple(str(codec.payload_type) for codec in codecs),
        mid=_MID,
        direction=Direction.SENDRECV,
        codecs=tuple(codecs),
        extensions=MappingProxyType({}),
        ssrcs=(ssrc,),
        fid_groups=(),
        rtcp_rsize=True,
    )
    lines = [*session_lines((_MID,), transport), *call_lines(section, plan, transport, cname, stream_id)]
    return "\r\n".join(lines) + "\r\n"


def read_call_answer(text: str) -> Offer:
    """The page's answer to such an offer. Raises SdpError, NoCommonCodecs if it takes nothing."""
    try:
        answer = parse_offer(text)
    except SdpError as error:
        raise type(error)(f"the page's answer: {error.message}") from None
    if answer.setup is Setup.ACTPASS:
        raise SdpError("the page's answer must choose a=setup")
    call_section(answer)
    return answer


def call_section(offer: Offer) -> MediaSection:
    """The audio of a page's offer or answer. Raises NoCommonCodecs if there is none that both sends and receives."""
    for section in offer.sections:
        if section.kind is MediaKind.AUDIO and not section.rejected and section.direction is Direction.SENDRECV:
            return section
    raise NoCommonCodecs("there is no audio that both sends and receives")
