"""What a release takes from CHANGELOG.md: the section of its version."""

import re
from collections.abc import Iterator

UNRELEASED = "Unreleased"
_HEADING = re.compile(r"^## \[([^\]]+)\](?: - (.*))?$", re.MULTILINE)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


class NotReleasable(Exception):
    """Something is not as a release needs it; the text says what to do."""


def sections(text: str) -> Iterator[tuple[str, str, str]]:
    """The version, day (may be empty) and text of each section, the newest first."""
    headings = [*_HEADING.finditer(text)]
    ends = [*(heading.start() for heading in headings), len(text)][1:]
    for heading, end in zip(headings, ends, strict=True):
        yield heading[1], heading[2] or "", text[heading.end() : end].strip()


def release_notes(text: str, version: str) -> str:
    """The section of the version that is released. Raises NotReleasable unless it is dated, filled and the newest."""
    found = [section for section in sections(text) if section[0] != UNRELEASED]
    leftover = next((notes for name, _, notes in sections(text) if name == UNRELEASED), "")
    if leftover:
        raise NotReleasable(f"CHANGELOG.md: [{UNRELEASED}] is not empty; move what it lists to '## [{version}] - DAY'")
    if not found or found[0][0] != version:
        newest = found[0][0] if found else "none"
        raise NotReleasable(f"CHANGELOG.md: the newest version is {newest}, and config/version.py has {version}")
    _, day, notes = found[0]
    if not _DAY.fullmatch(day):
        raise NotReleasable(f"CHANGELOG.md: '## [{version}] - {day}' has no day such as 2027-01-31")
    if not notes:
        raise NotReleasable(f"CHANGELOG.md: the section of {version} is empty")
    return notes


def draft_notes(text: str) -> str:
    """The newest section, whatever it is: for a try."""
    return next((notes for _, _, notes in sections(text) if notes), "")
