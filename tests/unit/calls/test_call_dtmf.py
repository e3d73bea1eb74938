"""Digits as telephone events, in their time."""

import math

import pytest

from protocol.calls.dtmf import (
    MAX_QUEUE,
    DigitPacket,
    DigitSender,
    DigitsRefused,
    checked_digits,
    info_body,
    info_relay_body,
)


def run(sender: DigitSender, *, clock_rate: int = 8_000) -> list[tuple[float, DigitPacket]]:
    """All that it sends, each at its deadline."""
    sent = []
    while sender.deadline < math.inf:
        now = sender.deadline
        packet = sender.packet(now, clock_rate)
        if packet is not None:
            sent.append((round(now, 3), packet))
    return sent


def test_a_digit_lasts_100_ms_and_ends_three_times() -> None:
    sender = DigitSender()
    sender.add("5", 10.0)
    sent = run(sender)
    assert [moment for moment, _ in sent] == [10.0, 10.02, 10.04, 10.06, 10.08, 10.1, 10.12, 10.14]
    assert [packet.begins for _, packet in sent] == [True] + [False] * 7
    payloads = [packet.payload for _, packet in sent]
    assert {payload[0] for payload in payloads} == {5}
    assert [payload[1] >> 7 for payload in payloads] == [0] * 5 + [1] * 3
    assert [int.from_bytes(payload[2:], "big") for payload in payloads] == [160, 320, 480, 640, 800, 800, 800, 800]


def test_the_next_digit_begins_50_ms_after_the_end() -> None:
    sender = DigitSender()
    sender.add("1#", 0.0)
    begins = [(moment, packet.payload[0]) for moment, packet in run(sender) if packet.begins]
    assert begins == [(0.0, 1), (0.15, 11)]
    assert not sender.is_busy


def test_durations_follow_the_clock() -> None:
    sender = DigitSender()
    sender.add("d", 0.0)
    last = run(sender, clock_rate=48_000)[-1][1]
    assert (last.payload[0], int.from_bytes(last.payload[2:], "big")) == (15, 4_800)


def test_nothing_comes_before_its_time() -> None:
    sender = DigitSender()
    assert sender.packet(5.0, 8_000) is None
    sender.add("1", 5.0)
    assert sender.packet(5.0, 8_000) is not None
    assert sender.packet(5.01, 8_000) is None
    assert sender.is_busy


@pytest.mark.parametrize("text", ["", "12x", "1 2", "1" * (MAX_QUEUE + 1)])
def test_what_is_no_digits_is_refused_without_being_named(text: str) -> None:
    with pytest.raises(DigitsRefused) as refused:
        checked_digits(text)
    assert not text or text not in refused.value.message


def test_the_queue_is_bounded_and_all_or_nothing() -> None:
    sender = DigitSender()
    sender.add("1" * 30, 0.0)
    with pytest.raises(DigitsRefused):
        sender.add("222", 0.0)
    sender.add("33", 0.0)
    sent = [packet.payload[0] for _, packet in run(sender) if packet.begins]
    assert sent == [1] * 30 + [3] * 2


def test_what_waits_is_dropped_at_the_end() -> None:
    sender = DigitSender()
    sender.add("12", 0.0)
    sender.packet(0.0, 8_000)
    sender.clear()
    assert run(sender) == []
    assert not sender.is_busy


def test_the_bodies_of_info() -> None:
    assert info_body("5") == b"5"
    assert info_relay_body("#") == b"Signal=#\r\nDuration=100\r\n"
