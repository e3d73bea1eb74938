"""Reading offers: what browsers send, what pages leave of it, and what an attacker may try."""

from collections.abc import Callable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from protocol.signaling.client_frames import SDP_LIMIT
from protocol.webrtc.offer import MAX_FORMATS, MAX_LINES, MAX_SECTIONS, MAX_SSRCS, MAX_TEXT_LENGTH, parse_offer
from protocol.webrtc.roles import ANSWERER
from protocol.webrtc.sdp import (
    MID_URI,
    TRANSPORT_CC_URI,
    Codec,
    Direction,
    MediaKind,
    NoCommonCodecs,
    Offer,
    Rejection,
    SdpError,
    Setup,
)
from tests.support.webrtc.sdp_texts import AUDIO, FINGERPRINT, VIDEO, offer_of, recorded, section_of, text_of


def codec(offer: Offer, payload_type: int) -> Codec:
    """The format with this number, wherever it is; numbers are unique in the recordings."""
    return next(found for section in offer.sections for found in section.codecs if found.payload_type == payload_type)


# --- what browsers send ------------------------------------------------------------------------------------------


def test_chrome_publish_offer() -> None:
    offer = parse_offer(recorded("chrome_publish_av_offer"))
    audio, video = offer.sections
    assert (offer.ice_ufrag, offer.ice_pwd, offer.setup) == ("PpqV", "Pav8ll80zu3iI2y9ihsE4Qx9", Setup.ACTPASS)
    assert [fingerprint.algorithm for fingerprint in offer.fingerprints] == ["sha-256"]
    assert offer.fingerprints[0].value.startswith("82:61:DA:44")
    assert offer.bundle == ("0", "1")
    assert (audio.kind, audio.mid, audio.direction, audio.rejection) == (MediaKind.AUDIO, "0", Direction.SENDONLY, None)
    assert [found.name for found in audio.codecs] == ["OPUS", "G722", "PCMU", "PCMA"]
    assert audio.ssrcs == (32517950,)
    assert video.ssrcs == (1516731693, 3439298890)
    assert video.fid_groups == ((1516731693, 3439298890),)
    assert (video.extensions[TRANSPORT_CC_URI], video.extensions[MID_URI]) == (3, 4)
    assert video.rtcp_rsize


def test_codec_of_a_chrome_offer() -> None:
    offer = parse_offer(recorded("chrome_publish_av_offer"))
    h264 = codec(offer, 108)
    assert h264 == Codec(
        payload_type=108,
        name="H264",
        clock_rate=90_000,
        fmtp="level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
        rtcp_feedback=("goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"),
        rtx_payload_type=109,
    )
    assert h264.parameters["profile-level-id"] == "42e01f"
    assert codec(offer, 111).channels == 2
    assert codec(offer, 0).clock_rate == 8_000


def test_codecs_keep_the_order_of_the_offer() -> None:
    video = parse_offer(recorded("chrome_play_av_offer")).sections[1]
    names = list(dict.fromkeys(found.name for found in video.codecs))
    assert names == ["VP8", "VP9", "H264", "AV1"]


def test_strip_codecs_leaves_rtx_that_points_to_nothing() -> None:
    (video,) = parse_offer(recorded("chrome_publish_video_stripcodecs_H264_AV1_offer")).sections
    assert [(found.payload_type, found.rtx_payload_type) for found in video.codecs] == [(96, 97), (98, 99), (100, 101)]


def test_firefox_gives_each_section_credentials_of_its_own_and_the_tagged_ones_count() -> None:
    offer = parse_offer(recorded("firefox_publish_av_offer_written"))
    assert [section.rejection for section in offer.sections] == [None, None]
    assert offer.ice_ufrag == "1b7d9a3e"  # of the first section of the group
    assert offer.fingerprints[0].value.startswith("A1:5B")  # from the session level


