"""Refusals that cross from one node to another: what is raised there is raised here again."""

from collections.abc import Callable, Mapping
from typing import Final

from actors.node.other_refusal import OtherRefusal
from actors.node.ports.call_control import DigitsNotSent, NoSuchCall
from actors.node.ports.recorder import NoSuchPublication, NoSuchRecording, RecordingRefused
from actors.node.ports.snapshot import NotInTime, NotShown, NoVideo, SnapshotRefused
from protocol.cluster.owner_messages import OwnerAnswer

Build = Callable[[OwnerAnswer], Exception]

_REFUSALS: Final[Mapping[str, tuple[type[Exception], Build]]] = {
    "no-publication": (NoSuchPublication, lambda told: NoSuchPublication()),
    "no-recording": (NoSuchRecording, lambda told: NoSuchRecording()),
    "recording": (RecordingRefused, lambda told: RecordingRefused(told.info, told.setting or "")),
    "no-video": (NoVideo, lambda told: NoVideo(told.info, told.setting)),
    "not-shown": (NotShown, lambda told: NotShown(told.info, told.setting)),
    "not-in-time": (NotInTime, lambda told: NotInTime(told.info, told.setting)),
    "picture": (SnapshotRefused, lambda told: SnapshotRefused(told.info, told.setting)),
    "no-call": (NoSuchCall, lambda told: NoSuchCall()),
    "digits": (DigitsNotSent, lambda told: DigitsNotSent(told.info)),
}
"""By the name that passes between nodes."""


def refusal_of(error: Exception) -> OwnerAnswer | None:
    """How a refusal is told; None: it is none, but a defect."""
    for name, (kind, _) in _REFUSALS.items():
        if type(error) is kind:
            return OwnerAnswer(refusal=name, info=getattr(error, "info", ""), setting=getattr(error, "setting", None))
    return None


def error_of(answer: OwnerAnswer) -> Exception | None:
    """What is raised here; None: it was not refused. One that a newer version has told says so."""
    if not answer.refusal:
        return None
    known = _REFUSALS.get(answer.refusal)
    return OtherRefusal(answer.info or answer.refusal, answer.setting) if known is None else known[1](answer)
