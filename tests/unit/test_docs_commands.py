"""Commands in the documentation can be typed: those of `wcs`, the options of `wcsd`, and modules that are run."""

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from protocol.operator.grammar import CommandError, split
from protocol.operator.syntax import VERBS, find_verb

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
]
OWN_OPTIONS = {"--state", "--node"}
"""Of the program `wcs`, with a value, before a command; `--json` stands before or behind it."""
NO_COMMANDS = {"COMMAND", "...", "<"}
"""What stands where a command is left to the reader."""

every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@every_page
def test_lines_of_wcs_are_whole_commands(page: Path) -> None:
    for line in _lines(page, "wcs"):
        words = _command(line)
        if words and words[0] not in NO_COMMANDS:
            verb, rest = find_verb(words)
            verb.read(rest)


@every_page
def test_commands_that_are_mentioned_exist(page: Path) -> None:
    """They may lack their operands; their options are options."""
    for span in re.findall(r"`(?:bin/)?wcs ([^`]+)`", page.read_text().replace("\n", " ")):
        words = _command(span)
        if not words or words[0] in NO_COMMANDS or words == ["show"]:  # `wcs show` in general
            continue
        verb, rest = find_verb(words)
        flags = {flag for option in verb.options for flag in option.flags}
        assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= flags


@every_page
def test_options_of_wcsd_exist(page: Path) -> None:
    source = (ROOT / "actors/cli.py").read_text()
    known = {"--help", "--version", *re.findall(r'"(--[a-z-]+)"', source)}
    text = "\n".join([*_lines(page, "wcsd"), *re.findall(r"`(?:bin/)?wcsd ([^`]+)`", page.read_text())])
    assert set(re.findall(r"(?<!\S)--[a-z-]+", text)) - known == set()


@every_page
def test_modules_that_are_run_exist(page: Path) -> None:
    modules = set(re.findall(r"python -m ((?:tests|actors)\.[\w.]+\w)", page.read_text()))
    assert [module for module in sorted(modules) if find_spec(module) is None] == []


def test_commands_are_seen_in_the_pages() -> None:
    """The patterns above find what they are to check."""
    operating = ROOT / "docs/operating.md"
    assert ["drain", "--timeout", "30m"] in [_command(line) for line in _lines(operating, "wcs")]
    assert "--doctor" in " ".join(_lines(operating, "wcsd"))
    with pytest.raises(CommandError):
        find_verb(["show", "nothing"])
    assert "show streams" in VERBS


def _lines(page: Path, program: str) -> Iterator[str]:
    """What follows the program's name in blocks of commands, and what `wcs` reads from a file, without remarks."""
    text = page.read_text()
    fed = re.findall(r"^ {4}((?:add|update) app.*)$", text, re.MULTILINE) if program == "wcs" else []
    for line in [*re.findall(rf"^ {{0,8}}(?:\S+ \| )?(?:bin/)?{program} (.*)$", text, re.MULTILINE), *fed]:
        yield re.sub(r" {2,}(?:#|[a-z]).*| #.*| < \S+$", "", line)


def _command(text: str) -> list[str]:
    """The words of a command of `wcs`, without the program's own options; none if it is not about a command."""
    words = list(split(text))
    while words and words[0] in OWN_OPTIONS:
        del words[:2]
    if words[:1] == ["--json"]:
        del words[0]
    if words[-1:] == ["--json"]:
        del words[-1]
    return [] if words and words[0].startswith("-") else words
