"""Choosing codecs for publishers and players."""

from collections.abc import Sequence

import pytest

from protocol.webrtc.negotiation import audio_left_out, negotiate_play, negotiate_publish, same_format
from protocol.webrtc.offer import parse_offer
from protocol.webrtc.sdp import Codec, MediaKind, NoCommonCodecs, NotBundled, SourceTrack, TrackPlan
from tests.support.webrtc.sdp_texts import AUDIO, PREFERENCE, VIDEO, h264, offer_of, recorded, section_of

OPUS = Codec(payload_type=111, name="OPUS", clock_rate=48_000, channels=2)
VP8 = Codec(payload_type=96, name="VP8", clock_rate=90_000)


def h264_codec(profile_level_id: str, mode: str = "1", payload_type: int = 102) -> Codec:
    fmtp = f"packetization-mode={mode};profile-level-id={profile_level_id}"
    return Codec(payload_type=payload_type, name="H264", clock_rate=90_000, fmtp=fmtp)


def source(codec: Codec, ssrc: int = 1000, rtx_ssrc: int | None = 1001) -> SourceTrack:
    kind = MediaKind.AUDIO if codec.name in ("OPUS", "PCMU", "PCMA") else MediaKind.VIDEO
    return SourceTrack(kind=kind, codec=codec, ssrc=ssrc, rtx_ssrc=rtx_ssrc)


def published(name: str, preference: Sequence[str] = PREFERENCE) -> tuple[TrackPlan, ...]:
    return negotiate_publish(parse_offer(recorded(name)), preference)


def published_text(text: str, preference: Sequence[str] = PREFERENCE) -> tuple[TrackPlan, ...]:
    return negotiate_publish(parse_offer(text), preference)


def played(name: str, *sources: SourceTrack) -> tuple[TrackPlan, ...]:
    return negotiate_play(parse_offer(recorded(name)), sources)


def payload_types(plans: Sequence[TrackPlan]) -> list[tuple[int, int | None]]:
    return [(plan.codec.payload_type, plan.rtx_payload_type) for plan in plans]


# --- publishing --------------------------------------------------------------------------------------------------


def test_publish_plan_of_a_chrome_offer() -> None:
    audio, video = published("chrome_publish_av_offer")
    assert (audio.kind, audio.mid, audio.codec.name, audio.ssrc) == (MediaKind.AUDIO, "0", "OPUS", 32517950)
    assert (audio.rtx_payload_type, audio.rtx_ssrc) == (None, None)
    assert (video.kind, video.mid, video.codec.name, video.rtx_payload_type) == (MediaKind.VIDEO, "1", "VP8", 97)
    assert (video.ssrc, video.rtx_ssrc) == (1516731693, 3439298890)
    assert (video.twcc_extension_id, video.mid_extension_id) == (3, 4)


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("chrome_publish_audio_offer", [MediaKind.AUDIO]),
        ("chrome_publish_video_stripcodecs_H264_AV1_offer", [MediaKind.VIDEO]),
        ("firefox_publish_av_offer_written", [MediaKind.AUDIO, MediaKind.VIDEO]),
    ],
)
def test_the_kinds_of_an_offer_are_published(name: str, kinds: list[MediaKind]) -> None:
    assert [plan.kind for plan in published(name)] == kinds


@pytest.mark.parametrize(
    ("name", "preference", "payload_type"),
    [
        ("chrome_publish_av_offer", ("H264", "VP8"), 108),  # 42e01f mode 1, though 42001f stands before it
        ("chrome_publish_av_offer", ("VP9", "VP8"), 98),  # profile 0
        ("chrome_publish_av_offer", ("AV1", "VP8"), 45),
        ("firefox_publish_av_offer_written", ("H264",), 126),
        ("firefox_publish_av_offer_written", ("AV1", "VP9"), 121),
        ("chrome_publish_video_stripcodecs_H264_AV1_offer", ("H264", "AV1", "VP9"), 98),
    ],
)
def test_the_first_preferred_codec_that_is_offered_wins(
    name: str, preference: tuple[str, ...], payload_type: int
) -> None:
    assert published(name, ("OPUS", *preference))[-1].codec.payload_type == payload_type


