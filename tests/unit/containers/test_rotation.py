"""A recording in several files: each begins with a key frame, and every frame is in one of them."""

import io

import av
import pytest

from protocol.stream.rotation import Rotation, read_rotation
from protocol.taps import TrackFormat, info_record, rtp_record
from tests.support.media.media_tapes import (
    RATE,
    STARTED,
    VIDEO_CODECS,
    TapeRecorder,
    arrivals,
    opus_arrivals,
)

OPUS = TrackFormat("OPUS", 48_000, 2)
EACH_SECOND = Rotation(max_ms=1000)


def recorder(codec: str, rotation: Rotation) -> TapeRecorder:
    made = TapeRecorder(TrackFormat(codec, RATE), OPUS, rotation=rotation)
    made.report(0, 0, 5000.0)
    made.report(1, 0, 5000.0)
    return made


def content(file: bytes, kind: str) -> list[tuple[float, bytes, bool]]:
    with av.open(io.BytesIO(file), "r") as opened:
        stream = next(stream for stream in opened.streams if stream.type == kind)
        return [
            (float((packet.pts or 0) * (packet.time_base or 0)), bytes(packet), packet.is_keyframe)
            for packet in opened.demux(stream)
            if packet.size
        ]


def decoded(file: bytes) -> int:
    with av.open(io.BytesIO(file), "r") as opened:
        opened.streams.video[0].codec_context.thread_count = 1
        return sum(1 for _ in opened.decode(opened.streams.video[0]))


@pytest.mark.parametrize("codec", VIDEO_CODECS)
@pytest.mark.parametrize("late", [0.0, 0.3])
@pytest.mark.parametrize("rotation", [EACH_SECOND, Rotation(max_bytes=1000)])
def test_no_frame_is_lost_between_two_files(codec: str, late: float, rotation: Rotation) -> None:
    made = recorder(codec, rotation)
    made.play(arrivals(codec), opus_arrivals(2, late=late))
    made.finish()
    whole = recorder(codec, Rotation())
    whole.play(arrivals(codec), opus_arrivals(2, late=late))
    whole.finish()
    assert len(made.files) == 2
    for kind in ("video", "audio"):
        parts = [content(bytes(file), kind) for file in made.files]
        frames = content(bytes(whole.file), kind)
        assert [data for part in parts for _, data, _ in part] == [data for _, data, _ in frames]
    assert [decoded(bytes(file)) for file in made.files] == [15, 15]
    for file in made.files:
        time, _, is_key = content(bytes(file), "video")[0]
        assert (time, is_key) == (0.0, True)


def test_late_sound_is_in_the_file_of_its_pictures() -> None:
    made = recorder("VP8", EACH_SECOND)
    made.play(arrivals("VP8"), opus_arrivals(2, late=0.3))
    made.finish()
    assert [len(content(bytes(file), "audio")) for file in made.files] == pytest.approx([50, 50], abs=1)
    assert content(bytes(made.files[1]), "audio")[0][0] == pytest.approx(0.0, abs=0.021)
    assert made.ended[1].start - made.ended[0].start == pytest.approx(1.0, abs=0.001)


def test_sound_that_stops_does_not_hold_up_the_next_file() -> None:
    made = recorder("VP8", EACH_SECOND)
    made.play(arrivals("VP8"), opus_arrivals(0.5))
    made.flush(STARTED + 2)
    made.flush(STARTED + 3.1)
    assert len(made.files) == 2
    made.finish()
    assert [decoded(bytes(file)) for file in made.files] == [15, 15]


def test_a_file_goes_on_as_long_as_there_is_no_next_one() -> None:
    made = recorder("VP8", EACH_SECOND)
    made.has_next = False
    made.play(arrivals("VP8"), opus_arrivals(2))
    assert made.recording.wants_next
    assert made.recording.wants_cut
    file = made.finish()
    assert len(made.files) == 1
    assert decoded(file) == 30


def test_sound_alone_goes_on_in_a_new_file_at_any_frame() -> None:
    made = TapeRecorder(OPUS, rotation=EACH_SECOND)
    made.report(0, 0, 5000.0)
    made.play(opus_arrivals(2))
    made.finish()
    assert [len(content(bytes(file), "audio")) for file in made.files] == [50, 50]


@pytest.mark.parametrize("has_next", [True, False])
def test_other_codecs_are_for_another_file(has_next: bool) -> None:
    made = recorder("VP8", Rotation())
    made.has_next = has_next
    made.play(arrivals("VP8"), opus_arrivals(2))
    made.feed(info_record([TrackFormat("H264", RATE), OPUS], STARTED + 2))
    assert made.recording.wants_next
    assert made.recording.codecs == ("H264", "OPUS")
    later = [arrived._replace(time=arrived.time + 2) for arrived in arrivals("H264")]
    for arrived in later:
        made.feed(rtp_record(0, arrived.sequence, arrived.time, arrived.packet))
    made.flush(STARTED + 4)
    assert len(made.files) == (2 if has_next else 1), "it waits for the next file"
    made.has_next = True
    made.flush(STARTED + 4)
    made.finish()
    assert [decoded(bytes(file)) for file in made.files] == [30, 30]
    assert made.recording.packets == len(arrivals("VP8")) + 100 + len(later)


@pytest.mark.parametrize(
    ("text", "rotation"),
    [
        ("20M", Rotation(max_bytes=20 << 20)),
        ("64k", Rotation(max_bytes=64 << 10)),
        ("1G", Rotation(max_bytes=1 << 30)),
        ("3600", Rotation(max_ms=3_600_000)),
    ],
)
def test_a_rotation_is_a_size_or_a_time(text: str, rotation: Rotation) -> None:
    assert read_rotation(text) == rotation


@pytest.mark.parametrize("text", ["", "M", "-1", "0", "1K", "9999999G", "20MB", "1.5", "604801", "٣"])
def test_anything_else_is_no_rotation(text: str) -> None:
    with pytest.raises(ValueError, match="is n"):
        read_rotation(text)
