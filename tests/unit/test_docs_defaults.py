"""Tables of settings in the documentation have the defaults that the server has."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from config.settings import TABLE

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
UNITS = {
    "": (1,), "ms": (1,), "kbit/s": (1,), "%": (1,), "s": (1, 1000), "min": (60, 60_000), "h": (3600, 3_600_000),
    "KiB": (1 << 10,), "MiB": (1 << 20,), "GiB": (1 << 30,),
}  # fmt: skip
"""How many of a setting's own unit, which is a second or a millisecond, a byte, or whatever it counts."""


def told(page: Path) -> Iterator[tuple[str, str]]:
    """Each setting of the tables that begin with settings, and its default as it is written there."""
    for table in re.findall(r"^\| (?:new )?setting \|.*\n\|[-|]+\n((?:\|.*\n)+)", page.read_text(), re.MULTILINE):
        for row in table.splitlines():
            names, default, *_ = row.strip("|").split(" | ")
            settings = re.findall(r"`([^`]+)`", names)
            defaults = default.split(", ") if len(settings) > 1 else [default]
            yield from zip(settings, (text.strip("` ") for text in defaults), strict=True)


def is_default(default: str, text: str) -> bool:
    """Whether the text says the same. What is empty may be described in words."""
    if default.isdecimal():
        number = re.fullmatch(r"([\d,]+) ?(\S*)", text)
        return number is not None and int(default) in {
            int(number[1].replace(",", "")) * unit for unit in UNITS[number[2]]
        }
    return text == default or (not default and re.match(r"\d|true|false", text) is None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_defaults_are_those_of_the_server(page: Path) -> None:
    assert [(key, text) for key, text in told(page) if not is_default(TABLE[key].default, text)] == []


def test_defaults_are_seen_in_the_pages() -> None:
    """The patterns above find what they are to check."""
    found = [setting for page in PAGES for setting in told(page)]
    assert len(found) > 60
    assert ("sip.max_call_duration", "4 h") in found
    assert not is_default("14400", "5 h")
    assert not is_default("false", "true")
