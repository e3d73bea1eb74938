"""What the web service needs to have publications recorded."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from attrs import frozen

from protocol.node.filters import StreamFilter
from protocol.stream.rotation import Rotation


class RecordingRefused(Exception):
    """No recording begins. `info` says why, `setting` names the limit."""

    def __init__(self, info: str, setting: str) -> None:
        super().__init__(f"{info} (setting {setting})")
        self.info = info
        self.setting = setting


class NoSuchPublication(Exception):
    """No publication matches, or none whose media flows."""


class NoSuchRecording(Exception):
    """The publication is not being recorded."""


@frozen(kw_only=True)
class RecordWish:
    """How REST wants something recorded; None: as the settings say."""

    template: str | None = None
    rotation: Rotation | None = None


@frozen(kw_only=True)
class RecordingDescription:
    """A recording that runs. `file_name` may have elements in braces that are not known yet."""

    media_session_id: str
    file_name: str


class RecorderPort(Protocol):
    """Recordings of publications, which queries choose, and the files that come of them."""

    @property
    def folder(self) -> Path:
        """Where finished files are."""

    async def start(self, query: StreamFilter, wish: RecordWish) -> None:
        """Record a publication; a recording of it that runs ends.

        Raises NoSuchPublication or RecordingRefused.
        """

    def stop(self, query: StreamFilter) -> None:
        """End a recording; its file appears a moment later. Raises NoSuchPublication or NoSuchRecording."""

    def find_all(self, query: StreamFilter) -> Sequence[RecordingDescription]:
        """Those that run, of the publications that match."""
