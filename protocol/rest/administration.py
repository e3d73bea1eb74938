"""The REST resource `/admin`: what concerns the whole server."""

import math
from typing import Any, Final

from protocol.node.server_state import DrainReport, ServerState
from protocol.rest.fields import Field, FieldTable
from protocol.rest.json_body import decode_optional_object
from protocol.rest.kicks import DURATION
from protocol.rest.schemas import COUNT, described, object_of

TIMEOUT: Final = Field("timeout", DURATION, "after which the server stops in any case; default: no limit")
DRAIN: Final = FieldTable(TIMEOUT)
NOTHING: Final = FieldTable()

DRAIN_REPORT: Final = object_of(
    "DrainReport",
    state=described({"enum": list(ServerState)}, "`draining`: no new publications; the server stops after the last"),
    publications=described(COUNT, "streams published"),
    viewers=described(COUNT, "streams played"),
    secondsLeft=described({"type": ["integer", "null"]}, "until the server stops in any case; null: no limit"),
    refused=described(COUNT, "publications refused by a drain since the start"),
)


def parse_drain(body: bytes) -> float:
    """The limit in seconds, math.inf for none. RestError (400) for anything not exactly understood."""
    return DRAIN.read(decode_optional_object(body))[TIMEOUT] or math.inf


def check_nothing(body: bytes) -> None:
    """RestError (400) if the request has a field: it takes none."""
    NOTHING.read(decode_optional_object(body))


def drain_object(report: DrainReport) -> dict[str, Any]:
    """A report as REST shows it."""
    return {
        "state": str(report.state),
        "publications": report.publications,
        "viewers": report.viewers,
        "secondsLeft": report.seconds_left,
        "refused": report.refused,
    }
