"""Our clock goes out, its echo comes back: the round trip to a publisher."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.webrtc.rtcp import RtcpError, parse_compound
from protocol.webrtc.rtcp_xr import ClockEcho, ExtendedReport, build_reference_time

OURS, THEIRS = 0xAAAA, 0xBBBB


def packet(*blocks: bytes) -> bytes:
    body = struct.pack("!I", THEIRS) + b"".join(blocks)
    return struct.pack("!BBH", 0x80, 207, len(body) // 4) + body


def echo_block(*echoes: tuple[int, int, int]) -> bytes:
    return struct.pack("!BBH", 5, 0, 3 * len(echoes)) + b"".join(struct.pack("!III", *echo) for echo in echoes)


def clock_in(report: bytes) -> int:
    """The middle 32 bits of the clock, as a peer would take them out."""
    return int.from_bytes(report[14:18], "big")


def test_the_clock_as_it_is_sent() -> None:
    expected = struct.pack("!BBHIBBHII", 0x80, 207, 4, OURS, 4, 0, 2, 3, 1 << 31)
    assert build_reference_time(OURS, 3.5) == expected


@given(st.floats(0.001, 1e7), st.floats(0, 10), st.floats(0, 10))
def test_the_round_trip_is_what_passed_without_the_delay(sent_at: float, trip: float, delay: float) -> None:
    clock = clock_in(build_reference_time(OURS, sent_at))
    echo = ClockEcho(ssrc=OURS, clock=clock or 1, delay=int(delay * 65536))
    assert echo.round_trip(sent_at + delay + trip) == pytest.approx(trip, abs=1e-4)


def test_a_clock_that_runs_fast_gives_less_than_nothing() -> None:
    clock = clock_in(build_reference_time(OURS, 5.0))
    assert ClockEcho(ssrc=OURS, clock=clock, delay=65536).round_trip(5.5) == pytest.approx(-0.5)


def test_the_clock_wraps() -> None:
    clock = clock_in(build_reference_time(OURS, 65_535.9))
    assert ClockEcho(ssrc=OURS, clock=clock, delay=0).round_trip(65_536.1) == pytest.approx(0.2, abs=1e-4)


def test_who_had_nothing_to_echo_tells_nothing() -> None:
    assert ClockEcho(ssrc=OURS, clock=0, delay=0).round_trip(5.0) is None


def test_echoes_are_read_and_other_blocks_passed_over() -> None:
    other = struct.pack("!BBHI", 42, 0, 1, 7)
    data = packet(other, echo_block((OURS, 1, 2), (9, 3, 4)), build_reference_time(THEIRS, 1.0)[8:], other)
    assert parse_compound(data) == (
        ExtendedReport(
            ssrc=THEIRS, echoes=(ClockEcho(ssrc=OURS, clock=1, delay=2), ClockEcho(ssrc=9, clock=3, delay=4))
        ),
    )


@pytest.mark.parametrize(
    "block",
    [
        struct.pack("!BBH", 5, 0, 3),  # ends before its item
        struct.pack("!BBHII", 5, 0, 2, 1, 1),  # two thirds of an item
        struct.pack("!BBHI", 42, 0, 9, 1),  # longer than the packet
    ],
)
def test_a_malformed_block(block: bytes) -> None:
    with pytest.raises(RtcpError):
        parse_compound(packet(block))


def test_a_report_without_a_sender() -> None:
    with pytest.raises(RtcpError):
        parse_compound(b"\x80\xcf\x00\x00")
