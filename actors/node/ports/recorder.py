"""What the web service needs to have publications recorded."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from attrs import frozen

from protocol.node.filters import StreamFilter
from protocol.rest.paging import Found
from protocol.stream.record_names import RecordFacts
from protocol.stream.record_status import RecordNotice
from protocol.stream.rotation import Rotation

TellStatus = Callable[[RecordNotice], None]
"""Tells a backend what becomes of a recording. It never waits and never raises."""


class RecordingRefused(Exception):
    """No recording begins. `info` says why, `setting` names the limit; empty: it is none."""

    def __init__(self, info: str, setting: str = "") -> None:
        super().__init__(f"{info} (setting {setting})" if setting else info)
        self.info = info
        self.setting = setting


class NoSuchPublication(Exception):
    """No publication matches, or none whose media flows."""


class NoSuchGroup(Exception):
    """There is no group of recordings with this URI."""


class GroupExists(Exception):
    """There is a group with this URI, or the publication is a member of it."""


class NoSuchRecording(Exception):
    """The publication is not being recorded."""


@frozen(kw_only=True)
class RecordWish:
    """How REST wants something recorded; None: as the settings say."""

    template: str | None = None
    rotation: Rotation | None = None
    group: str = ""
    """The group that it is for; beside it, and in other groups, the publication may be recorded too."""
    hearing: Callable[[TellStatus, RecordFacts], TellStatus] | None = None
    """What also hears of the files that come."""


@frozen(kw_only=True)
class RecordingDescription:
    """A recording that runs. `file_name` may have elements in braces that are not known yet."""

    media_session_id: str
    file_name: str


@frozen(kw_only=True)
class GroupDescription:
    """A group of recordings, those that run, and the name that its JSON file will have."""

    uri: str
    media_session_ids: Sequence[str]
    file_name: str


class RecordFilesPort(Protocol):
    """The files that come of recordings."""

    @property
    def folder(self) -> Path:
        """Where finished files are."""

    async def until_finished(self, name: str) -> None:
        """Wait for the file of this name, if its recording has just ended."""


class RecorderPort(RecordFilesPort, Protocol):
    """Recordings of publications, which queries choose, and the files that come of them."""

    @property
    def here(self) -> "RecorderPort":
        """The same for this node alone."""

    async def start(self, query: StreamFilter, wish: RecordWish) -> None:
        """Record a publication; a recording of it that runs ends.

        Raises NoSuchPublication, RecordingRefused or NodesSilent.
        """

    async def stop(self, query: StreamFilter) -> None:
        """End a recording; its file appears a moment later.

        Raises NoSuchPublication, NoSuchRecording or NodesSilent.
        """

    async def find_all(self, query: StreamFilter) -> Found[RecordingDescription]:
        """Those that run, of the publications that match."""


class RecordGroupPort(Protocol):
    """Groups of recordings, by their URIs."""

    def begin(self, uri: str) -> None:
        """Make a group. Raises GroupExists or RecordingRefused."""

    async def add(self, uri: str, query: StreamFilter) -> None:
        """Record a publication for a group. Raises NoSuchGroup, GroupExists, NoSuchPublication or RecordingRefused."""

    def remove(self, uri: str, media_session_id: str) -> None:
        """No longer record it. Raises NoSuchGroup or NoSuchRecording."""

    def end(self, uri: str) -> None:
        """End a group; its files appear a moment later. Raises NoSuchGroup."""

    def groups(self) -> Sequence[GroupDescription]:
        """All of them."""
