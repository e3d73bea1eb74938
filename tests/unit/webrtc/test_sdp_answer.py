"""Writing answers, read back by a foreign parser and line by line."""

from collections.abc import Sequence

import pytest
from aiortc.sdp import SessionDescription
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.webrtc.answer import write_answer
from protocol.webrtc.negotiation import negotiate_play, negotiate_publish
from protocol.webrtc.offer import parse_offer
from protocol.webrtc.sdp import Direction, LocalTransport, MediaKind, SdpError, Setup, SourceTrack
from tests.support.webrtc.sdp_texts import (
    AUDIO,
    FINGERPRINT,
    PREFERENCE,
    TRANSPORT,
    VIDEO,
    h264,
    offer_of,
    recorded,
    section_of,
    text_of,
)

PUBLISH_OFFERS = (
    "chrome_publish_av_offer",
    "chrome_publish_audio_offer",
    "chrome_publish_video_stripcodecs_H264_AV1_offer",
    "firefox_publish_av_offer_written",
)
PLAY_OFFERS = (
    "chrome_play_av_offer",
    "chrome_play_audio_offer",
    "chrome_play_video_offer",
    "safari_play_av_offer_written",
)


def publish_answer(text: str, preference: Sequence[str] = PREFERENCE, transport: LocalTransport = TRANSPORT) -> str:
    offer = parse_offer(text)
    return write_answer(offer, negotiate_publish(offer, preference), transport, direction=Direction.RECVONLY)


def sources(name: str = "chrome_publish_av_offer", preference: Sequence[str] = PREFERENCE) -> list[SourceTrack]:
    plans = negotiate_publish(parse_offer(recorded(name)), preference)
    ssrcs = {MediaKind.AUDIO: (11, None), MediaKind.VIDEO: (22, 33)}
    return [SourceTrack(kind=p.kind, codec=p.codec, ssrc=ssrcs[p.kind][0], rtx_ssrc=ssrcs[p.kind][1]) for p in plans]


def play_answer(text: str, tracks: Sequence[SourceTrack]) -> str:
    offer = parse_offer(text)
    plans = negotiate_play(offer, tracks)
    return write_answer(offer, plans, TRANSPORT, direction=Direction.SENDONLY, cname="server", stream_id="stream")


def sections_of(answer: str) -> list[list[str]]:
    """The session's lines, then those of each section."""
    assert answer.endswith("\r\n")
    assert answer.isascii()
    lines = answer.removesuffix("\r\n").split("\r\n")
    starts = [index for index, line in enumerate(lines) if line.startswith("m=")]
    return [lines[start:end] for start, end in zip([0, *starts], [*starts, len(lines)], strict=True)]


TRANSPORT_LINES = [
    "a=ice-ufrag:server+/",
    "a=ice-pwd:serverPasswordOf24Chars+",
    f"a=fingerprint:sha-256 {FINGERPRINT}",
    "a=setup:passive",
    "a=candidate:1 1 udp 2130706431 192.0.2.10 31001 typ host",
    "a=end-of-candidates",
]

# --- publishing --------------------------------------------------------------------------------------------------


def test_publish_answer_to_chrome() -> None:
    session, audio, video = sections_of(publish_answer(recorded("chrome_publish_av_offer")))
    assert session[0] == "v=0"
    assert session[2:] == ["s=-", "t=0 0", "a=ice-lite", "a=group:BUNDLE 0 1", "a=msid-semantic:WMS *"]
    assert audio == [
        "m=audio 31001 UDP/TLS/RTP/SAVPF 111",
        "c=IN IP4 192.0.2.10",
        "a=mid:0",
        "a=recvonly",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 minptime=10;useinbandfec=1",
        "a=rtcp-fb:111 transport-cc",
        *TRANSPORT_LINES,
    ]
    assert video == [
        "m=video 31001 UDP/TLS/RTP/SAVPF 96 97",
        "c=IN IP4 192.0.2.10",
        "a=mid:1",
        "a=recvonly",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
        "a=rtpmap:96 VP8/90000",
        "a=rtcp-fb:96 nack",
        "a=rtcp-fb:96 nack pli",
        "a=rtcp-fb:96 ccm fir",
        "a=rtcp-fb:96 transport-cc",
        "a=rtpmap:97 rtx/90000",
        "a=fmtp:97 apt=96",
        *TRANSPORT_LINES,
    ]


