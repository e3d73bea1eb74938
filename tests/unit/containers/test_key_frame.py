"""The first key frame of a publication, out of its tap, whatever comes before it and beside it."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.containers.key_frame import KeyFrameReader
from protocol.taps import TapError, TrackFormat, end_record, info_record, rtp_record
from tests.support.media.media_tapes import STARTED, VIDEO_CODECS, Arrived, arrivals, digest, opus_arrivals, sent_frames

OPUS = TrackFormat("OPUS", 48_000, 2)


def reader(codec: str = "VP8") -> KeyFrameReader:
    made = KeyFrameReader()
    made.feed(memoryview(info_record([OPUS, TrackFormat(codec, 90_000)], STARTED)))
    return made


def feed(to: KeyFrameReader, packets: list[Arrived], track: int = 1) -> None:
    for each in packets:
        to.feed(memoryview(rtp_record(track, each.sequence, each.time, each.packet)))


@pytest.mark.parametrize("codec", VIDEO_CODECS)
def test_the_first_key_frame_is_found_among_sound(codec: str) -> None:
    one = reader(codec)
    feed(one, opus_arrivals(0.5), track=0)
    feed(one, arrivals(codec))
    found = one.found
    assert found is not None
    assert one.codec == codec
    assert (found.is_key, found.width, found.height) == (True, 160, 96)
    if codec in ("VP8", "VP9"):
        assert digest(found.data) == sent_frames(codec)[0][0]


@pytest.mark.parametrize("codec", VIDEO_CODECS)
def test_a_part_that_is_missing_for_long_has_another_one_asked_for(codec: str) -> None:
    one, packets = reader(codec), arrivals(codec)
    del packets[1]
    feed(one, packets)
    assert one.wants_key_frame()
    assert not one.wants_key_frame(), "once"
    assert one.found is None or digest(one.found.data) != sent_frames(codec)[0][0]


def test_without_video_and_at_the_end_of_the_publication_it_has_ended() -> None:
    sound = KeyFrameReader()
    sound.feed(memoryview(info_record([OPUS], STARTED)))
    assert sound.ended
    one = reader()
    assert not one.ended
    one.feed(memoryview(end_record(STARTED)))
    assert one.ended


def test_tracks_do_not_change() -> None:
    with pytest.raises(TapError):
        reader().feed(memoryview(info_record([OPUS], STARTED)))


@given(st.binary(max_size=200), st.binary(max_size=60))
def test_whatever_comes_it_goes_on_or_says_why(message: bytes, packet: bytes) -> None:
    one = reader()
    with suppress(TapError):
        one.feed(memoryview(message))
    one = reader()
    one.feed(memoryview(rtp_record(1, 5, STARTED, packet)))