def test_firefox_section() -> None:
    video = parse_offer(recorded("firefox_publish_av_offer_written")).sections[1]
    assert [found.payload_type for found in video.codecs] == [120, 121, 126, 97]
    assert [found.rtx_payload_type for found in video.codecs] == [124, 125, 127, 98]
    assert "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay" not in video.extensions  # /recvonly
    assert video.extensions[TRANSPORT_CC_URI] == 7
    assert video.direction == Direction.SENDONLY  # the section's own, not the session's sendrecv


def test_safari_play_offer_has_video_first() -> None:
    offer = parse_offer(recorded("safari_play_av_offer_written"))
    assert [section.kind for section in offer.sections] == [MediaKind.VIDEO, MediaKind.AUDIO]
    assert [found.payload_type for found in offer.sections[0].codecs] == [96, 98, 100]


@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n\r\n"])
def test_any_line_end_will_do(line_end: str) -> None:
    text = recorded("chrome_publish_av_offer")
    assert parse_offer(text.replace("\r\n", line_end)) == parse_offer(text)


def test_one_line_without_its_cr_will_do() -> None:
    text = recorded("chrome_publish_av_offer")
    assert parse_offer(text.replace("118 119 120\r\n", "118 119 120\n")) == parse_offer(text)


# --- attributes --------------------------------------------------------------------------------------------------


def test_direction_comes_from_the_session_then_is_sendrecv() -> None:
    silent = (*AUDIO, "a=rtcp-mux")
    assert parse_offer(offer_of(silent)).sections[0].direction == Direction.SENDRECV
    assert parse_offer(offer_of(silent, extra=("a=recvonly",))).sections[0].direction == Direction.RECVONLY


def test_static_payload_types_need_no_rtpmap() -> None:
    (audio,) = parse_offer(offer_of(section_of("m=audio 9 UDP/TLS/RTP/SAVPF 8 0 96"))).sections
    assert [(found.payload_type, found.name) for found in audio.codecs] == [(8, "PCMA"), (0, "PCMU")]


@pytest.mark.parametrize(
    "rtpmap",
    ["opus/16000/2", "opus/48000/6", "VP8/90000", "G723/8000", "opus", "opus//", "", "/", "opus/48000/2" + "0" * 5000],
)
def test_unknown_encodings_are_skipped(rtpmap: str) -> None:
    lines = ("a=rtpmap:111 opus/48000/2", f"a=rtpmap:112 {rtpmap}")
    (audio,) = parse_offer(offer_of(section_of("m=audio 9 UDP/TLS/RTP/SAVPF 111 112", *lines))).sections
    assert [found.payload_type for found in audio.codecs] == [111]


@pytest.mark.parametrize("payload_type", ["64", "95", "128", "-1", "0111", "x", "1_1", "1" * 5000])
def test_impossible_payload_types_are_skipped(payload_type: str) -> None:
    lines = ("a=rtpmap:111 opus/48000/2", f"a=rtpmap:{payload_type} opus/48000/2")
    heading = f"m=audio 9 UDP/TLS/RTP/SAVPF {payload_type} 111"
    (audio,) = parse_offer(offer_of(section_of(heading, *lines))).sections
    assert [found.payload_type for found in audio.codecs] == [111]


def test_a_payload_type_named_twice_is_one_codec() -> None:
    (audio,) = parse_offer(offer_of(section_of("m=audio 9 UDP/TLS/RTP/SAVPF 111 111", AUDIO[1]))).sections
    assert len(audio.codecs) == 1


def test_feedback_for_all_formats_counts_for_each() -> None:
    lines = (VIDEO[1], "a=rtcp-fb:* nack", "a=rtcp-fb:96 nack pli", "a=rtcp-fb:96 nack")
    (video,) = parse_offer(offer_of(section_of(VIDEO[0], *lines))).sections
    assert video.codecs[0].rtcp_feedback == ("nack pli", "nack")


def test_fmtp_parameters_are_read_leniently() -> None:
    fmtp = "a=fmtp:111 MinPTime = 10 ;; useinbandfec=1;0-15;minptime=20"
    (audio,) = parse_offer(offer_of(section_of(*AUDIO, fmtp))).sections
    assert audio.codecs[0].parameters == {"minptime": "10", "useinbandfec": "1"}