def test_feedback_is_promised_only_when_offered() -> None:
    (_, audio) = sections_of(publish_answer(offer_of(section_of(*AUDIO, "a=rtcp-fb:111 nack"))))
    (_, video) = sections_of(
        publish_answer(offer_of(section_of(*VIDEO, "a=rtcp-fb:96 nack", "a=rtcp-fb:96 nack rpsi")))
    )
    assert [line for line in audio if line.startswith("a=rtcp-fb")] == []  # the server repairs no audio
    assert [line for line in video if line.startswith("a=rtcp-fb")] == ["a=rtcp-fb:96 nack"]
    assert "a=rtcp-rsize" not in audio


def test_remb_is_promised_to_a_publisher_that_cannot_have_transport_wide_feedback() -> None:
    feedback = ("a=rtcp-fb:96 goog-remb", "a=rtcp-fb:96 transport-cc")
    extension = "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
    (_, without) = sections_of(publish_answer(offer_of(section_of(*VIDEO, *feedback))))
    (_, measured) = sections_of(publish_answer(offer_of(section_of(*VIDEO, *feedback, extension))))
    assert [line for line in without if line.startswith("a=rtcp-fb")] == ["a=rtcp-fb:96 goog-remb"]
    assert [line for line in measured if line.startswith("a=rtcp-fb")] == ["a=rtcp-fb:96 transport-cc"]


def test_a_single_section_without_group_or_mid_gets_neither() -> None:
    session, audio = sections_of(publish_answer(offer_of(section_of(*AUDIO))))
    assert not [line for line in session + audio if line.startswith(("a=group", "a=mid"))]


def test_sections_that_cannot_be_served_have_port_0_and_are_not_bundled() -> None:
    data = section_of("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", mid="d")
    text = offer_of(data, section_of(*AUDIO, mid="a"), group="d a")
    session, application, audio = sections_of(publish_answer(text))
    assert "a=group:BUNDLE a" in session
    assert application == [
        "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
        "c=IN IP4 0.0.0.0",
        "a=mid:d",
        "a=inactive",
        *TRANSPORT_LINES[:4],
    ]
    assert audio[0] == "m=audio 31001 UDP/TLS/RTP/SAVPF 111"


def test_without_bundle_a_second_section_that_is_not_needed_has_port_0() -> None:
    text = offer_of(section_of(*AUDIO, mid="a"), section_of(*VIDEO, mid="v", direction="recvonly"))
    session, audio, video = sections_of(publish_answer(text))
    assert not [line for line in session if line.startswith("a=group")]
    assert "a=recvonly" in audio
    assert video[0] == "m=video 0 UDP/TLS/RTP/SAVPF 96"


def test_what_does_not_send_is_inactive_within_the_bundle() -> None:
    silent = section_of(*AUDIO, mid="a", direction="recvonly")
    session, audio, _ = sections_of(publish_answer(offer_of(silent, section_of(*VIDEO, mid="v"), group="a v")))
    assert "a=group:BUNDLE a v" in session
    assert audio == [
        "m=audio 31001 UDP/TLS/RTP/SAVPF 111",
        "c=IN IP4 192.0.2.10",
        "a=mid:a",
        "a=inactive",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        *TRANSPORT_LINES,
    ]


# --- playing -----------------------------------------------------------------------------------------------------


def test_play_answer_to_chrome() -> None:
    session, audio, video = sections_of(play_answer(recorded("chrome_play_av_offer"), sources()))
    assert "a=group:BUNDLE 0 1" in session
    assert audio == [
        "m=audio 31001 UDP/TLS/RTP/SAVPF 111",
        "c=IN IP4 192.0.2.10",
        "a=mid:0",
        "a=sendonly",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        "a=msid:stream stream-audio",
        "a=rtpmap:111 opus/48000/2",
        "a=fmtp:111 minptime=10;useinbandfec=1",
        "a=ssrc:11 cname:server",
        "a=ssrc:11 msid:stream stream-audio",
        *TRANSPORT_LINES,
    ]
    assert video == [
        "m=video 31001 UDP/TLS/RTP/SAVPF 96 97",
        "c=IN IP4 192.0.2.10",
        "a=mid:1",
        "a=sendonly",
        "a=rtcp-mux",
        "a=rtcp-rsize",
        "a=msid:stream stream-video",
        "a=rtpmap:96 VP8/90000",
        "a=rtcp-fb:96 nack",
        "a=rtcp-fb:96 nack pli",
        "a=rtcp-fb:96 ccm fir",
        "a=rtcp-fb:96 goog-remb",
        "a=rtpmap:97 rtx/90000",
        "a=fmtp:97 apt=96",
        "a=ssrc-group:FID 22 33",
        "a=ssrc:22 cname:server",
        "a=ssrc:22 msid:stream stream-video",
        "a=ssrc:33 cname:server",
        "a=ssrc:33 msid:stream stream-video",
        *TRANSPORT_LINES,
    ]


