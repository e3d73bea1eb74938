"""Refusals that cross from one node to another: what is raised there is raised here again."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from attrs import asdict

from actors.node.ports.call_control import DigitsNotSent, NoSuchCall
from actors.node.ports.call_order import NothingToInject, NotInjected
from actors.node.ports.capture import AlreadyCaptured, AmbiguousCapture, CaptureFailed, NoSuchCapture
from actors.node.ports.push import AlreadyPushed, NoSuchPush, NoSuchSound, NothingToPush, PushRefused, UnusableTarget
from actors.node.ports.recorder import GroupExists, NoSuchGroup, NoSuchPublication, NoSuchRecording, RecordingRefused
from actors.node.ports.refusals import NodesSilent, OtherRefusal
from actors.node.ports.snapshot import NotInTime, NotShown, NoVideo, SnapshotRefused
from protocol.cluster.owner_messages import OwnerAnswer
from protocol.node.coverage import Coverage
from protocol.rest.errors import RestError

Build = Callable[[OwnerAnswer], Exception]

_REFUSALS: Final[Mapping[str, tuple[type[Exception], Build]]] = {
    "no-publication": (NoSuchPublication, lambda told: NoSuchPublication()),
    "no-recording": (NoSuchRecording, lambda told: NoSuchRecording()),
    "no-group": (NoSuchGroup, lambda told: NoSuchGroup()),
    "group": (GroupExists, lambda told: GroupExists()),
    "recording": (RecordingRefused, lambda told: RecordingRefused(told.info, told.setting or "")),
    "no-video": (NoVideo, lambda told: NoVideo(told.info, told.setting)),
    "not-shown": (NotShown, lambda told: NotShown(told.info, told.setting)),
    "not-in-time": (NotInTime, lambda told: NotInTime(told.info, told.setting)),
    "picture": (SnapshotRefused, lambda told: SnapshotRefused(told.info, told.setting)),
    "no-call": (NoSuchCall, lambda told: NoSuchCall()),
    "nothing-to-inject": (NothingToInject, lambda told: NothingToInject(told.info)),
    "not-injected": (NotInjected, lambda told: NotInjected(told.info)),
    "digits": (DigitsNotSent, lambda told: DigitsNotSent(told.info)),
    "no-capture": (NoSuchCapture, lambda told: NoSuchCapture()),
    "captured": (AlreadyCaptured, lambda told: AlreadyCaptured(told.detail)),
    "captures": (AmbiguousCapture, lambda told: AmbiguousCapture(())),
    "capture": (CaptureFailed, lambda told: CaptureFailed(told.info, told.detail)),
    "no-push": (NoSuchPush, lambda told: NoSuchPush()),
    "nothing-to-push": (NothingToPush, lambda told: NothingToPush()),
    "pushed": (AlreadyPushed, lambda told: AlreadyPushed()),
    "no-sound": (NoSuchSound, lambda told: NoSuchSound()),
    "target": (UnusableTarget, lambda told: UnusableTarget(told.info)),
    "push": (PushRefused, lambda told: PushRefused(told.info, told.setting or "")),
    "rest": (RestError, lambda told: RestError(told.value, told.info, key=told.detail or None, setting=told.setting)),
    "silent": (
        NodesSilent,
        lambda told: NodesSilent(_coverage(told.value)),
    ),
}
"""By the name that passes between nodes."""
REFUSED: Final[tuple[type[Exception], ...]] = (*(kind for kind, _ in _REFUSALS.values()), OtherRefusal)
"""What `error_of` may give."""


def refusal_of(error: Exception) -> OwnerAnswer | None:
    """How a refusal is told; None: it is none, but a defect."""
    for name, (kind, _) in _REFUSALS.items():
        if type(error) is kind:
            return OwnerAnswer(
                refusal=name,
                info=getattr(error, "info", "") or str(error),
                setting=getattr(error, "setting", None),
                detail=getattr(error, "detail", "") or getattr(error, "key", None) or "",
                value=_value_of(error),
            )
    return None


def _coverage(fields: Any) -> Coverage:
    return Coverage(**{**fields, "silent": tuple(fields["silent"])})


def _value_of(error: Exception) -> Any:
    match error:
        case RestError():
            return int(error.status_hint)
        case NodesSilent():
            return asdict(error.coverage)
    return None


def error_of(answer: OwnerAnswer) -> Exception | None:
    """What is raised here; None: it was not refused. One that a newer version has told says so."""
    if not answer.refusal:
        return None
    known = _REFUSALS.get(answer.refusal)
    return OtherRefusal(answer.info or answer.refusal, answer.setting) if known is None else known[1](answer)
