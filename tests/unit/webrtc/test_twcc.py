"""Transport-wide feedback, read back by a decoder of its own."""

import random
from struct import unpack_from

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from protocol.webrtc.twcc import TwccRecorder


@frozen
class Feedback:
    """What a sender learns from one packet: the numbers it tells of, and when those received arrived."""

    count: int
    told: range
    arrivals_us: dict[int, int]


def decode(data: bytes) -> Feedback:
    """Read feedback by the letter of the draft, section 3.1; independent of the encoder."""
    first, kind, words, sender, media, base, count, reference = unpack_from("!BBHIIHHI", data)
    assert (first & 0xDF, kind, (words + 1) * 4) == (0x8F, 205, len(data))
    assert (sender, media) == (0xA, 0xB)
    if first & 0x20:
        assert 1 <= data[-1] <= 3
        assert not any(data[-data[-1] : -1])
        data = data[: -data[-1]]
    symbols: list[int] = []
    position = 20
    while len(symbols) < count:
        (chunk,) = unpack_from("!H", data, position)
        position += 2
        if not chunk & 0x8000:
            symbols += [chunk >> 13 & 3] * (chunk & 0x1FFF)
        elif chunk & 0x4000:
            symbols += [chunk >> shift & 3 for shift in range(12, -1, -2)]
        else:
            symbols += [chunk >> shift & 1 for shift in range(13, -1, -1)]
    assert not any(symbols[count:])
    now = (reference >> 8) * 64_000
    arrivals = {}
    for index, symbol in enumerate(symbols[:count]):
        if symbol == 1:
            now += data[position] * 250
            position += 1
        elif symbol == 2:
            now += unpack_from("!h", data, position)[0] * 250
            position += 2
        else:
            assert symbol == 0
            continue
        arrivals[(base + index) & 0xFFFF] = now
    assert position == len(data)
    return Feedback(reference & 0xFF, range(base, base + count), arrivals)


def drain(recorder: TwccRecorder) -> list[Feedback]:
    found = []
    while (data := recorder.build_feedback(sender_ssrc=0xA, media_ssrc=0xB)) is not None:
        assert len(data) <= 1200
        assert len(data) % 4 == 0
        found.append(decode(data))
    return found


def recorded(*arrivals: tuple[int, int]) -> TwccRecorder:
    recorder = TwccRecorder()
    for sequence, arrival_us in arrivals:
        recorder.record(sequence, arrival_us)
    return recorder


def test_nothing_to_say() -> None:
    assert drain(TwccRecorder()) == []
    recorder = recorded((5, 0))
    assert len(drain(recorder)) == 1
    assert drain(recorder) == []


def test_the_bytes_of_a_small_report() -> None:
    recorder = recorded((10, 64_000), (11, 65_000), (13, 70_000))
    data = recorder.build_feedback(sender_ssrc=0xA, media_ssrc=0xB)
    assert data is not None
    assert data.hex(" ", 4) == "8fcd0006 0000000a 0000000b 000a0004 00000100 d4400004 14000000".replace(
        "8fcd0006", "afcd0006"
    ).replace("14000000", "14000003")


def test_losses_are_told_once() -> None:
    recorder = recorded((1, 0), (2, 1000), (5, 2000))
    assert [(report.told, sorted(report.arrivals_us)) for report in drain(recorder)] == [(range(1, 6), [1, 2, 5])]
    recorder.record(6, 3000)
    assert [report.told for report in drain(recorder)] == [range(6, 7)]


def test_a_late_packet_is_told_again_with_what_follows_it() -> None:
    recorder = recorded((1, 0), (3, 1000), (4, 2000))
    drain(recorder)
    recorder.record(2, 3000)
    (report,) = drain(recorder)
    assert report.told == range(2, 5)
    assert report.arrivals_us == {2: 3000, 3: 1000, 4: 2000}


def test_what_was_told_is_forgotten_after_half_a_second() -> None:
    recorder = recorded((1, 0), (3, 1000))
    drain(recorder)
    recorder.record(4, 600_000)
    drain(recorder)
    recorder.record(2, 601_000)
    (report,) = drain(recorder)
    assert sorted(report.arrivals_us) == [2, 4]


