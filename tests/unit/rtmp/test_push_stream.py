"""What a push sends of a publication: what is copied, what is left out for a slow target, and what ends it."""

import itertools
from collections.abc import Iterable

import pytest

from actors.workers.programs.pushing.stream import REFUSED_CODEC, PushStream
from protocol.rtmp import flv
from protocol.rtmp.amf0 import read_values
from protocol.rtmp.chunks import OUR_CHUNK, ChunkReader, Message, MessageType
from protocol.rtmp.publisher import RtmpPublisher
from protocol.taps import TrackFormat, end_record, info_record, report_record, rtp_record
from protocol.webrtc.rtcp import SenderReport
from tests.support.media.media_tapes import STARTED, Arrived, arrivals, opus_arrivals

FORMATS = (TrackFormat("H264", 90_000), TrackFormat("OPUS", 48_000, 2))


class Reader:
    """Reads what is sent, as a server does that knows our size of chunks."""

    def __init__(self) -> None:
        self._chunks = ChunkReader()
        self._chunks._size = OUR_CHUNK

    def read(self, data: bytes) -> list[Message]:
        return list(self._chunks.receive(data))


def stream(formats: Iterable[TrackFormat] = FORMATS, transcode: int = 0) -> PushStream:
    publisher = RtmpPublisher("live", "key", "rtmp://target.example/live", bytes)
    made = PushStream(publisher, transcode=transcode, is_muted=False)
    made.feed(memoryview(info_record(tuple(formats), STARTED)))
    for track, _ in enumerate(formats):
        report = SenderReport(ssrc=1, ntp_timestamp=1 << 40, rtp_timestamp=0, packet_count=0, octet_count=0)
        made.feed(memoryview(report_record(track, STARTED, report)))
    return made


def feed(made: PushStream, track: int, packets: Iterable[Arrived]) -> None:
    for each in packets:
        made.feed(memoryview(rtp_record(track, each.sequence, each.time, each.packet)))


def part(begin: float, end: float) -> list[Arrived]:
    return [each for each in arrivals("H264") if begin <= each.time - STARTED < end]


def pictures(messages: list[Message]) -> list[Message]:
    return [each for each in messages if each.type == MessageType.VIDEO and each.body[1] == 1]


def test_metadata_and_headers_come_first_and_times_are_those_of_the_publisher() -> None:
    made, reader = stream(), Reader()
    feed(made, 0, part(0.0, 2.0))
    feed(made, 1, opus_arrivals(2))
    messages = reader.read(made.take(STARTED + 3, is_late=False))
    about, sound_header = messages[:2]
    name, kind, values = read_values(about.body)
    assert (name, kind) == ("@setDataFrame", "onMetaData")
    assert values == values | {"width": 160, "height": 96, "videocodecid": 7, "audiocodecid": 10, "encoder": "wcsd"}
    assert sound_header.body == flv.aac_header(b"\x11\x90\x56\xe5\x00"), "AAC-LC, 48 kHz, stereo"
    (header,) = [each for each in messages if each.type == MessageType.VIDEO and each.body[1] == 0]
    assert header.body[:6] == b"\x17\0\0\0\0\x01"
    shown = pictures(messages)
    assert [each.timestamp for each in shown[:4]] == [0, 67, 133, 200]
    assert [each.body[0] >> 4 for each in shown].count(1) == 2, "two key frames"
    sounds = [each for each in messages if each.type == MessageType.AUDIO][1:]
    assert all(late.timestamp >= soon.timestamp for soon, late in itertools.pairwise(sounds))
    assert 1900 <= sounds[-1].timestamp <= 2000


def test_a_slow_target_misses_pictures_up_to_a_key_frame_and_no_sound() -> None:
    made, reader = stream(), Reader()
    feed(made, 0, part(0.0, 0.39))
    feed(made, 1, opus_arrivals(2))
    assert len(pictures(reader.read(made.take(STARTED + 0.4, is_late=False)))) == 6
    feed(made, 0, part(0.39, 0.79))
    messages = reader.read(made.take(STARTED + 0.8, is_late=True))
    assert pictures(messages) == []
    feed(made, 0, part(0.79, 0.99))
    assert pictures(reader.read(made.take(STARTED + 1.0, is_late=False))) == []
    assert made.wants_key_frame()
    feed(made, 0, part(0.99, 2.0))
    shown = pictures(reader.read(made.take(STARTED + 2.0, is_late=False)))
    assert shown[0].body[0] >> 4 == 1
    assert len(shown) == 15
    assert made.dropped == 9


def test_without_transcoding_another_codec_is_refused() -> None:
    made = stream([TrackFormat("VP8", 90_000)])
    assert made.refusal == REFUSED_CODEC
    assert made.take(STARTED + 1, is_late=False) == b""


@pytest.mark.parametrize(("formats", "changed"), [(FORMATS, False), (FORMATS[:1], True)])
def test_other_tracks_need_another_push(formats: tuple[TrackFormat, ...], changed: bool) -> None:
    made = stream()
    made.feed(memoryview(info_record(formats, STARTED)))
    assert made.has_changed is changed


def test_missing_sound_becomes_silence_and_the_rest_comes_at_the_end() -> None:
    made, reader = stream(FORMATS[1:]), Reader()
    packets = opus_arrivals(2)
    feed(made, 0, packets[:25])
    feed(made, 0, packets[75:])
    made.feed(memoryview(end_record(STARTED + 2)))
    assert made.ended
    messages = reader.read(made.take(STARTED + 3, is_late=False)) + reader.read(made.rest())
    sounds = [each for each in messages if each.type == MessageType.AUDIO][1:]
    assert len(sounds) >= 90
    apart = [late.timestamp - soon.timestamp for soon, late in itertools.pairwise(sounds)]
    assert max(apart) <= 22, "1024 samples at 48 kHz"
