"""Times as people write them."""

import pytest

from protocol.common.durations import read_duration, shown_duration


@pytest.mark.parametrize(("text", "seconds"), [("1s", 1), ("30m", 1800), ("2h", 7200), ("7d", 604_800)])
def test_a_time_is_read_and_shown(text: str, seconds: float) -> None:
    assert read_duration(text, most=604_800) == seconds
    assert shown_duration(seconds) == text


@pytest.mark.parametrize("text", ["", "0s", "30", "m", "1.5h", "-1s", "1w", " 1s", "1s ", "8d", "9999999999s"])
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^$"):
        read_duration(text, most=604_800)


@pytest.mark.parametrize(("seconds", "text"), [(90, "90s"), (0, "0s"), (3660, "61m"), (90_000, "25h"), (59.6, "1m")])
def test_the_largest_exact_unit_is_shown(seconds: float, text: str) -> None:
    assert shown_duration(seconds) == text
