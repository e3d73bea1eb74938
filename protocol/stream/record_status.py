"""What becomes of recordings, as backends are told by the hook `RecordingStatusEvent`."""

from enum import StrEnum

from attrs import frozen


class RecordStatus(StrEnum):
    """STARTED once, when something is written; FINISHED for each file, when it has its final name; FAILED once."""

    STARTED = "STARTED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"


@frozen(kw_only=True)
class RecordNotice:
    """A status. `size` (bytes) and `duration` (milliseconds) are of a finished file; `info` says why it failed."""

    status: RecordStatus
    file_name: str | None = None
    size: int | None = None
    duration: int | None = None
    info: str | None = None
    start: float = 0.0
    """When the first frame of a finished file was taken, in seconds of the plane's clock; 0: not known."""