def test_a_repeated_packet_counts_once() -> None:
    recorder = recorded((1, 0), (1, 5000))
    (report,) = drain(recorder)
    assert report.arrivals_us == {1: 0}
    recorder.record(1, 6000)
    assert drain(recorder) == []


def test_the_count_goes_round() -> None:
    recorder = TwccRecorder()
    counts = []
    for sequence in range(300):
        recorder.record(sequence, sequence * 1000)
        counts += [report.count for report in drain(recorder)]
    assert counts == [number & 0xFF for number in range(300)]


def test_numbers_wrap() -> None:
    (report,) = drain(recorded((0xFFFE, 0), (0xFFFF, 250), (0, 500), (1, 750)))
    assert report.arrivals_us == {0xFFFE: 0, 0xFFFF: 250, 0: 500, 1: 750}


def test_a_first_packet_that_was_overtaken() -> None:
    (report,) = drain(recorded((1, 0), (0xFFFF, 250)))
    assert report.arrivals_us == {0xFFFF: 250, 1: 0}


@pytest.mark.parametrize(("gap_us", "packets"), [(8_191_750, 1), (8_300_000, 2), (60_000_000, 2)])
def test_a_delta_that_does_not_fit_starts_another_packet(gap_us: int, packets: int) -> None:
    reports = drain(recorded((1, 0), (2, gap_us)))
    assert len(reports) == packets
    merged = {number: at for report in reports for number, at in report.arrivals_us.items()}
    assert merged == {1: 0, 2: gap_us}
    assert [report.count for report in reports] == list(range(packets))


def test_the_reference_time_wraps() -> None:
    start = (1 << 24) * 64_000 - 1000
    (report,) = drain(recorded((1, start), (2, start + 2000)))
    assert report.arrivals_us == {1: start, 2: start + 2000}


def test_a_burst_fills_several_packets() -> None:
    reports = drain(recorded(*((number, number * 10_000 % 7_000_000) for number in range(1500))))
    assert len(reports) == 4
    assert [number for report in reports for number in report.told] == list(range(1500))


def test_a_leap_does_not_tell_of_thousands_of_losses() -> None:
    recorder = recorded((0, 0), (30_000, 1000))
    told = [number for report in drain(recorder) for number in report.told]
    assert told[-1] == 30_000
    assert len(told) <= 4096


def test_something_ancient_is_left_out() -> None:
    recorder = recorded((10_000, 0))
    drain(recorder)
    recorder.record(10_000 - 5000, 1000)
    assert drain(recorder) == []


def test_memory_is_bounded_without_feedback() -> None:
    recorder = TwccRecorder()
    for number in range(30_000):
        recorder.record(number & 0xFFFF, number * 100)
    assert len(recorder._arrivals) <= 8193


@given(
    st.integers(0, 0xFFFF),
    st.lists(
        st.tuples(st.integers(0, 40), st.integers(0, 3), st.integers(0, 200_000), st.booleans()),
        min_size=1,
        max_size=200,
    ),
)
def test_whatever_arrives_is_told_with_its_time(start: int, steps: list[tuple[int, int, int, bool]]) -> None:
    """Numbers go forward and back a little, times go on, feedback is taken now and then: nothing is lost or bent."""
    recorder = TwccRecorder()
    true: dict[int, int] = {}
    told: dict[int, int] = {}
    number, now = start, 5_000_000
    for forward, back, pause, ask in steps:
        number += forward
        now += pause
        late = (number - back) & 0xFFFF
        true.setdefault(late, now)
        recorder.record(late, now)
        if ask:
            for report in drain(recorder):
                told |= report.arrivals_us
    for report in drain(recorder):
        told |= report.arrivals_us
    assert told.keys() == true.keys()
    assert all(0 <= true[key] - told[key] < 250 for key in told)


def test_a_long_lossy_call() -> None:
    dice = random.Random(20)
    recorder = TwccRecorder()
    told: set[int] = set()
    sent: set[int] = set()
    for number in range(20_000):
        if dice.random() < 0.1:
            continue
        sent.add(number)
        recorder.record(number & 0xFFFF, number * 700 + dice.randrange(600))
        if number % 90 == 0:
            told |= {key for report in drain(recorder) for key in report.arrivals_us}
    told |= {key for report in drain(recorder) for key in report.arrivals_us}
    assert told == sent
