"""What the capture program makes of FFmpeg's packets."""

from itertools import pairwise
from pathlib import Path

import av
import pytest

from actors.workers.programs.capture_tracks import CapturedSound, CapturedVideo, Unfit
from tests.support.rtsp_source import make_media

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


def test_b_frames_are_found_before_anything_is_sent(tmp_path: Path) -> None:
    media = make_media(tmp_path / "clip.mp4", audio=None, seconds=1, b_frames=2)
    with av.open(str(media.path)) as source, pytest.raises(Unfit, match="b-frames"):
        CapturedVideo(source.streams.video[0], 0, 0)
