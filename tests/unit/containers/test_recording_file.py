"""Tapes become files that PyAV, as the oracle, reads and decodes: whole, with loss, out of order, after a kill."""

import io

import av
import pytest

from protocol.containers.mending import mend
from protocol.containers.recording_series import RecordingSeries
from protocol.taps import TrackFormat, info_record, rtp_record
from tests.support.media.media_tapes import (
    OPUS_SILENCE,
    RATE,
    STARTED,
    VIDEO_CODECS,
    TapeRecorder,
    arrivals,
    digest,
    opus_arrivals,
    sent_frames,
    shuffled,
    tape,
)

OPUS = TrackFormat("OPUS", 48_000, 2)


def video(codec: str) -> TrackFormat:
    return TrackFormat(codec, RATE)


def recorder(codec: str) -> TapeRecorder:
    made = TapeRecorder(video(codec), OPUS)
    made.report(0, 0, 5000.0)
    made.report(1, 0, 5000.0)
    return made


def decoded(file: bytes) -> int:
    """Pictures that come out of a file; PyAV raises for one that it cannot decode."""
    with av.open(io.BytesIO(file), "r") as opened:
        opened.streams.video[0].codec_context.thread_count = 1
        return sum(1 for _ in opened.decode(opened.streams.video[0]))


def packets(file: bytes, kind: str = "video") -> list[tuple[float, bytes, bool]]:
    with av.open(io.BytesIO(file), "r") as opened:
        stream = next(stream for stream in opened.streams if stream.type == kind)
        return [
            (float((packet.pts or 0) * (packet.time_base or 0)), bytes(packet), packet.is_keyframe)
            for packet in opened.demux(stream)
            if packet.size
        ]


@pytest.mark.parametrize("codec", VIDEO_CODECS)
def test_every_frame_of_a_tape_is_in_the_file(codec: str) -> None:
    made = recorder(codec)
    made.play(arrivals(codec), opus_arrivals(2))
    file = made.finish()
    found = packets(file)
    assert [is_key for _, _, is_key in found] == [is_key for _, _, is_key in sent_frames(codec)]
    assert [time for time, _, _ in found] == pytest.approx([n / 15 for n in range(30)], abs=0.001)
    assert decoded(file) == 30
    if codec in ("VP8", "VP9"):  # the others are written in another form
        assert [digest(data) for _, data, _ in found] == [sent for sent, _, _ in sent_frames(codec)]
    with av.open(io.BytesIO(file), "r") as opened:
        assert (opened.streams.video[0].width, opened.streams.video[0].height) == (160, 96)
        assert opened.duration == pytest.approx(1_980_000, abs=20_000)
    assert packets(file, "audio")[0][1] == OPUS_SILENCE
    assert len(packets(file, "audio")) == 100


@pytest.mark.parametrize("codec", VIDEO_CODECS)
def test_a_finished_file_can_be_seeked_in(codec: str) -> None:
    made = recorder(codec)
    made.play(arrivals(codec), opus_arrivals(2))
    with av.open(io.BytesIO(made.finish()), "r") as opened:
        stream = opened.streams.video[0]
        opened.seek(1_500_000)
        packet = next(packet for packet in opened.demux(stream) if packet.size)
        assert packet.is_keyframe
        assert float((packet.pts or 0) * (packet.time_base or 0)) == pytest.approx(1.0, abs=0.001)


@pytest.mark.parametrize("codec", VIDEO_CODECS)
def test_order_does_not_matter_and_nothing_is_lost_by_it(codec: str) -> None:
    made = recorder(codec)
    made.play(list(shuffled(arrivals(codec), seed=5, by=4)), opus_arrivals(2))
    file = made.finish()
    assert decoded(file) == len(packets(file)) == 30
    assert made.recording.timeline.lost == 0


@pytest.mark.parametrize("codec", VIDEO_CODECS)
def test_after_a_loss_video_goes_on_at_a_key_frame_which_is_asked_for(codec: str) -> None:
    made = recorder(codec)
    all_packets = arrivals(codec)
    lost = next(index for index, arrived in enumerate(all_packets) if arrived.time > STARTED + 0.4)
    made.play([arrived for index, arrived in enumerate(all_packets) if index != lost], opus_arrivals(2))
    file = made.finish()
    assert made.recording.timeline.lost == 1
    assert made.recording.timeline.wants_key_frame()
    assert not made.recording.timeline.wants_key_frame(), "once"
    times = [time for time, _, _ in packets(file)]
    assert decoded(file) == len(times)
    gap = next(index for index, time in enumerate(times) if index and time - times[index - 1] > 0.1)
    assert times[gap] == pytest.approx(1.0, abs=0.001)
    assert packets(file)[gap][2], "a key frame"


@pytest.mark.parametrize("codec", VIDEO_CODECS)
@pytest.mark.parametrize("cut", [1, 40, 500])
def test_a_file_whose_writer_was_killed_is_made_whole(codec: str, cut: int) -> None:
    made = recorder(codec)
    made.play(arrivals(codec), opus_arrivals(2))
    killed = bytes(made.file)[:-cut]
    mended = mend(killed)
    assert mended is not None
    whole = bytearray(killed[: mended.length] + mended.append)
    for offset, patch in mended.patches:
        whole[offset : offset + len(patch)] = patch
    pictures = decoded(bytes(whole))
    assert pictures >= 20
    assert decoded(killed) in (pictures, pictures + 1), "it plays before that too"
    with av.open(io.BytesIO(bytes(whole)), "r") as opened:
        assert opened.duration == pytest.approx(mended.duration * 1000)
        opened.seek(1_500_000)
        packet = next(packet for packet in opened.demux(opened.streams.video[0]) if packet.size)
        assert packet.is_keyframe
        assert (packet.pts or 0) > 0