def test_rtx_may_name_its_format_after_other_parameters() -> None:
    lines = (VIDEO[1], "a=rtpmap:97 rtx/90000", "a=fmtp:97 rtx-time=3000;apt=96")
    (video,) = parse_offer(offer_of(section_of(f"{VIDEO[0]} 97", *lines))).sections
    assert video.codecs[0].rtx_payload_type == 97


def test_a_damaged_extension_is_skipped() -> None:
    lines = ("a=extmap:0 a", "a=extmap:15 b", "a=extmap:2/inactive c", "a=extmap:3", "a=extmap:4 d", "a=extmap:4 e")
    (audio,) = parse_offer(offer_of(section_of(*AUDIO, *lines))).sections
    assert audio.extensions == {"d": 4}


def test_damaged_ssrcs_are_skipped_and_none_is_paired_twice() -> None:
    groups = ["FID 1 2", "FID 1 3", "FID 2 4", "FID 5 5", "FID 6", "SIM 7 8", "FID 0 9", ""]
    ssrcs = ["1 cname:x", "1 msid:y", "4294967296 cname:x", "0 cname:x", "x", ""]
    lines = [f"a=ssrc:{ssrc}" for ssrc in ssrcs] + [f"a=ssrc-group:{group}" for group in groups]
    section = section_of(*VIDEO, *lines, "a=ssrc", "a=ssrc-group")
    (video,) = parse_offer(offer_of(section)).sections
    assert (video.ssrcs, video.fid_groups) == ((1, 2), ((1, 2),))


@pytest.mark.parametrize(("offered", "role"), [("actpass", "server"), ("active", "server"), ("passive", "client")])
def test_the_offer_may_leave_the_server_one_dtls_role(offered: str, role: str) -> None:
    offer = parse_offer(recorded("chrome_publish_av_offer").replace("a=setup:actpass", f"a=setup:{offered}"))
    assert ANSWERER.towards(offer.setup).dtls == role


def test_setup_defaults_to_active() -> None:
    text = offer_of(section_of(*AUDIO))
    assert parse_offer(text.replace("a=setup:actpass\r\n", "")).setup == Setup.ACTIVE


def test_fingerprints_are_normalised_and_weak_ones_skipped() -> None:
    lines = ("a=fingerprint:sha-1 AB:CD", "a=fingerprint:sha-256 AB", f"a=fingerprint:SHA-256 {FINGERPRINT.lower()}")
    offer = parse_offer(offer_of(section_of(*AUDIO, *lines)))
    assert [(found.algorithm, found.value) for found in offer.fingerprints] == [("sha-256", FINGERPRINT)]


def test_unprintable_attributes_are_skipped() -> None:
    offer = parse_offer(offer_of(section_of(*AUDIO, "a=fmtp:111 stereo=\u2028", "a=fmtp:111 \ud800=1")))
    assert offer.sections[0].codecs[0].fmtp == ""


# --- which sections share the one transport ----------------------------------------------------------------------


def rejections(text: str) -> list[Rejection | None]:
    return [section.rejection for section in parse_offer(text).sections]


def test_without_a_group_only_the_first_usable_section_is_served() -> None:
    text = offer_of(section_of(*AUDIO, mid="a"), section_of(*VIDEO, mid="v"))
    assert rejections(text) == [None, Rejection.NOT_BUNDLED]
    assert parse_offer(text).bundle == ()


def test_a_section_without_mid_cannot_be_bundled() -> None:
    text = offer_of(section_of(*AUDIO), section_of(*VIDEO), group="0 1")
    assert rejections(text) == [None, Rejection.NOT_BUNDLED]


def test_a_section_outside_the_group_is_rejected() -> None:
    text = offer_of(section_of(*AUDIO, mid="a"), section_of(*VIDEO, mid="v"), group="v v nobody")
    assert rejections(text) == [Rejection.NOT_BUNDLED, None]
    assert parse_offer(text).bundle == ("v",)


