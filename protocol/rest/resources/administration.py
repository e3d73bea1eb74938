"""The REST resource `/admin`: what concerns the whole server."""

import math
from collections.abc import Iterable
from typing import Any, Final, Protocol

from protocol.node.server_state import DrainReport, ServerState
from protocol.rest import fields
from protocol.rest.fields import FLAG, Field, FieldTable
from protocol.rest.json_body import decode_optional_object
from protocol.rest.kicks import DURATION
from protocol.rest.schemas import COUNT, TEXT, array_of, described, object_of

TIMEOUT: Final = Field("timeout", DURATION, "after which the server stops in any case; default: no limit")
NODE: Final = Field(
    "node", fields.TEXT, "its id, or how it begins: another node of the cluster; default: the one asked"
)
DRAIN: Final = FieldTable(TIMEOUT, NODE)
UNDRAIN: Final = FieldTable(NODE)
CHECK: Final = Field("check", FLAG, "true: only say what would change")
RELOAD: Final = FieldTable(CHECK)

DRAIN_REPORT: Final = object_of(
    "DrainReport",
    state=described({"enum": list(ServerState)}, "`draining`: no new publications; the server stops after the last"),
    publications=described(COUNT, "streams published"),
    viewers=described(COUNT, "streams played"),
    secondsLeft=described({"type": ["integer", "null"]}, "until the server stops in any case; null: no limit"),
    refused=described(COUNT, "publications refused by a drain since the start"),
)

_CHANGE: Final = object_of("SettingChange", key=TEXT, before=TEXT, after=TEXT)
RELOAD_REPORT: Final = object_of(
    "ReloadReport",
    changed=described(array_of(_CHANGE), "in force now; with `check`, what would be"),
    waiting=described(array_of(_CHANGE), "what needs a restart"),
    warnings=array_of(TEXT),
    loginRequired=described(
        {"type": ["boolean", "null"]}, "whether callers must log in from now on, or with `check` would; null: as before"
    ),
)


class Change(Protocol):
    """A setting that differs; texts as in a settings file."""

    @property
    def key(self) -> str: ...
    @property
    def before(self) -> str: ...
    @property
    def after(self) -> str: ...


def parse_reload(body: bytes) -> bool:
    """Whether only to look. RestError (400) for anything not exactly understood."""
    return RELOAD.read(decode_optional_object(body))[CHECK] or False


def reload_object(
    taken: Iterable[Change], waiting: Iterable[Change], warnings: Iterable[str], *, login: bool | None
) -> dict[str, Any]:
    """A report as REST shows it. `login`: whether callers must log in from now on; None: as before."""

    def shown(changes: Iterable[Change]) -> list[dict[str, str]]:
        return [{"key": change.key, "before": change.before, "after": change.after} for change in changes]

    return {"changed": shown(taken), "waiting": shown(waiting), "warnings": list(warnings), "loginRequired": login}


def parse_drain(body: bytes) -> tuple[float, str | None]:
    """The limit in seconds, math.inf for none, and the node. RestError (400) for anything not exactly understood."""
    given = DRAIN.read(decode_optional_object(body))
    return given[TIMEOUT] or math.inf, given[NODE]


def parse_undrain(body: bytes) -> str | None:
    """The node. RestError (400) for anything not exactly understood."""
    return UNDRAIN.read(decode_optional_object(body))[NODE]


def drain_object(report: DrainReport) -> dict[str, Any]:
    """A report as REST shows it."""
    return {
        "state": str(report.state),
        "publications": report.publications,
        "viewers": report.viewers,
        "secondsLeft": report.seconds_left,
        "refused": report.refused,
    }
