"""Pauses between attempts."""

from protocol.common.growing_pause import GrowingPause


def test_each_pause_is_twice_as_long_up_to_the_longest() -> None:
    pause = GrowingPause(0.25, 1.5)
    assert [pause.next() for _ in range(5)] == [0.25, 0.5, 1.0, 1.5, 1.5]
    pause.reset()
    assert [pause.next() for _ in range(2)] == [0.25, 0.5]


def test_it_grows_to_its_limit_and_not_beyond_however_often_it_fails() -> None:
    pause = GrowingPause(30.0, 300.0)
    assert [pause.next() for _ in range(2_000)][-1] == 300.0


def test_a_first_pause_above_the_longest_is_the_longest() -> None:
    assert GrowingPause(60.0, 30.0).next() == 30.0
