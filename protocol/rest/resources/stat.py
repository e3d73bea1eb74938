"""The statistics of `/?action=stat`: plain text, JSON with `format=json`, or the metrics; `groups=` selects groups.

The SDK's parser treats a line that starts with dashes as a group header, whose name is the line's first run of letters,
lower-cased, and every other line as `key=value` (WebSDK `rest-module`; WCS page "Load and resource usage information").
In JSON and in `groups=`, newer WCS versions use other group names: `streams_stats` for `stream` (console of the SDK).
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from protocol.rest.fields import TEXT, Field, FieldTable, one_of

Groups = Mapping[str, Mapping[str, int | str]]
"""Group name (letters only) -> key -> value."""


class StatFormat(StrEnum):
    """Formats of the statistics."""

    TEXT = "text"
    JSON = "json"
    PROMETHEUS = "prometheus"
    """The metrics, which are more than the statistics; `groups` does not apply."""


ACTION: Final = Field("action", TEXT, "`stat`: the statistics; anything else, or nothing: the start page")
FORMAT: Final = Field("format", one_of(*StatFormat), "the format of the statistics")
GROUPS: Final = Field("groups", TEXT, "the wanted groups, separated by commas; all by default")
QUERY: Final = FieldTable(ACTION, FORMAT, GROUPS, noun="query parameter", is_open=True)
"""What else a query has is ignored: pages add parameters against caches."""

_IDS = {"connection": "connections_stats", "stream": "streams_stats"}
_TRANSCODING = "transcoding_stats"
_NO_TRANSCODING: Mapping[str, Any] = {"transcoding_video_full_info": {}}
"""Read by the SDK's console, by stream; nothing is transcoded here."""


def stat_format(parameters: Mapping[str, str]) -> StatFormat:
    """The format that the query asks for. RestError (400) for an unknown one."""
    return StatFormat(QUERY.read(parameters)[FORMAT] or StatFormat.TEXT)


def stat_text(groups: Groups, parameters: Mapping[str, str]) -> str:
    """The requested groups as text, each line ended by a line feed.

    Line breaks within a text become spaces.
    """
    chosen = _chosen(parameters)
    return "".join(f"{_head(group)}\n{_lines(values)}" for group, values in groups.items() if _is_in(group, chosen))


def stat_json(groups: Groups, parameters: Mapping[str, str]) -> dict[str, Mapping[str, Any]]:
    """The requested groups as an object, under the names that newer WCS versions use."""
    chosen = _chosen(parameters)
    shown: dict[str, Mapping[str, Any]] = {
        _group_id(group): values for group, values in groups.items() if _is_in(group, chosen)
    }
    if chosen is not None and _TRANSCODING in chosen:
        shown[_TRANSCODING] = _NO_TRANSCODING
    return shown


def _chosen(parameters: Mapping[str, str]) -> frozenset[str] | None:
    """The named groups; None for all. Groups that we do not have are ignored: pages name those of any WCS version."""
    if not parameters.get("groups"):
        return None
    return frozenset(name.strip() for name in parameters["groups"].split(","))


def _is_in(group: str, chosen: frozenset[str] | None) -> bool:
    return chosen is None or group in chosen or _group_id(group) in chosen


def _group_id(group: str) -> str:
    return _IDS.get(group, f"{group}_stats")


def _head(group: str) -> str:
    if not (group.isascii() and group.isalpha()):
        raise ValueError(f"a group of statistics is named by letters only, not {group!r}")
    return f"-----{group.capitalize()} Stats-----"


def _lines(values: Mapping[str, int | str]) -> str:
    return "".join(f"{key}={' '.join(str(value).splitlines())}\n" for key, value in values.items())
