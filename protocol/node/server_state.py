"""What a server does as a whole: it serves, drains or stops."""

from enum import StrEnum

from attrs import frozen


class ServerState(StrEnum):
    """What a server does as a whole."""

    STARTING = "still starting"
    SERVING = "serving"
    DRAINING = "draining"
    """It takes no new publications, and stops when the last one has ended."""
    STOPPING = "shutting down"


@frozen(kw_only=True)
class DrainReport:
    """How far a drain is, or that there is none. `seconds_left`: None for no limit."""

    state: ServerState
    publications: int
    viewers: int
    seconds_left: int | None
    refused: int
    """Publications refused by a drain since the start."""


@frozen(kw_only=True)
class Drained:
    """What a request to drain, or not to, has led to. `changed`: whether it changed anything."""

    changed: bool
    report: DrainReport