@pytest.mark.parametrize(
    ("formats", "chosen"),
    [
        ([("42001f", "1"), ("42e01f", "0"), ("42e01f", "1")], 2),
        ([("42e01f", "0"), ("640c1f", "1")], 1),  # mode 1 counts before the profile
        ([("42001f", "1"), ("42c028", "1")], 1),  # constrained baseline under another level
        ([("4d001f", "0"), ("42e01f", "0")], 1),
        ([("64001f", "1"), ("4d001f", "1")], 0),  # else the publisher's order
        ([("42e01f", "2"), ("42e01f", "0")], 1),  # interleaved is never taken
        ([("nonsense", "1"), ("42e01", "1"), ("42001f", "0")], 2),
    ],
)
def test_choice_among_h264_formats(formats: list[tuple[str, str]], chosen: int) -> None:
    numbers = range(100, 100 + len(formats))
    lines = [
        line for number, (profile, mode) in zip(numbers, formats, strict=True) for line in h264(number, profile, mode)
    ]
    text = offer_of(section_of(f"m=video 9 UDP/TLS/RTP/SAVPF {' '.join(map(str, numbers))}", *lines))
    assert published_text(text)[0].codec.payload_type == 100 + chosen


@pytest.mark.parametrize(
    "lines",
    [
        ("a=rtpmap:96 VP9/90000", "a=fmtp:96 profile-id=2"),
        ("a=rtpmap:96 AV1/90000", "a=fmtp:96 profile=1"),
        h264(96, "42e01f", "2"),
        h264(96, "xyz"),
    ],
)
def test_formats_that_hardly_anybody_plays_are_not_taken(lines: tuple[str, ...]) -> None:
    with pytest.raises(NoCommonCodecs):
        published_text(offer_of(section_of(VIDEO[0], *lines)))


def test_transport_cc_needs_both_the_extension_and_the_feedback() -> None:
    extension = "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"
    feedback = "a=rtcp-fb:96 transport-cc"
    for lines, expected in (([extension, feedback], 3), ([extension], None), ([feedback], None)):
        assert published_text(offer_of(section_of(*VIDEO, *lines)))[0].twcc_extension_id == expected


def test_the_mid_extension_needs_a_mid() -> None:
    extension = "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid"
    assert published_text(offer_of(section_of(*VIDEO, extension, mid="v")))[0].mid_extension_id == 4
    assert published_text(offer_of(section_of(*VIDEO, extension)))[0].mid_extension_id is None


def test_ssrcs_may_be_unannounced() -> None:
    (plan,) = published_text(offer_of(section_of(*VIDEO)))
    assert (plan.ssrc, plan.rtx_ssrc) == (None, None)


def test_the_first_simulcast_layer_and_its_rtx_are_announced() -> None:
    lines = ["a=ssrc-group:SIM 1 2", "a=ssrc-group:FID 2 20", "a=ssrc-group:FID 1 10"]
    lines += [f"a=ssrc:{ssrc} cname:x" for ssrc in (10, 1, 2, 20)]
    lines += ["a=rtpmap:97 rtx/90000", "a=fmtp:97 apt=96"]
    (plan,) = published_text(offer_of(section_of(f"{VIDEO[0]} 97", VIDEO[1], *lines)))
    assert (plan.ssrc, plan.rtx_ssrc) == (1, 10)


def test_an_rtx_ssrc_without_an_rtx_format_is_no_rtx() -> None:
    (plan,) = published_text(offer_of(section_of(*VIDEO, "a=ssrc-group:FID 1 10")))
    assert (plan.ssrc, plan.rtx_ssrc, plan.rtx_payload_type) == (1, None, None)


def test_video_without_a_common_codec_refuses_the_whole_offer() -> None:
    with pytest.raises(NoCommonCodecs, match="video"):
        published("chrome_publish_av_offer", ("OPUS",))


def test_audio_without_a_common_codec_does_not_take_the_video_along() -> None:
    unknown = section_of("m=audio 9 UDP/TLS/RTP/SAVPF 9", "a=rtpmap:9 G722/8000", mid="a")
    offer = parse_offer(offer_of(unknown, section_of(*VIDEO, mid="v"), group="a v"))
    plans = negotiate_publish(offer, PREFERENCE)
    assert [plan.mid for plan in plans] == ["v"]
    assert audio_left_out(offer, plans) == ("G722/8000",)
    assert audio_left_out(offer, negotiate_publish(parse_offer(offer_of(section_of(*AUDIO))), PREFERENCE)) == ()
    with pytest.raises(NoCommonCodecs, match="audio"):
        published_text(offer_of(section_of(*AUDIO)), ("VP8",))


