"""When the media plane reads at once, and when it waits for more packets to come together."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.media.io import wakeup_coalescing
from actors.media.io.wakeup_coalescing import WakeupCoalescer


def run(plane: WakeupCoalescer, rate: float, *, since: float, seconds: float) -> float:
    """Packets come evenly, each waking the plane as soon as it may be woken; when it ends."""
    now, waiting = since, 0.0
    while now < since + seconds:
        now = max(now + 1 / rate, plane.rest_until)
        came = (now - since) * rate
        plane.took(int(came) - int(waiting), now, is_all=True)
        waiting = came
    return now


def test_a_quiet_plane_takes_every_packet_at_once() -> None:
    plane = WakeupCoalescer()
    run(plane, 0.9 * wakeup_coalescing.START, since=0.0, seconds=5.0)
    assert (plane.interval, plane.rest_until) == (0.0, -math.inf)
    assert plane.rate == pytest.approx(0.9 * wakeup_coalescing.START, rel=0.05)


@pytest.mark.parametrize(
    ("rate", "interval"), [(1200, wakeup_coalescing.LONGEST), (5000, 0.0032), (20_000, wakeup_coalescing.SHORTEST)]
)
def test_a_busy_plane_wakes_for_groups(rate: float, interval: float) -> None:
    plane = WakeupCoalescer()
    ended = run(plane, rate, since=0.0, seconds=5.0)
    assert plane.interval == pytest.approx(interval, rel=0.05)
    assert plane.rest_until == ended + plane.interval


def test_it_takes_clearly_fewer_packets_to_be_quiet_again() -> None:
    plane = WakeupCoalescer()
    between = (wakeup_coalescing.START + wakeup_coalescing.STOP) / 2
    ended = run(plane, 2 * wakeup_coalescing.START, since=0.0, seconds=3.0)
    ended = run(plane, between, since=ended, seconds=5.0)
    assert plane.interval == wakeup_coalescing.LONGEST
    ended = run(plane, 0.9 * wakeup_coalescing.STOP, since=ended, seconds=5.0)
    assert plane.interval == 0.0
    run(plane, between, since=ended, seconds=5.0)
    assert plane.interval == 0.0


def test_one_large_picture_is_no_busy_time() -> None:
    plane = WakeupCoalescer()
    ended = run(plane, 200.0, since=0.0, seconds=2.0)
    plane.took(100, ended + 0.01, is_all=True)
    run(plane, 200.0, since=ended + 0.01, seconds=2.0)
    assert plane.interval == 0.0


def test_after_a_silence_the_first_packet_finds_a_quiet_plane() -> None:
    plane = WakeupCoalescer()
    ended = run(plane, 20_000.0, since=0.0, seconds=2.0)
    plane.took(0, plane.rest_until, is_all=True)
    assert plane.rest_until == -math.inf, "the plane waits for a packet, not for the clock"
    plane.took(1, ended + 5.0, is_all=True)
    assert (plane.interval, plane.rest_until) == (0.0, -math.inf)


def test_what_still_waits_is_read_at_once() -> None:
    plane = WakeupCoalescer()
    ended = run(plane, 20_000.0, since=0.0, seconds=2.0)
    plane.took(128, ended + 0.002, is_all=False)
    assert plane.rest_until == -math.inf


@given(st.lists(st.tuples(st.integers(0, 500), st.floats(0.0, 2.0), st.booleans()), max_size=100))
def test_whatever_comes_no_packet_waits_longer_than_the_longest_interval(
    wake_ups: list[tuple[int, float, bool]],
) -> None:
    plane, now = WakeupCoalescer(), 0.0
    for count, pause, is_all in wake_ups:
        now += pause
        plane.took(count, now, is_all=is_all)
        assert plane.rest_until <= now + wakeup_coalescing.LONGEST
        assert plane.rate >= 0
