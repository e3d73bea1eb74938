"""Java properties syntax, row by row as `java.util.Properties.load` describes it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.properties import BadLine, Entry, parse


def pairs(text: str) -> list[tuple[str, str]]:
    return [(item.key, item.value) for item in parse(text) if isinstance(item, Entry)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ws.port=8080", ("ws.port", "8080")),
        ("ws.port:8080", ("ws.port", "8080")),
        ("ws.port 8080", ("ws.port", "8080")),
        ("ws.port\t\f = \t8080", ("ws.port", "8080")),
        ("   ws.port = 8080   ", ("ws.port", "8080")),
        ("ws.port", ("ws.port", "")),
        ("ws.port=", ("ws.port", "")),
        ("=8080", ("", "8080")),
        ("key==value", ("key", "=value")),
        ("key = :value", ("key", ":value")),
        ("a\\ b\\=c=d", ("a b=c", "d")),
        ("key=a\\tb\\nc\\rd\\fe", ("key", "a\tb\nc\rd\fe")),
        ("key=a\\qb\\\\c", ("key", "aqb\\c")),
        ("key=\\u00fc\\u00DF", ("key", "üß")),
        ("key=\\ud83d\\ude00", ("key", "😀")),
        ("key=one\\\n    two\\\r\n\tthree", ("key", "onetwothree")),
        ("key=one\\\n# no comment", ("key", "one# no comment")),
        ("key=one\\", ("key", "one")),
        ("key=one\\\\\nnext=2", ("key", "one\\")),
    ],
)
def test_one_entry(text: str, expected: tuple[str, str]) -> None:
    assert pairs(text)[0] == expected


def test_comments_and_blank_lines_are_left_out() -> None:
    assert pairs("# one\n   ! two\\\n\n \t\na=1\r\n#b=2\rc=3") == [("a", "1"), ("c", "3")]


def test_an_entry_knows_the_line_that_its_key_stands_on() -> None:
    items = parse("# comment\na=1\\\n  2\n\nb=3")
    assert [item.line for item in items] == [2, 5]


def test_a_key_with_blanks_keeps_its_heading() -> None:
    (item,) = parse("rest request timeout=15")
    assert item == Entry(key="rest", value="request timeout=15", line=1, heading="rest request timeout")


def test_the_heading_of_an_ordinary_entry_is_its_key() -> None:
    assert [item.heading for item in parse("ws.port = 1\nws.port:2") if isinstance(item, Entry)] == ["ws.port"] * 2


@pytest.mark.parametrize("value", ["\\u12", "\\u", "\\uxyz0", "\\ud83d", "\\ude00\\ud83d"])
def test_a_wrong_escape_is_a_fault_of_its_line_alone(value: str) -> None:
    fault, entry = parse(f"a={value}\nb=2")
    assert isinstance(fault, BadLine)
    assert fault.line == 1
    assert entry == Entry(key="b", value="2", line=2, heading="b")


@given(st.text())
def test_any_text_is_read_without_another_error(text: str) -> None:
    for item in parse(text):
        assert isinstance(item, Entry | BadLine)
        assert 1 <= item.line <= text.count("\n") + text.count("\r") + 1