def test_data_channels_are_rejected() -> None:
    data = section_of("m=application 9 UDP/DTLS/SCTP webrtc-datachannel", mid="d")
    text = offer_of(data, section_of(*AUDIO, mid="a"), group="d a")
    assert rejections(text) == [Rejection.UNSUPPORTED, None]
    assert parse_offer(text).bundle == ("a",)


def test_a_section_without_rtcp_mux_is_rejected() -> None:
    audio = tuple(line for line in section_of(*AUDIO, mid="a") if line != "a=rtcp-mux")
    assert rejections(offer_of(audio, section_of(*VIDEO, mid="v"), group="a v")) == [Rejection.UNSUPPORTED, None]


def test_port_zero_is_disabled_unless_bundle_only() -> None:
    video = ("m=video 0 UDP/TLS/RTP/SAVPF 96", VIDEO[1])
    disabled = offer_of(section_of(*AUDIO, mid="a"), section_of(*video, mid="v"), group="a v")
    assert rejections(disabled) == [None, Rejection.DISABLED]
    alive = offer_of(section_of(*AUDIO, mid="a"), section_of(*video, "a=bundle-only", mid="v"), group="a v")
    assert rejections(alive) == [None, None]


def test_a_section_without_a_known_codec_is_rejected() -> None:
    audio = section_of("m=audio 9 UDP/TLS/RTP/SAVPF 4", "a=rtpmap:4 G723/8000", mid="a")
    assert rejections(offer_of(audio, section_of(*VIDEO, mid="v"), group="a v")) == [Rejection.NO_CODEC, None]


# --- refusals ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["mse_play_offer", "wsplayer_play_offer"])
def test_the_fixed_offers_of_other_media_providers_are_told_apart(name: str) -> None:
    with pytest.raises(SdpError, match="plain RTP without ICE and DTLS"):
        parse_offer(recorded(name))


GOOD = offer_of(section_of(*AUDIO, mid="a"), section_of(*VIDEO, mid="v"), group="a v")


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("v=0", "{}", "not SDP"),
        (GOOD, "", "not SDP"),
        ("a=setup:actpass", "a=setup:holdconn", "a=setup with actpass, active, passive"),
        ("a=setup:actpass", "a=ice-lite", "ICE-lite"),
        ("a=ice-ufrag:peer", "a=ice-ufrag:p:r", "a=ice-ufrag"),
        ("a=ice-ufrag:peer\r\n", "", "a=ice-ufrag"),
        ("a=ice-pwd:peerPasswordOf24Characte", "a=ice-pwd:short", "a=ice-pwd"),
        ("a=ice-pwd:", "a=ice-pwd:" + "a" * 256, "a=ice-pwd"),
        ("a=fingerprint:sha-256", "a=fingerprint:sha-1", "a=fingerprint"),
        (FINGERPRINT, FINGERPRINT[3:], "a=fingerprint"),
        (FINGERPRINT, "GG" + FINGERPRINT[2:], "a=fingerprint"),
        ("m=audio 9 UDP/TLS/RTP/SAVPF 111", "m=audio 9 UDP/TLS/RTP/SAVPF", "malformed m= line"),
        ("m=audio 9", "m=audio x", "malformed m= line"),
        ("m=audio 9", "m=audio 65536", "malformed m= line"),
        ("m=audio 9", "m=\u00e4udio 9", "malformed m= line"),
        ("a=mid:v", "a=mid:a", "mid twice"),
        ("a=rtcp-mux", "a=ssrc:7 cname:x\r\na=rtcp-mux", "SSRC twice"),
        ("UDP/TLS/RTP/SAVPF", "UDP/DTLS/SCTP", "no audio or video section"),
    ],
)
def test_unusable_offers(old: str, new: str, complaint: str) -> None:
    assert old in GOOD
    with pytest.raises(SdpError, match=complaint):
        parse_offer(GOOD.replace(old, new))


