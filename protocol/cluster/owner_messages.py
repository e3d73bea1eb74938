"""What is done by the one node that has what is meant: a publication to be recorded, a call to be ended.

A node that is asked by REST does it itself if it can; else it finds out who has it (`FindStreams`, `FindCalls`), and
asks that node alone, until it answers. To add a request: a class here, its name in OWNER_KINDS, and who carries it out
(`actors.cluster.owners.Owners.serve`).
"""

from typing import Any, Final

from attrs import field, frozen

from protocol.calls.filters import CallFilter
from protocol.cluster.ends import End
from protocol.node.filters import StreamFilter
from protocol.stream.pictures import PictureSpec
from protocol.stream.rotation import Rotation


@frozen(kw_only=True)
class TakePicture:
    """A picture of a stream. The answer is `[base64, width, height]`."""

    filter: StreamFilter
    spec: PictureSpec


@frozen(kw_only=True)
class StartRecording:
    """Record a publication."""

    filter: StreamFilter
    template: str | None
    rotation: Rotation | None


@frozen(kw_only=True)
class StopRecording:
    """End the recording of a publication."""

    filter: StreamFilter


@frozen(kw_only=True)
class EndCalls:
    """End the calls that match. The answer is how many."""

    filter: CallFilter
    end: End
    wait: float
    """Seconds for them to end."""


@frozen(kw_only=True)
class SendDigits:
    """Send digits to the phone of a call."""

    filter: CallFilter
    digits: str = field(repr=False)
    kind: str


OwnerAsk = TakePicture | StartRecording | StopRecording | EndCalls | SendDigits
OWNER_KINDS: Final[dict[str, type[OwnerAsk]]] = {
    "take-picture": TakePicture,
    "start-recording": StartRecording,
    "stop-recording": StopRecording,
    "end-calls": EndCalls,
    "send-digits": SendDigits,
}


# -- what all nodes are asked ------------------------------------------------------------------------------------------


@frozen(kw_only=True)
class FindRecordings:
    """The recordings that run of the publications that match. The answer is a list of `[id, name of the file]`."""

    filter: StreamFilter


@frozen(kw_only=True)
class FindCalls:
    """How many calls match, and the first of them."""

    filter: CallFilter
    limit: int


SearchAsk = FindRecordings | FindCalls
SEARCH_KINDS: Final[dict[str, type[SearchAsk]]] = {"find-recordings": FindRecordings, "find-calls": FindCalls}


@frozen(kw_only=True)
class OwnerAnswer:
    """What came of it: `value`, or why it was refused."""

    value: Any = field(default=None, repr=False)
    refusal: str = ""
    """Which; empty: none. See `actors.cluster.refusals`."""
    info: str = ""
    setting: str | None = None
