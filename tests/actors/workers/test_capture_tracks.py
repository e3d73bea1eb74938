"""What the capture program makes of FFmpeg's packets."""

from fractions import Fraction
from io import BytesIO
from itertools import count, pairwise
from pathlib import Path

import av
import pytest

from actors.workers.programs.capturing.picture import CaptureTranscoder
from actors.workers.programs.capturing.tracks import CapturedSound, CapturedVideo, Unfit
from tests.support.capture.rtsp_source import RATE, make_media
from tests.support.workers.aac_sound import silent_aac

STAP_A = 24


def test_a_first_picture_without_a_time_is_not_lost(tmp_path: Path) -> None:
    """FFmpeg gives the first picture of an RTSP source none, and that is a key frame."""
    media = make_media(tmp_path / "clip.mp4", audio=None, seconds=1)
    with av.open(str(media.path)) as source:
        video = CapturedVideo(source.streams.video[0], 0, 0)
        first, second, *_ = (packet for packet in source.demux() if packet.size)
        first.pts = first.dts = None
        assert list(video.take(first)) == []
        (payloads, begun), (_, gone_on) = video.take(second)
        assert payloads[0][0] & 0x1F == STAP_A
        assert begun < gone_on


def test_sound_becomes_even_packets_of_opus(tmp_path: Path) -> None:
    media = make_media(tmp_path / "clip.mp4", video=None, audio="aac", seconds=2)
    with av.open(str(media.path)) as source:
        sound = CapturedSound(source.streams.audio[0], 0, 0)
        heard = [each for packet in source.demux() if packet.size for each in sound.take(packet)]
    assert (sound.form.codec, sound.facts["source"]) == ("OPUS", "aac")
    times = [time for _, time in heard]
    assert len(times) > 90
    assert {round(later - time, 3) for time, later in pairwise(times)} == {0.02}


def test_a_large_packet_of_g711_is_passed_on_in_parts(tmp_path: Path) -> None:
    """Some cameras and most files have more in a packet than fits into one of WebRTC."""
    media = make_media(tmp_path / "clip.mov", video=None, audio="pcmu", seconds=2)
    with av.open(str(media.path)) as source:
        stream = source.streams.audio[0]
        sound = CapturedSound(stream, 0, 0)
        large = av.Packet(bytes(range(256)) * 16)
        large.pts, large.time_base, large.stream = 8000, Fraction(1, 8000), stream
        heard = list(sound.take(large))
    assert b"".join(payload for (payload,), _ in heard) == bytes(large)
    assert [time for _, time in heard] == [1 + index * 0.128 for index in range(4)]


def test_sound_that_cannot_be_decoded_is_counted_and_passed_over(tmp_path: Path) -> None:
    media = make_media(tmp_path / "clip.mp4", video=None, audio="aac", seconds=2)
    with av.open(str(media.path)) as source:
        stream = source.streams.audio[0]
        sound = CapturedSound(stream, 0, 0)
        whole = [packet for packet in source.demux() if packet.size]
        spoilt = av.Packet(b"\xff" * 50)
        spoilt.pts, spoilt.dts, spoilt.time_base, spoilt.stream = whole[9].pts, whole[9].dts, whole[9].time_base, stream
        heard = [each for packet in (*whole[:9], spoilt, *whole[10:]) for each in sound.take(packet)]
    assert sound.figures == {"undecodable_sound": 1}
    assert len(heard) > 80


def test_sound_goes_on_where_its_channels_change() -> None:
    """As where a programme in mono follows one in stereo."""
    with av.open(BytesIO(silent_aac("stereo") + silent_aac("mono")), "r") as source:
        sound = CapturedSound(source.streams.audio[0], 0, 0)
        heard = [each for packet in source.demux() if packet.size for each in sound.take(packet)]
    assert sound.figures == {"undecodable_sound": 0}
    assert 1.6 < heard[-1][1] - heard[0][1] < 1.8
    assert max(later - time for (_, time), (_, later) in pairwise(heard)) < 0.05


def test_b_frames_are_found_before_anything_is_sent(tmp_path: Path) -> None:
    media = make_media(tmp_path / "clip.mp4", audio=None, seconds=1, b_frames=2)
    with av.open(str(media.path)) as source, pytest.raises(Unfit, match="b-frames"):
        CapturedVideo(source.streams.video[0], 0, 0)


@pytest.mark.parametrize(("codec", "b_frames", "why"), [("hevc", 0, "h265"), ("h264", 2, "b-frames")])
def test_what_browsers_cannot_be_sent_becomes_h264_in_the_order_in_which_it_is_shown(
    tmp_path: Path, codec: str, b_frames: int, why: str
) -> None:
    media = make_media(tmp_path / "clip.mkv", video=codec, audio=None, seconds=1, b_frames=b_frames)
    with av.open(str(media.path)) as source:
        video = CapturedVideo(source.streams.video[0], 0, 0, 500_000)
        assert (video.form.codec, video.facts["transcoded"]) == ("H264", why)
        shown = [each for packet in source.demux() if packet.size for each in video.take(packet)]
    assert {round(later - time, 2) for (_, time), (_, later) in pairwise(shown)} == {1 / RATE}
    assert len(shown) > RATE / 2
    assert shown[0][0][0][0] & 0x1F == STAP_A
    assert video.figures == {"undecodable": 0, "left_out": 0}


def test_pictures_that_take_longer_than_they_last_are_left_out(tmp_path: Path) -> None:
    media = make_media(tmp_path / "clip.mkv", audio=None, seconds=2)
    slow = count(0.0, 1.5 / RATE)
    with av.open(str(media.path)) as source:
        transcoder = CaptureTranscoder(source.streams.video[0].codec_context, 500_000, lambda: next(slow))
        shown = [each for packet in source.demux() if packet.size for each in transcoder.convert(packet)]
    assert transcoder.left_out
    assert len(shown) >= RATE / 2
    assert len(shown) + transcoder.left_out == 2 * RATE


def test_what_cannot_be_decoded_is_counted_and_passed_over(tmp_path: Path) -> None:
    media = make_media(tmp_path / "clip.mkv", audio=None, seconds=1, b_frames=2)
    with av.open(str(media.path)) as source:
        stream = source.streams.video[0]
        video = CapturedVideo(stream, 0, 0, 500_000)
        whole = [packet for packet in source.demux() if packet.size]
        spoilt = av.Packet(bytes(len(bytes(whole[1]))))
        spoilt.pts, spoilt.dts, spoilt.time_base, spoilt.stream = whole[1].pts, whole[1].dts, whole[1].time_base, stream
        shown = [each for packet in (whole[0], spoilt, *whole[2:]) for each in video.take(packet)]
    assert video.figures["undecodable"] == 1
    assert len(shown) > RATE / 2