def test_offers_without_any_known_codec_have_an_error_of_their_own() -> None:
    with pytest.raises(NoCommonCodecs):
        parse_offer(offer_of(section_of("m=audio 9 UDP/TLS/RTP/SAVPF 4", "a=rtpmap:4 G723/8000")))


def test_an_offer_needs_a_section() -> None:
    with pytest.raises(SdpError, match="0 media sections"):
        parse_offer(offer_of())


def audio_with(*lines: str) -> str:
    return offer_of(section_of(*AUDIO, *lines))


def with_sections(count: int) -> str:
    return offer_of(*(section_of(*AUDIO, mid=str(number)) for number in range(count)), group="0")


def with_formats(count: int) -> str:
    return offer_of(section_of("m=audio 9 UDP/TLS/RTP/SAVPF " + " ".join(["111"] * count), AUDIO[1]))


def with_lines(count: int) -> str:
    plain = len(audio_with().splitlines())
    return audio_with(*["a=x"] * (count - plain))


def with_length(count: int) -> str:
    return audio_with("a=x:" + "y" * (count - len(audio_with("a=x:"))))


def with_ssrcs(count: int) -> str:
    return audio_with(*(f"a=ssrc:{number + 1} cname:x" for number in range(count)))


@pytest.mark.parametrize(
    ("make", "limit", "complaint"),
    [
        (with_sections, MAX_SECTIONS, "media sections"),
        (with_formats, MAX_FORMATS, "formats"),
        (with_lines, MAX_LINES, "lines"),
        (with_length, MAX_TEXT_LENGTH, "characters"),
        (with_ssrcs, MAX_SSRCS, "SSRCs"),
    ],
)
def test_sizes_are_limited(make: Callable[[int], str], limit: int, complaint: str) -> None:
    parse_offer(make(limit))
    with pytest.raises(SdpError, match=complaint):
        parse_offer(make(limit + 1))


def test_secrets_are_not_shown() -> None:
    offer = parse_offer(recorded("chrome_publish_av_offer"))
    assert offer.ice_pwd not in repr(offer)


# --- any text at all ---------------------------------------------------------------------------------------------

NAMES = ("chrome_publish_av_offer", "chrome_play_av_offer", "firefox_publish_av_offer_written", "mse_play_offer")
LINES = [line for name in NAMES for line in recorded(name).split("\r\n")]
NOISE = st.text(max_size=20) | st.sampled_from(
    ["", "\x00", "\ud800", " ", ":", "/", "=", "9" * 5000, "\u0663", "*", "-1"]
)


def parses_or_refuses(text: str) -> None:
    try:
        offer = parse_offer(text)
    except SdpError:
        return
    assert any(not section.rejected for section in offer.sections)


@given(st.text())
@example("v=0\nm=")
@example("v=0\nm=audio")
@example("v=0\nm=audio \u0669 RTP/AVP 0")
def test_any_text_leads_to_an_offer_or_to_sdp_error(text: str) -> None:
    parses_or_refuses(text)
    parses_or_refuses("v=0\r\n" + text)


@given(st.lists(st.sampled_from(LINES) | st.builds("a={}:{}".format, NOISE, NOISE), max_size=60))
def test_any_shuffle_of_lines_leads_to_an_offer_or_to_sdp_error(lines: list[str]) -> None:
    parses_or_refuses(text_of("v=0", *lines))


@settings(max_examples=300)
@given(
    st.sampled_from(NAMES),
    st.lists(st.tuples(st.floats(0, 1), st.integers(0, 12), NOISE), min_size=1, max_size=6),
)
def test_any_damage_to_a_real_offer_leads_to_an_offer_or_to_sdp_error(
    name: str, damages: list[tuple[float, int, str]]
) -> None:
    text = recorded(name)
    for place, removed, inserted in damages:
        start = int(place * len(text))
        text = text[:start] + inserted + text[start + removed :]
    parses_or_refuses(text)


def test_frames_bring_offers_of_any_length_that_is_read() -> None:
    assert SDP_LIMIT == MAX_TEXT_LENGTH
