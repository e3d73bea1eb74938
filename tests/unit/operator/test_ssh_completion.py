"""Completion over SSH: what stands in the line after Tab, and how what fits is listed."""

import pytest

from actors.operator.ssh.completion import completed, in_columns


@pytest.mark.parametrize(
    ("current", "words", "expected"),
    [
        ("", [], None),
        ("sho", ["show"], "show "),
        ("na", ["name="], "name="),
        ("s", ["show", "short"], "sho"),
        ("sho", ["show", "short"], "sho"),
        ("", ["add", "show"], ""),
        ("name=n", ["name=news", "name=news-2"], "name=news"),
    ],
)
def test_as_much_as_is_certain_is_written(current: str, words: list[str], expected: str | None) -> None:
    assert completed(current, words) == expected


def test_words_are_listed_as_wide_as_the_terminal() -> None:
    assert in_columns(["app", "bans", "room"], 80) == "app   bans  room"
    assert in_columns(["app", "bans", "room"], 12) == "app   bans\nroom"
    assert in_columns(["app", "bans"], 0) == "app\nbans"
