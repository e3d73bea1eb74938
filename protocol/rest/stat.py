"""The plain-text statistics of `/?action=stat`.

The SDK's reader takes a line that starts with dashes as the head of a group, named by its first run of letters in
lower case, and every other line as `key=value` (WebSDK `rest-module`; WCS page "Load and resource usage information").
"""

from collections.abc import Mapping


def stat_text(groups: Mapping[str, Mapping[str, int | str]]) -> str:
    """`groups` (group, of letters only -> key -> value) as text, each line ended by a line feed.

    A text that has line breaks of its own gets blanks for them.
    """
    return "".join(f"{_head(group)}\n{_lines(values)}" for group, values in groups.items())


def _head(group: str) -> str:
    if not (group.isascii() and group.isalpha()):
        raise ValueError(f"a group of statistics is named by letters only, not {group!r}")
    return f"-----{group.capitalize()} Stats-----"


def _lines(values: Mapping[str, int | str]) -> str:
    return "".join(f"{key}={' '.join(str(value).splitlines())}\n" for key, value in values.items())
