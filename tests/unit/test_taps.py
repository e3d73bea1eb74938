"""Messages of taps: what is written is read, and anything else is refused."""

import pytest

from protocol.taps import (
    RecordKind,
    TapError,
    TapRecord,
    TrackFormat,
    end_record,
    info_record,
    read_info,
    read_message,
    read_report,
    report_record,
    rtp_record,
)
from protocol.webrtc.rtcp import SenderReport

VP8, OPUS = TrackFormat("VP8", 90_000), TrackFormat("OPUS", 48_000, 2)
REPORT = SenderReport(ssrc=1, ntp_timestamp=(7 << 32) + 9, rtp_timestamp=4711, packet_count=1, octet_count=1)


def read(message: bytes) -> list[TapRecord]:
    return list(read_message(memoryview(message)))


def test_records_are_read_as_they_were_written() -> None:
    message = (
        info_record([OPUS, VP8], 1.5)
        + report_record(1, 2.0, REPORT)
        + rtp_record(1, 1 << 40, 2.25, b"packet")
        + end_record(3.0)
    )
    info, report, rtp, end = read(message)
    assert read_info(info.body) == (OPUS, VP8)
    assert read_report(report.body) == ((7 << 32) + 9, 4711)
    assert rtp == TapRecord(RecordKind.RTP, 1, 1 << 40, 2.25, b"packet")
    assert (end.kind, end.time) == (RecordKind.END, 3.0)


def test_a_message_that_is_cut_short_is_refused_after_what_was_whole() -> None:
    whole, cut = rtp_record(0, 1, 1.0, b"one"), rtp_record(0, 2, 1.0, b"two")
    for length in range(1, len(cut)):
        records = read_message(memoryview(whole + cut[:length]))
        assert next(records).body == b"one"
        with pytest.raises(TapError):
            next(records)


@pytest.mark.parametrize("message", [b"\0" * 20, b"\x09" + bytes(19), b"\x01\x08" + bytes(18)])
def test_unknown_kinds_and_tracks_are_refused(message: bytes) -> None:
    with pytest.raises(TapError):
        read(message)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[" * 5000,
        b"[]",
        b"{}",
        b"[1]",
        b'[{"codec": "VP8"}]',
        b'[{"codec": "VP8", "clock_rate": 0, "channels": 1}]',
        b'[{"codec": "VP8", "clock_rate": true, "channels": 1}]',
        b'[{"codec": "MP3", "clock_rate": 90000, "channels": 1}]',
        b'[{"codec": "VP8", "clock_rate": 90000, "channels": 99}]',
        b"[" + b",".join([b'{"codec": "VP8", "clock_rate": 90000, "channels": 1}'] * 9) + b"]",
    ],
)
def test_info_that_describes_no_tracks_is_refused(body: bytes) -> None:
    with pytest.raises(TapError):
        read_info(body)


def test_a_report_of_another_length_is_refused() -> None:
    with pytest.raises(TapError):
        read_report(b"1234")