@pytest.mark.parametrize(("published", "left_out"), [("audio", "video"), ("video", "audio")])
def test_the_kind_that_the_publisher_lacks_is_inactive_within_the_bundle(published: str, left_out: str) -> None:
    tracks = [track for track in sources() if track.kind == published]
    answer = sections_of(play_answer(recorded("chrome_play_av_offer"), tracks))
    assert "a=group:BUNDLE 0 1" in answer[0]
    directions = {lines[0].split()[0]: lines[3] for lines in answer[1:]}
    assert directions == {f"m={published}": "a=sendonly", f"m={left_out}": "a=inactive"}
    assert all(lines[0].split()[1] == "31001" for lines in answer[1:])


def test_a_player_in_another_numbering() -> None:
    tracks = sources("firefox_publish_av_offer_written", ("OPUS", "H264"))
    _, video, audio = sections_of(play_answer(recorded("safari_play_av_offer_written"), tracks))
    assert video[0] == "m=video 31001 UDP/TLS/RTP/SAVPF 98 99"
    assert "a=fmtp:98 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f" in video
    assert audio[0] == "m=audio 31001 UDP/TLS/RTP/SAVPF 111"
    assert "a=rtcp-rsize" not in audio  # not offered there


# --- every answer ------------------------------------------------------------------------------------------------


def answers() -> list[tuple[str, str]]:
    written = [(name, publish_answer(recorded(name))) for name in PUBLISH_OFFERS]
    return written + [(name, play_answer(recorded(name), sources())) for name in PLAY_OFFERS]


@pytest.mark.parametrize(("name", "answer"), answers())
def test_a_foreign_parser_agrees(name: str, answer: str) -> None:
    offer, parsed = parse_offer(recorded(name)), SessionDescription.parse(answer)
    assert [media.rtp.muxId for media in parsed.media] == [section.mid for section in offer.sections]
    assert tuple(parsed.group[0].items) == offer.bundle
    for media in parsed.media:
        assert media.ice is not None
        assert media.dtls is not None
        assert (media.ice.iceLite, media.ice.usernameFragment, media.ice.password) == (
            True,
            TRANSPORT.ufrag,
            TRANSPORT.pwd,
        )
        assert (media.dtls.role, [found.value for found in media.dtls.fingerprints]) == ("server", [FINGERPRINT])
        assert [(found.ip, found.port, found.type) for found in media.ice_candidates] == [("192.0.2.10", 31001, "host")]
        assert media.ice_candidates_complete
        assert media.rtcp_mux
        assert len([codec for codec in media.rtp.codecs if codec.name != "rtx"]) == 1


@pytest.mark.parametrize(("name", "answer"), answers())
def test_fmtp_follows_its_rtpmap_directly(name: str, answer: str) -> None:
    lines = answer.split("\r\n")
    formats = [index for index, line in enumerate(lines) if line.startswith("a=fmtp:")]
    assert formats, name
    for index in formats:
        number = lines[index].removeprefix("a=fmtp:").split()[0]
        assert lines[index - 1].startswith(f"a=rtpmap:{number} ")


@pytest.mark.parametrize(("name", "answer"), answers())
def test_only_offered_formats_extensions_and_feedback_are_answered(name: str, answer: str) -> None:
    offered = set(recorded(name).split("\r\n"))
    kept = ("a=rtpmap:", "a=fmtp:", "a=extmap:", "a=rtcp-fb:", "a=mid:", "a=group:")
    answered = {line for line in answer.split("\r\n") if line.startswith(kept)}
    assert answered
    assert answered <= offered


# --- candidates and transport ------------------------------------------------------------------------------------