@pytest.mark.parametrize("encoding", ["opus/48000/2", "opus/48000", "opus/48000/1", "OPUS/48000"])
def test_opus_is_opus_whatever_channel_count_is_written(encoding: str) -> None:
    text = offer_of(section_of(AUDIO[0], f"a=rtpmap:111 {encoding}", mid="a"), section_of(*VIDEO, mid="v"), group="a v")
    audio, video = published_text(text)
    assert (audio.codec.name, video.codec.name) == ("OPUS", "VP8")
    assert same_format(audio.codec, OPUS)


def test_a_track_on_a_transport_of_its_own_is_refused_by_name() -> None:
    sections = section_of(*AUDIO, mid="a"), section_of(*VIDEO, mid="v")
    for group in ("", "a", "v"):
        with pytest.raises(NotBundled, match=r"(audio|video) on a transport of its own.*BUNDLE"):
            published_text(offer_of(*sections, group=group))
    playing = [section_of(*lines, mid=lines[0][2:3], direction="recvonly") for lines in (AUDIO, VIDEO)]
    with pytest.raises(NotBundled, match="video"):
        negotiate_play(parse_offer(offer_of(*playing)), [source(OPUS), source(VP8)])


def test_a_section_apart_that_nobody_needs_is_no_harm() -> None:
    playing = [section_of(*lines, mid=lines[0][2:3], direction="recvonly") for lines in (AUDIO, VIDEO)]
    assert [plan.mid for plan in negotiate_play(parse_offer(offer_of(*playing)), [source(OPUS)])] == ["a"]
    second = section_of(*VIDEO, mid="w")
    bundled = offer_of(section_of(*AUDIO, mid="a"), section_of(*VIDEO, mid="v"), second, group="a v")
    assert [plan.mid for plan in published_text(bundled)] == ["a", "v"]


@pytest.mark.parametrize("direction", ["recvonly", "inactive"])
def test_an_offer_that_sends_nothing_is_refused(direction: str) -> None:
    with pytest.raises(NoCommonCodecs, match="neither"):
        published_text(offer_of(section_of(*AUDIO, direction=direction)))


def test_what_does_not_send_is_left_out() -> None:
    silent = section_of(*AUDIO, mid="a", direction="recvonly")
    plans = published_text(offer_of(silent, section_of(*VIDEO, mid="v"), group="a v"))
    assert [plan.mid for plan in plans] == ["v"]


def test_one_section_of_a_kind_is_published() -> None:
    sections = [section_of(*VIDEO, mid=mid, direction="sendrecv") for mid in ("x", "y")]
    assert [plan.mid for plan in published_text(offer_of(*sections, group="x y"))] == ["x"]


# --- playing -----------------------------------------------------------------------------------------------------


def test_play_plan_of_a_chrome_offer() -> None:
    audio, video = played("chrome_play_av_offer", source(OPUS, 5, None), source(VP8, 6, 7))
    assert (audio.mid, audio.codec.payload_type, audio.ssrc, audio.rtx_ssrc) == ("0", 111, 5, None)
    assert (video.mid, video.codec.payload_type, video.rtx_payload_type) == ("1", 96, 97)
    assert (video.ssrc, video.rtx_ssrc) == (6, 7)
    assert (video.twcc_extension_id, video.mid_extension_id) == (None, None)


def test_a_player_gets_the_payload_types_of_its_own_offer() -> None:
    sources = [source(plan.codec) for plan in published("firefox_publish_av_offer_written", ("OPUS", "H264"))]
    assert [track.codec.payload_type for track in sources] == [109, 126]
    assert payload_types(played("chrome_play_av_offer", *sources)) == [(111, None), (108, 109)]
    assert payload_types(played("safari_play_av_offer_written", *sources)) == [(98, 99), (111, None)]


