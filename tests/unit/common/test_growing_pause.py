"""Pauses between attempts."""

from protocol.common.growing_pause import GrowingPause


def test_each_pause_is_twice_as_long_up_to_the_longest() -> None:
    pause = GrowingPause(0.25, 1.5)
    assert [pause.next() for _ in range(5)] == [0.25, 0.5, 1.0, 1.5, 1.5]
    pause.reset()
    assert [pause.next() for _ in range(2)] == [0.25, 0.5]
