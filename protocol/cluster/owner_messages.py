"""What is done by the one node that has what is meant: a publication to be recorded, a call to be ended.

A node that is asked by REST does it itself if it can; else it finds out who has it (`FindStreams`, `FindCalls`), and
asks that node alone, until it answers. To add a request: a class here, its name in OWNER_KINDS, and who carries it out
(`actors.cluster.owned.owners.Owners.serve`).
"""

from enum import StrEnum
from typing import Any, Final

from attrs import field, frozen

from protocol.calls.filters import CallFilter
from protocol.capture.uri import CaptureScheme
from protocol.cluster.ends import End
from protocol.node.filters import StreamFilter
from protocol.rest.resources.pushes import PushOrder, PushSearch, PushSound
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


@frozen(kw_only=True)
class InjectStream:
    """Have the phone of a call hear a publication, of whichever node."""

    filter: CallFilter
    stream: StreamFilter


@frozen(kw_only=True)
class InjectSound:
    """Have the phone of a call hear a file."""

    filter: CallFilter
    file: str


@frozen(kw_only=True)
class StopInjection:
    """Have the phone of a call hear its page again."""

    filter: CallFilter


@frozen(kw_only=True)
class CloseWhip:
    """End what a client has begun by HTTP. `token`: the digest of its token, as hexadecimal digits."""

    location: str = field(repr=False)
    token: str = field(repr=False)


@frozen(kw_only=True)
class KeepCapture:
    """Have a capture that players have begun go on without them."""

    uri: str = field(repr=False)
    name: str = field(repr=False)


@frozen(kw_only=True)
class EndCapture:
    """End the capture of a URI."""

    uri: str = field(repr=False)
    schemes: frozenset[CaptureScheme]
    end: End


@frozen(kw_only=True)
class StartPush:
    """Push a publication. The answer is a description of the push."""

    filter: StreamFilter
    order: PushOrder


class PushChange(StrEnum):
    """What is to become of a push that runs."""

    STOP = "stop"
    MUTE = "mute"
    UNMUTE = "unmute"
    SOUND_OFF = "sound-off"


@frozen(kw_only=True)
class ChangePush:
    """Change a push, or end it."""

    filter: StreamFilter
    push: str
    change: PushChange


@frozen(kw_only=True)
class PlayInPush:
    """Have a file heard in a push."""

    filter: StreamFilter
    push: str
    sound: PushSound


@frozen(kw_only=True)
class AddToGroup:
    """Record a publication for a group, on whichever node it is."""

    uri: str
    filter: StreamFilter


@frozen(kw_only=True)
class JoinGroup:
    """Record a publication of the asked node for a group of the asking one; `stem`: what its files begin with."""

    uri: str
    stem: str
    filter: StreamFilter


@frozen(kw_only=True)
class LeaveGroup:
    """No longer record it. Without `stem`, the asked node is that of the group."""

    uri: str
    stem: str
    media_session_id: str


@frozen(kw_only=True)
class EndGroup:
    """End a group of the asked node."""

    uri: str


@frozen(kw_only=True)
class EndPart:
    """End what is recorded for a group of another node (no `stem`: for all of the URI). The answer is its files."""

    uri: str
    stem: str


@frozen(kw_only=True)
class FinishFile:
    """Answer when the recording with this name is finished."""

    name: str


@frozen(kw_only=True)
class RecallAnswer:
    """What the asked node has answered to the request of REST with this key: `[status, headers, base64]`, or null.

    `place`: the digest of the key and of whose it is; `fingerprint`: of the request. Both as hexadecimal digits.
    """

    place: str
    fingerprint: str


OwnerAsk = (
    TakePicture
    | StartRecording
    | StopRecording
    | EndCalls
    | SendDigits
    | InjectStream
    | InjectSound
    | StopInjection
    | CloseWhip
    | KeepCapture
    | EndCapture
    | StartPush
    | ChangePush
    | PlayInPush
    | AddToGroup
    | JoinGroup
    | LeaveGroup
    | EndGroup
    | EndPart
    | FinishFile
    | RecallAnswer
)
OWNER_KINDS: Final[dict[str, type[OwnerAsk]]] = {
    "take-picture": TakePicture,
    "start-recording": StartRecording,
    "stop-recording": StopRecording,
    "end-calls": EndCalls,
    "send-digits": SendDigits,
    "inject-stream": InjectStream,
    "inject-sound": InjectSound,
    "stop-injection": StopInjection,
    "close-whip": CloseWhip,
    "keep-capture": KeepCapture,
    "end-capture": EndCapture,
    "start-push": StartPush,
    "change-push": ChangePush,
    "play-in-push": PlayInPush,
    "add-to-group": AddToGroup,
    "join-group": JoinGroup,
    "leave-group": LeaveGroup,
    "end-group": EndGroup,
    "end-part": EndPart,
    "finish-file": FinishFile,
    "recall-answer": RecallAnswer,
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


@frozen(kw_only=True)
class FindRegistrations:
    """The registrations at SIP servers. The answer is a list of descriptions."""


@frozen(kw_only=True)
class FindCaptures:
    """The captures that run of sources with one of these schemes. The answer is a list of descriptions."""

    schemes: frozenset[CaptureScheme]


@frozen(kw_only=True)
class FindPushes:
    """The pushes that run and match, of the publications that match. The answer is a list of descriptions."""

    filter: StreamFilter
    search: PushSearch


@frozen(kw_only=True)
class FindGroups:
    """The groups of recordings, and the parts of other nodes' groups. The answer is a list of descriptions."""


@frozen(kw_only=True)
class FindHolder:
    """Who has the one thing of this kind and name."""

    kind: str
    key: str = field(repr=False)


SearchAsk = FindRecordings | FindCalls | FindRegistrations | FindCaptures | FindPushes | FindGroups | FindHolder
SEARCH_KINDS: Final[dict[str, type[SearchAsk]]] = {
    "find-recordings": FindRecordings,
    "find-calls": FindCalls,
    "find-registrations": FindRegistrations,
    "find-captures": FindCaptures,
    "find-pushes": FindPushes,
    "find-groups": FindGroups,
    "find-holder": FindHolder,
}


@frozen(kw_only=True)
class OwnerAnswer:
    """What came of it: `value`, or why it was refused."""

    value: Any = field(default=None, repr=False)
    refusal: str = ""
    """Which; empty: none. See `actors.cluster.owned.refusals`."""
    info: str = ""
    setting: str | None = None
    detail: str = field(default="", repr=False)