def candidates_of(*addresses: tuple[str, int]) -> tuple[list[list[str]], str]:
    transport = evolve(TRANSPORT, candidates=addresses)
    _, audio = sections_of(publish_answer(offer_of(section_of(*AUDIO)), transport=transport))
    return [line.split() for line in audio if line.startswith("a=candidate:")], audio[1]


def test_candidates_are_ranked_and_distinct() -> None:
    found, connection = candidates_of(
        ("127.0.0.1", 1), ("192.0.2.1", 2), ("::1", 3), ("2001:db8::1", 4), ("192.0.2.2", 5)
    )
    assert [(fields[4], fields[5]) for fields in found] == [
        ("2001:db8::1", "4"),
        ("192.0.2.1", "2"),
        ("192.0.2.2", "5"),
        ("::1", "3"),
        ("127.0.0.1", "1"),
    ]
    priorities = [int(fields[3]) for fields in found]
    assert priorities == sorted(priorities, reverse=True)
    assert len({fields[0] for fields in found}) == len(set(priorities)) == 5
    assert all(0 < priority < 2**31 for priority in priorities)
    assert connection == "c=IN IP4 192.0.2.1"


def test_an_ipv6_only_server() -> None:
    found, connection = candidates_of(("2001:DB8:0::1", 31001))
    assert found[0][4] == "2001:db8::1"
    assert connection == "c=IN IP6 2001:db8::1"


def test_the_role_is_an_argument() -> None:
    answer = publish_answer(offer_of(section_of(*AUDIO)), transport=evolve(TRANSPORT, setup=Setup.ACTIVE))
    assert "a=setup:active\r\n" in answer


def test_misuse_is_a_value_error() -> None:
    offer = parse_offer(offer_of(section_of(*AUDIO)))
    active = evolve(offer, setup=Setup.ACTIVE)
    recvonly, sendonly = Direction.RECVONLY, Direction.SENDONLY
    with pytest.raises(ValueError, match="nothing is sent or received"):
        write_answer(offer, (), TRANSPORT, direction=Direction.INACTIVE)
    with pytest.raises(ValueError, match="cname"):
        write_answer(offer, (), TRANSPORT, direction=sendonly, cname="with space", stream_id="s")
    with pytest.raises(ValueError, match="stream_id"):
        write_answer(offer, (), TRANSPORT, direction=sendonly, cname="c", stream_id="s\r\na=evil")
    with pytest.raises(ValueError, match="setup"):
        write_answer(active, (), evolve(TRANSPORT, setup=Setup.ACTIVE), direction=recvonly)
    with pytest.raises(ValueError, match="setup"):
        write_answer(offer, (), evolve(TRANSPORT, setup=Setup.ACTPASS), direction=recvonly)
    with pytest.raises(ValueError, match="candidate"):
        write_answer(offer, (), evolve(TRANSPORT, candidates=()), direction=recvonly)


def test_secrets_are_not_shown() -> None:
    assert TRANSPORT.pwd not in repr(TRANSPORT)


# --- any offer ---------------------------------------------------------------------------------------------------

LINES = [line for name in (*PUBLISH_OFFERS, *PLAY_OFFERS) for line in recorded(name).split("\r\n")]
LINES += [*AUDIO, *VIDEO, *h264(120, "42e01f"), "a=mid:a b", "a=bundle-only", "a=group:BUNDLE", "a=mid:"]


@settings(max_examples=200)
@given(st.lists(st.sampled_from(sorted(set(LINES))), max_size=60))
def test_whatever_is_parsed_can_be_answered(lines: list[str]) -> None:
    """Each m= line gets its answer, and the BUNDLE group names just the sections that live."""
    text = text_of(*offer_of(section_of(*VIDEO, mid="first")).split("\r\n")[:-1], *lines)
    try:
        offer = parse_offer(text)
        plans = negotiate_publish(offer, PREFERENCE)
    except SdpError:
        return
    _, *sections = sections_of(write_answer(offer, plans, TRANSPORT, direction=Direction.RECVONLY))
    assert [lines[0].split()[0] for lines in sections] == [f"m={section.media}" for section in offer.sections]
    alive = [lines for lines in sections if lines[0].split()[1] != "0"]
    assert len(alive) == max(1, len(offer.bundle))
    assert sum("a=recvonly" in lines for lines in alive) == len(plans)