@pytest.mark.parametrize(
    ("codec", "expected"),
    [
        (h264_codec("42e01f"), 108),
        (h264_codec("42e034"), 108),  # another level
        (h264_codec("42001f"), 102),
        (h264_codec("42001f", "0"), 104),
        (h264_codec("42e01f", "0"), 114),
        (h264_codec("4d001f"), 116),
        (h264_codec("f4001f", "0"), 43),
        (Codec(payload_type=1, name="VP9", clock_rate=90_000), 98),
        (Codec(payload_type=1, name="VP9", clock_rate=90_000, fmtp="profile-id=2"), 100),
        (Codec(payload_type=1, name="AV1", clock_rate=90_000, fmtp="level-idx=8;profile=0"), 45),
    ],
)
def test_a_stream_is_matched_by_its_profile(codec: Codec, expected: int) -> None:
    assert played("chrome_play_video_offer", source(codec))[0].codec.payload_type == expected


@pytest.mark.parametrize("codec", [h264_codec("640c1f"), h264_codec("42e01f", "2"), h264_codec("nonsense")])
def test_a_profile_that_the_player_lacks_is_refused(codec: Codec) -> None:
    with pytest.raises(NoCommonCodecs, match="H264"):
        played("chrome_play_video_offer", source(codec))


def test_half_a_stream_is_not_played() -> None:
    text = offer_of(
        section_of(*AUDIO, mid="a", direction="recvonly"),
        section_of(*VIDEO, mid="v", direction="recvonly"),
        group="a v",
    )
    with pytest.raises(NoCommonCodecs, match="player's video cannot take the publisher's H264"):
        negotiate_play(parse_offer(text), [source(OPUS), source(h264_codec("42e01f"))])
    unknown = text.replace("VP8/90000", "XYZ/90000")
    with pytest.raises(NoCommonCodecs, match="player's video cannot take the publisher's VP8"):
        negotiate_play(parse_offer(unknown), [source(OPUS), source(VP8)])


def test_kinds_that_only_one_side_has_are_left_out() -> None:
    assert payload_types(played("chrome_play_audio_offer", source(OPUS), source(VP8))) == [(111, None)]
    assert payload_types(played("chrome_play_video_offer", source(OPUS), source(VP8))) == [(96, 97)]
    assert payload_types(played("chrome_play_av_offer", source(OPUS))) == [(111, None)]
    assert payload_types(played("chrome_play_av_offer", source(VP8))) == [(96, 97)]


def test_nothing_left_to_play_is_refused() -> None:
    with pytest.raises(NoCommonCodecs, match="no kind"):
        played("chrome_play_audio_offer", source(VP8))
    with pytest.raises(NoCommonCodecs, match="no kind"):
        played("chrome_publish_av_offer", source(VP8))


def test_rtx_needs_both_sides() -> None:
    assert payload_types(played("chrome_play_video_offer", source(VP8, rtx_ssrc=None))) == [(96, None)]
    plain = offer_of(section_of(*VIDEO, direction="recvonly"))
    (plan,) = negotiate_play(parse_offer(plain), [source(VP8, rtx_ssrc=9)])
    assert (plan.rtx_payload_type, plan.rtx_ssrc) == (None, None)


# --- H264 profiles (RFC 6184 table 5) ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("42e01f", "42c01f", True),  # constrained baseline, said in two ways
        ("42e01f", "4d801f", True),
        ("42e01f", "58c01f", True),
        ("42E01F", "42e01f", True),
        ("42001f", "42801f", True),  # baseline
        ("42001f", "42e01f", False),
        ("42001f", "4d001f", False),
        ("64001f", "640c1f", False),  # high and constrained high
        ("64001f", "640029", True),
        ("6e001f", "6e0029", True),  # unusual ones by their digits
        ("6e001f", "6e101f", False),
    ],
)
def test_profiles_are_compared_by_meaning(one: str, other: str, same: bool) -> None:
    assert same_format(h264_codec(one), h264_codec(other)) is same
    assert same_format(h264_codec(other), h264_codec(one)) is same


def test_an_absent_profile_is_constrained_baseline_and_an_absent_mode_is_0() -> None:
    bare = Codec(payload_type=97, name="H264", clock_rate=90_000)
    assert same_format(bare, h264_codec("42e01f", "0"))
    assert not same_format(bare, h264_codec("42e01f", "1"))


def test_an_unreadable_profile_is_like_no_other() -> None:
    assert not same_format(h264_codec("nonsense"), h264_codec("nonsense"))
