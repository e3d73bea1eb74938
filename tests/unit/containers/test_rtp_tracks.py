"""The clock of a source, and the records that are made of its packets."""

from protocol.containers.reordering import PROOF, ReorderWatch
from protocol.containers.rtp_tracks import MAX_STEP, RtpTrack, SourceClock
from protocol.taps import RecordKind, TapRecord, TrackFormat, read_message, read_report
from protocol.webrtc.rtp import parse_header, payload

VIDEO = TrackFormat("H264", 90_000)


def read(records: list[bytes]) -> list[TapRecord]:
    return list(read_message(memoryview(b"".join(records))))


def test_packets_of_a_picture_share_a_timestamp_and_the_last_one_has_the_marker() -> None:
    track = RtpTrack(1, VIDEO, offset=7)
    report, first, last = read(track.records([b"one", b"two"], 2.0, 1_000.0))
    assert report.kind is RecordKind.REPORT
    assert read_report(report.body) == ((2_208_988_800 + 1_000) << 32, 180_007)
    headers = [parse_header(record.body) for record in (first, last)]
    assert [(header.sequence, header.timestamp, header.marker) for header in headers] == [
        (0, 180_007, False),
        (1, 180_007, True),
    ]
    assert payload(last.body, headers[1]) == b"two"
    assert {record.track for record in (report, first, last)} == {1}


def test_sound_has_no_marker() -> None:
    track = RtpTrack(0, TrackFormat("OPUS", 48_000, 2), offset=0)
    *_, packet = read(track.records([b"sound"], 1.0, 0.0))
    assert not parse_header(packet.body).marker


def test_the_clock_is_reported_once_a_second() -> None:
    track = RtpTrack(0, VIDEO, offset=0)
    kinds = [read(track.records([b"x"], 10 + index / 10, 0.0))[0].kind for index in range(21)]
    assert [index for index, kind in enumerate(kinds) if kind is RecordKind.REPORT] == [0, 10, 20]


def test_nothing_of_nothing() -> None:
    assert RtpTrack(0, VIDEO, offset=0).records([], 1.0, 0.0) == []


def test_times_go_on_from_when_the_first_packet_came() -> None:
    clock = SourceClock()
    assert [clock.read(5.0, 100.0), clock.read(5.5, 100.9), clock.read(5.4, 100.9)] == [100.0, 100.5, 100.4]


def test_a_jump_of_the_source_is_none_for_players() -> None:
    clock = SourceClock()
    clock.read(5.0, 100.0)
    assert clock.read(5.0 + 2 * MAX_STEP, 100.1) == 100.1
    assert round(clock.read(5.5 + 2 * MAX_STEP, 100.6), 6) == 100.6
    assert round(clock.read(0.0, 100.7), 6) == 100.7


def test_a_source_that_begins_again_goes_on() -> None:
    clock = SourceClock()
    clock.begin_again()
    clock.read(0.0, 100.0)
    clock.read(1.0, 101.0)
    clock.begin_again()
    assert round(clock.read(0.0, 101.04), 6) == 101.04


def test_reordered_pictures_are_noticed() -> None:
    watch = ReorderWatch()
    assert any(watch.sees(shown / 25) for shown in (0, 3, 1, 2, 6, 4, 5, 9, 7, 8))


def test_a_clock_that_is_set_right_is_no_reordering() -> None:
    watch = ReorderWatch()
    times = [*range(20), *range(15, 60), *range(50, 90)]
    assert PROOF > 2
    assert not any(watch.sees(float(shown)) for shown in times)