def test_a_whole_file_is_mended_into_itself() -> None:
    made = recorder("VP8")
    made.play(arrivals("VP8"), opus_arrivals(2))
    file = made.finish()
    mended = mend(file)
    assert mended is not None
    again = bytearray(file[: mended.length] + mended.append)
    for offset, patch in mended.patches:
        again[offset : offset + len(patch)] = patch
    assert bytes(again) == file


@pytest.mark.parametrize("data", [b"", b"\x1a", b"\0" * 100, b"\x1a\x45\xdf\xa3\x80", b"\xff" * 64])
def test_what_is_no_file_of_ours_is_not_mended(data: bytes) -> None:
    assert mend(data) is None


def test_a_file_without_frames_is_not_mended() -> None:
    made = recorder("VP8")
    made.play(arrivals("VP8"), opus_arrivals(2))
    start = bytes(made.file).index(b"\x1f\x43\xb6\x75")
    for length in range(start + 12):
        assert mend(bytes(made.file)[:length]) is None


def test_sound_and_picture_keep_the_alignment_of_the_publishers_clock() -> None:
    made = TapeRecorder(video("VP8"), OPUS)
    made.report(0, 0, 5000.0)
    made.report(1, 0, 5000.0)
    made.play(arrivals("VP8"), opus_arrivals(2, late=0.25))
    file = made.finish()
    assert packets(file)[0][0] == 0.0
    assert abs(packets(file, "audio")[0][0]) < 0.01, "however late it arrives; Opus begins 6.5 ms before what is heard"


def test_without_reports_arrivals_stand_in_after_a_while() -> None:
    made = TapeRecorder(video("VP8"), OPUS)
    made.play(arrivals("VP8"), opus_arrivals(2, late=0.25))
    assert not made.file
    made.flush(STARTED + 2.6)
    assert made.file
    file = made.finish()
    assert packets(file)[0][0] == 0.0
    assert packets(file, "audio")[0][0] == pytest.approx(0.25, abs=0.01)


def test_a_track_that_never_comes_is_left_out_in_the_end() -> None:
    made = TapeRecorder(video("VP8"), OPUS)
    made.play([], opus_arrivals(2))
    made.flush(STARTED + 9)
    assert not made.file
    made.flush(STARTED + 10.1)
    with av.open(io.BytesIO(made.finish()), "r") as opened:
        assert [stream.type for stream in opened.streams] == ["audio"]


def test_sound_alone_can_be_seeked_in() -> None:
    made = TapeRecorder(OPUS)
    made.report(0, 0, 5000.0)
    made.play(opus_arrivals(12))
    with av.open(io.BytesIO(made.finish()), "r") as opened:
        opened.seek(11_000_000)
        packet = next(packet for packet in opened.demux() if packet.size)
        assert float((packet.pts or 0) * (packet.time_base or 0)) >= 9.9


@pytest.mark.parametrize("codec", ["PCMU", "PCMA"])
def test_telephone_sound_is_written_as_it_is(codec: str) -> None:
    made = TapeRecorder(TrackFormat(codec, 8000))
    made.report(0, 0, 5000.0)
    for number in range(50):
        header = b"\x80\0" + number.to_bytes(2, "big") + (number * 160).to_bytes(4, "big") + b"\0\0\0\1"
        made.feed(rtp_record(0, number, STARTED + number / 50, header + b"\xff" * 160))
    with av.open(io.BytesIO(made.finish()), "r") as opened:
        assert opened.streams.audio[0].codec_context.name == ("pcm_mulaw" if codec == "PCMU" else "pcm_alaw")
        assert sum(frame.samples for frame in opened.decode(opened.streams.audio[0])) == 8000


def test_timestamps_that_leap_do_not_make_the_file_longer() -> None:
    made = TapeRecorder(OPUS)
    made.report(0, 0, 5000.0)
    for arrived in opus_arrivals(2):
        leap = (arrived.sequence * 0x0DEADBEE) & 0xFFFFFFFF
        packet = arrived.packet[:4] + leap.to_bytes(4, "big") + arrived.packet[8:]
        made.feed(rtp_record(0, arrived.sequence, arrived.time, packet))
    made.finish()
    assert made.ended[0].duration < 15_000


def test_a_clock_that_is_set_is_not_followed() -> None:
    made = TapeRecorder(OPUS)
    made.report(0, 0, 5000.0)
    made.play(opus_arrivals(1))
    made.report(0, 48_000, 9000.0, now=STARTED + 1)
    made.play(opus_arrivals(2)[50:])
    made.finish()
    assert made.ended[0].duration == pytest.approx(1980, abs=2)


@pytest.mark.parametrize("codec", VIDEO_CODECS)
def test_any_bytes_are_taken(codec: str) -> None:
    recording = RecordingSeries()
    recording.feed(memoryview(info_record([video(codec)], STARTED)))
    for number, packet in enumerate(tape(codec)):
        for end in range(12, min(len(packet), 40)):
            body = b"\x80" + packet[1:end]
            recording.feed(memoryview(rtp_record(0, number * 100 + end, STARTED, body)))
            recording.feed(memoryview(rtp_record(0, number * 100 + 50 + end, STARTED, b"\x80" + b"\xff" * end)))
    recording.flush(STARTED + 1)
    recording.finish()
    assert recording.malformed > 0
