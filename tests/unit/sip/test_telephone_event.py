"""Digits in the voice stream (RFC 4733), and in INFO."""

import pytest

from protocol.sip.telephone_event import DIGITS, dtmf_info, dtmf_relay, event_packets, parse_event


@pytest.mark.parametrize("clock_rate", [8_000, 48_000])
def test_a_digit_grows_and_ends_three_times(clock_rate: int) -> None:
    packets = list(event_packets("5", clock_rate))
    events = [parse_event(packet.payload) for packet in packets]
    assert [packet.at for packet in packets] == [*range(10, 101, 10), 100, 100]
    assert [packet.marker for packet in packets] == [True] + [False] * 11
    assert [event.duration for event in events if event] == [
        at * clock_rate // 1000 for at in (packet.at for packet in packets)
    ]
    assert [event.is_end for event in events if event] == [False] * 9 + [True] * 3
    assert {event.digit for event in events if event} == {"5"}


def test_the_payload_of_rfc_4733() -> None:
    assert list(event_packets("#", 8_000))[-1].payload == bytes([11, 0x80 | 10, 800 >> 8, 800 & 0xFF])


@pytest.mark.parametrize("digit", DIGITS)
def test_every_key(digit: str) -> None:
    event = parse_event(next(iter(event_packets(digit.lower(), 8_000))).payload)
    assert event is not None
    assert event.digit == digit


@pytest.mark.parametrize("digit", ["", "E", "55", "ä"])
def test_no_key(digit: str) -> None:
    for make in (dtmf_info, dtmf_relay, lambda text: list(event_packets(text, 8_000))):
        with pytest.raises(ValueError, match="no key"):
            make(digit)


def test_events_that_are_no_keys_and_packets_that_are_none() -> None:
    flash = parse_event(bytes([16, 0x80, 0, 0]))
    assert flash is not None
    assert flash.digit is None
    assert parse_event(b"\x01\x02\x03") is None


def test_info() -> None:
    assert dtmf_relay("5") == b"Signal=5\r\nDuration=100\r\n"
    assert dtmf_info("d") == b"D"
