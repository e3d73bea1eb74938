"""Offers recorded from real clients: each is answered as that client needs it."""

from collections.abc import Sequence

import pytest
from aiortc.sdp import SessionDescription

from protocol.webrtc.answer import write_answer
from protocol.webrtc.negotiation import negotiate_play, negotiate_publish
from protocol.webrtc.offer import parse_offer
from protocol.webrtc.sdp import Codec, Direction, MediaKind, NotBundled, SourceTrack
from tests.support.webrtc.sdp_texts import FOLDER, PREFERENCE, TRANSPORT, recorded

CLIENTS = ("chrome", "chromium", "firefox", "gstreamer", "pion", "roamhq", "werift")
RECORDED = sorted(path.stem for path in FOLDER.glob("*.sdp") if path.stem.startswith(CLIENTS))
SERVED = [name for name in RECORDED if "no-bundle" not in name]
H264_FORMAT = "packetization-mode=1;profile-level-id=42c01f"  # GStreamer's x264enc


def sources(name: str) -> list[SourceTrack]:
    """What is published, in a codec that this player has."""
    video = Codec(payload_type=1, name="VP8", clock_rate=90_000)
    if "h264" in name:
        video = Codec(payload_type=1, name="H264", clock_rate=90_000, fmtp=H264_FORMAT)
    audio = Codec(payload_type=2, name="OPUS", clock_rate=48_000, channels=2)
    return [
        SourceTrack(kind=MediaKind.AUDIO, codec=audio, ssrc=11),
        SourceTrack(kind=MediaKind.VIDEO, codec=video, ssrc=22, rtx_ssrc=33),
    ]


def answer_to(name: str) -> str:
    offer = parse_offer(recorded(name))
    if "publish" in name:
        return write_answer(offer, negotiate_publish(offer, PREFERENCE), TRANSPORT, direction=Direction.RECVONLY)
    plans = negotiate_play(offer, sources(name))
    return write_answer(offer, plans, TRANSPORT, direction=Direction.SENDONLY, cname="c", stream_id="s")


def split(text: str) -> tuple[list[str], list[list[str]]]:
    """The lines of the session, and those of each section."""
    session, *sections = text.replace("\r\n", "\n").split("\nm=")
    return session.split("\n"), [[line.strip() for line in ("m=" + section).split("\n")] for section in sections]


def values(lines: Sequence[str], name: str) -> list[str]:
    return [line.partition(":")[2] for line in lines if line.startswith((f"a={name}:", f"a={name} "))]


def pairs(name: str) -> list[tuple[list[str], list[str]]]:
    """Each section of the offer with its answer."""
    return list(zip(split(recorded(name))[1], split(answer_to(name))[1], strict=True))


def bundled(text: str) -> list[str]:
    return [mid for group in values(split(text)[0], "group") for mid in group.split()[1:]]


def is_rejected(section: Sequence[str]) -> bool:
    return section[0].split()[1] == "0"


@pytest.mark.parametrize("name", SERVED)
def test_both_kinds_of_media_are_served(name: str) -> None:
    directions = [line for _, lines in pairs(name) for line in lines if line in ("a=recvonly", "a=sendonly")]
    wanted = {line[2:7] for line in recorded(name).splitlines() if line.startswith(("m=audio", "m=video"))}
    assert directions == ["a=recvonly" if "publish" in name else "a=sendonly"] * len(wanted)


@pytest.mark.parametrize("name", SERVED)
def test_sections_keep_their_order_and_the_group_holds_those_that_live(name: str) -> None:
    text = answer_to(name)
    assert SessionDescription.parse(text).media
    for offered, answered in pairs(name):
        assert offered[0].split()[0] == answered[0].split()[0]
        assert values(offered, "mid") == values(answered, "mid")
    alive = [mid for _, lines in pairs(name) if not is_rejected(lines) for mid in values(lines, "mid")]
    assert bundled(text) == [mid for mid in bundled(recorded(name)) if mid in alive]
    assert set(alive) == set(bundled(text))


@pytest.mark.parametrize("name", SERVED)
def test_nothing_is_answered_that_was_not_offered(name: str) -> None:
    for offered, answered in pairs(name):
        assert set(answered[0].split()[3:]) <= set(offered[0].split()[3:])
        assert set(values(answered, "rtcp-fb")) <= set(values(offered, "rtcp-fb"))
        assert set(values(answered, "extmap")) <= set(values(offered, "extmap"))
        assert ("a=rtcp-rsize" in answered) <= ("a=rtcp-rsize" in offered)
        assert not values(answered, "simulcast")  # one layer is forwarded, so one is all that is to be sent
        assert not values(answered, "rid")


@pytest.mark.parametrize("name", SERVED)
def test_every_section_has_the_attributes_of_the_transport(name: str) -> None:
    # GStreamer's webrtcbin looks for them in a rejected section too, and refuses the whole answer without them.
    for _, answered in pairs(name):
        assert values(answered, "ice-ufrag") == [TRANSPORT.ufrag]
        assert values(answered, "ice-pwd") == [TRANSPORT.pwd]
        assert values(answered, "setup") == ["passive"]
        assert len(values(answered, "fingerprint")) == 1
        assert bool(values(answered, "candidate")) is not is_rejected(answered)


@pytest.mark.parametrize("name", [name for name in SERVED if "two-videos" in name])
def test_a_second_video_is_inactive_and_stays_in_the_group(name: str) -> None:
    assert ["a=inactive" in answered for _, answered in pairs(name)] == [False, False, True]
    assert bundled(answer_to(name)) == ["0", "1", "2"]


def test_a_data_channel_is_turned_down_and_the_media_beside_it_is_served() -> None:
    (*media, (_, data)) = pairs("gstreamer-1.22-publish-vp8-datachannel")
    assert data[0] == "m=application 0 UDP/DTLS/SCTP webrtc-datachannel"
    assert ["a=recvonly" in answered for _, answered in media] == [True, True]


@pytest.mark.parametrize("name", [name for name in RECORDED if "no-bundle" in name])
def test_an_offer_of_two_transports_is_refused_and_told_why(name: str) -> None:
    with pytest.raises(NotBundled, match="BUNDLE"):
        answer_to(name)


@pytest.mark.parametrize("name", [name for name in SERVED if "play" in name])
def test_the_feedback_of_browsers_comes_in_packets_of_its_own(name: str) -> None:
    """Those that put it behind a report have all reports read sooner, at a cost."""
    plans = negotiate_play(parse_offer(recorded(name)), sources(name))
    assert any(plan.has_compound_feedback for plan in plans) == name.startswith("werift")
