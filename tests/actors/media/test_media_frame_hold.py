"""When the media plane waits for the rest of a picture, and when it has learnt better."""

from actors.media.io.frame_hold import HOLD, MAX_FRUITLESS_HOLDS, PAUSE, FrameHold


def test_it_waits_as_long_as_something_comes() -> None:
    patience = FrameHold()
    for now in range(10):
        assert patience.until(now) == now + HOLD
        patience.waited(now + HOLD, came=True)


def test_it_pauses_when_nothing_came_several_times_in_a_row() -> None:
    patience = FrameHold()
    for _ in range(2):
        for _ in range(MAX_FRUITLESS_HOLDS - 1):
            patience.waited(1.0, came=False)
        patience.waited(1.0, came=True)
    assert patience.until(1.0) > 1.0, "never in a row"
    for _ in range(MAX_FRUITLESS_HOLDS):
        patience.waited(1.0, came=False)
    assert patience.until(1.0) == 1.0
    assert patience.until(0.99 + PAUSE) == 0.99 + PAUSE
    assert patience.until(1.0 + PAUSE) == 1.0 + PAUSE + HOLD


def test_after_a_pause_it_takes_as_many_again() -> None:
    patience = FrameHold()
    for _ in range(MAX_FRUITLESS_HOLDS):
        patience.waited(1.0, came=False)
    for _ in range(MAX_FRUITLESS_HOLDS - 1):
        patience.waited(5.0, came=False)
    assert patience.until(5.0) == 5.0 + HOLD
