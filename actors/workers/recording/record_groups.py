"""All groups of recordings of the server, and its parts of those of other nodes."""

import math
from collections.abc import Callable, Sequence
from typing import Final

import trio

from actors.node.ports.recorder import (
    GroupDescription,
    GroupedFile,
    GroupExists,
    NoSuchGroup,
    NoSuchRecording,
    RecordingRefused,
)
from actors.runtime.logs import get_logger
from actors.runtime.loop_clock import real_time
from actors.workers.processes.worker import FINISH_TIMEOUT
from actors.workers.recording.record_group import GroupPart, RecordGroup, Start
from actors.workers.recording.recording import Recording
from actors.workers.recording.recordings import Recordings
from config.settings import Settings

TOO_MANY_GROUPS: Final = "Too many groups of recordings"
LAST_PATIENCE: Final = FINISH_TIMEOUT / 2
"""Seconds that other nodes may take to tell their files of a group once the server ends."""

log = get_logger("workers")


class RecordGroups:
    """See above. Groups end by `end`, or with the server."""

    def __init__(self, recordings: Recordings, settings: Settings, wall_clock: Callable[[], float]) -> None:
        self._recordings = recordings
        self._settings = settings
        self._wall_clock = wall_clock
        self._groups: dict[str, RecordGroup] = {}
        self._parts: dict[tuple[str, str], GroupPart] = {}
        self._collecting: set[trio.CancelScope] = set()
        self._patience = math.inf
        """Until when other nodes may tell their files."""
        recordings.end_groups = self.end_all

    def has(self, uri: str) -> bool:
        """Whether there is a group of this server with this URI."""
        return uri in self._groups

    def described(self) -> Sequence[GroupDescription]:
        """All groups of this server."""
        return [group.describe() for group in self._groups.values()]

    def begin(self, uri: str) -> None:
        """Make a group, without members. Raises GroupExists or RecordingRefused."""
        if uri in self._groups:
            raise GroupExists
        if len(self._groups) >= self._settings.records_max_running:
            raise RecordingRefused(TOO_MANY_GROUPS, "records.max_running")
        start = int(self._wall_clock() * 1000)
        self._groups[uri] = RecordGroup(uri, self._recordings.folder, start, self._ahead())

    def add(self, uri: str, media_session_id: str, start: Start) -> Recording:
        """Record a publication as a member. Raises NoSuchGroup, GroupExists (it is one), and what `start` raises."""
        return self.group(uri).add(media_session_id, start)

    def remove(self, uri: str, media_session_id: str) -> None:
        """End a member's recording; its file stays in the group. Raises NoSuchGroup or NoSuchRecording."""
        self.group(uri).remove(media_session_id)

    def end(self, uri: str) -> None:
        """End all its recordings; the JSON comes after their files. Raises NoSuchGroup."""
        group = self.group(uri)
        del self._groups[uri]
        group.finish()
        self._recordings.finish_later(self._write, group)

    def end_all(self) -> None:
        """The server ends: it waits no longer for other nodes than for its own files."""
        self._patience = trio.current_time() + LAST_PATIENCE
        for waiting in self._collecting:
            waiting.deadline = self._patience
        for uri in tuple(self._groups):
            self.end(uri)

    def group(self, uri: str) -> RecordGroup:
        """Raises NoSuchGroup."""
        if uri not in self._groups:
            raise NoSuchGroup
        return self._groups[uri]

    # -- parts of other nodes' groups ------------------------------------------------------------------------------

    def parts(self) -> Sequence[GroupDescription]:
        """What is recorded here for groups of other nodes."""
        return [part.describe() for part in self._parts.values()]

    def join(self, uri: str, stem: str, media_session_id: str, start: Start) -> Recording:
        """As `add`, for another node's group, whose files begin with `stem`."""
        part = self._parts.get((uri, stem)) or GroupPart(uri, stem, self._ahead())
        recording = part.add(media_session_id, start)
        self._forget_abandoned()
        self._parts[uri, stem] = part
        return recording

    def leave(self, uri: str, stem: str, media_session_id: str) -> None:
        """As `remove`. Raises NoSuchRecording."""
        part = self._parts.get((uri, stem))
        if part is None:
            raise NoSuchRecording
        part.remove(media_session_id)

    async def end_part(self, uri: str, stem: str) -> Sequence[GroupedFile]:
        """End all that is recorded here for another node's group; its files, when they are finished.

        No `stem`: for all groups of this URI that other nodes have had.
        """
        keys = [key for key in self._parts if key[0] == uri and stem in (key[1], "")]
        parts = [self._parts.pop(key) for key in keys]
        for part in parts:
            part.finish()
        for part in parts:
            await part.until_finished(self._recordings.files.delivered)
        return [file for part in parts for file in part.files]

    # -- inside ----------------------------------------------------------------------------------------------------

    async def _write(self, group: RecordGroup) -> None:
        others: list[GroupedFile] = []

        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._collect, group, others)
            await group.until_finished(self._recordings.files.delivered)
        folder = self._recordings.folder
        try:
            await trio.to_thread.run_sync(folder.write, group.file_name, group.listing(others))
        except OSError as error:
            log.error("group of recordings cannot be listed", file=group.file_name, error=str(error))
        finally:
            folder.release(group.file_name)

    async def _collect(self, group: RecordGroup, others: list[GroupedFile]) -> None:
        with trio.CancelScope(deadline=self._patience) as waiting:
            self._collecting.add(waiting)
            try:
                await group.collect(others)
            finally:
                self._collecting.discard(waiting)
        if waiting.cancelled_caught:
            log.warning("files of a group are not all listed: the server ends", group=group.uri)

    def _ahead(self) -> float:
        return self._wall_clock() - real_time()

    def _forget_abandoned(self) -> None:
        """Parts whose group ended with its node, beyond as many as may run."""
        while len(self._parts) >= self._settings.records_max_running:
            over = next((key for key, part in self._parts.items() if not part.running), None)
            if over is None:
                return
            del self._parts[over]
