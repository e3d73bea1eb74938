"""What the web service needs to have publications recorded."""

from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Protocol

from attrs import frozen

from actors.node.ports.refusals import NotHere
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


class NoSuchPublication(NotHere):
    """No publication matches, or none whose media flows."""


class NoSuchGroup(NotHere):
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
    """A group of recordings, those that run, and the name that its JSON file will have.

    Empty: the group was begun on another node, which writes the file.
    """

    uri: str
    media_session_ids: Sequence[str]
    file_name: str


@frozen(kw_only=True)
class GroupedFile:
    """A finished file of a group. `start` in seconds since the epoch, 0: not known; `duration` in milliseconds."""

    file_name: str
    media_session_id: str
    name: str
    """Of the stream."""
    start: float
    duration: int | None
    size: int | None


class RecordFilesPort(Protocol):
    """The files that come of recordings."""

    def paths(self, name: str) -> Sequence[Path]:
        """Where a finished file of this name would be: on this node, and on the others of this machine.

        It looks at the disk, and is for a thread.
        """

    async def until_finished(self, name: str) -> None:
        """Wait for the file of this name, if its recording has just ended. Raises NodesSilent."""


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
    """Groups of recordings, by their URIs. What acts on them raises NodesSilent, too: see `NotHere`."""

    async def begin(self, uri: str) -> None:
        """Make a group. Raises GroupExists or RecordingRefused."""

    async def add(self, uri: str, query: StreamFilter) -> None:
        """Record a publication for a group. Raises NoSuchGroup, GroupExists, NoSuchPublication or RecordingRefused."""

    async def remove(self, uri: str, media_session_id: str) -> None:
        """No longer record it. Raises NoSuchGroup or NoSuchRecording."""

    async def end(self, uri: str) -> None:
        """End a group; its files appear a moment later. Raises NoSuchGroup."""

    async def groups(self) -> Found[GroupDescription]:
        """All of them."""


CollectFiles = Callable[[list[GroupedFile]], Awaitable[None]]
"""Ends what is recorded for a group elsewhere, and adds the files to the list as they are finished."""


class LocalRecordGroupPort(RecordGroupPort, Protocol):
    """Those of one node, and its parts of groups that were begun on other nodes.

    The node of a group knows which others have parts of it, and lists their files with its own.
    """

    def has(self, uri: str) -> bool:
        """Whether the group was begun here."""

    def share(self, uri: str, collect: CollectFiles) -> str:
        """Another node has a part of it; the text that all its files begin with. Raises NoSuchGroup."""

    async def join(self, uri: str, stem: str, query: StreamFilter) -> None:
        """Record a publication for another node's group. Raises GroupExists, NoSuchPublication or RecordingRefused."""

    async def leave(self, uri: str, stem: str, media_session_id: str) -> None:
        """No longer record it. Raises NoSuchRecording."""

    async def end_part(self, uri: str, stem: str) -> Sequence[GroupedFile]:
        """End all that is recorded here for another node's group; its files, when they are finished.

        No `stem`: for all groups of this URI that other nodes have had.
        """

    def parts(self) -> Sequence[GroupDescription]:
        """What is recorded here for groups of other nodes."""


class LocalRecorderPort(RecorderPort, Protocol):
    """Those of one node, and what other nodes ask of it."""

    def is_finishing(self, name: str) -> bool:
        """Whether a file of this name is being finished here."""

    async def is_begun_beside(self, name: str) -> bool:
        """Whether another node of this machine has a file that may get this name."""
