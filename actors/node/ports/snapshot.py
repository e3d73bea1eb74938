"""What the web service needs to take pictures of publications."""

from typing import Protocol

from protocol.node.filters import StreamFilter
from protocol.stream.pictures import Picture, PictureSpec


class SnapshotRefused(Exception):
    """No picture is taken. `info` says why to people; `setting` names the limit, if it is one."""

    def __init__(self, info: str, setting: str | None = None) -> None:
        super().__init__(info if setting is None else f"{info} (setting {setting})")
        self.info = info
        self.setting = setting


class NoVideo(SnapshotRefused):
    """The publication has no video."""


class NotShown(SnapshotRefused):
    """What the publisher sends is nothing that a picture can be made of."""


class NotInTime(SnapshotRefused):
    """No key frame came, or no process had time for it."""


class SnapshotPort(Protocol):
    """Pictures of publications."""

    @property
    def here(self) -> "SnapshotPort":
        """The same for this node alone."""

    async def take(self, query: StreamFilter, spec: PictureSpec) -> Picture:
        """A picture of what a stream shows, or its players see, that the query chooses by its name or id.

        Raises NoSuchPublication, SnapshotRefused or NodesSilent.
        """
