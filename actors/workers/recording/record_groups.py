"""All groups of recordings of the server."""

from collections.abc import Callable, Iterator
from typing import Final

import trio

from actors.node.ports.recorder import GroupExists, NoSuchGroup, NoSuchRecording, RecordingRefused, RecordWish
from actors.runtime.logs import get_logger
from actors.workers.recording.record_group import RecordGroup
from actors.workers.recording.recording import Recording
from actors.workers.recording.recordings import Recordings
from config.settings import Settings

TOO_MANY_GROUPS: Final = "Too many groups of recordings"

log = get_logger("workers")


class RecordGroups:
    """See above. Groups end by `end`, or with the server."""

    def __init__(self, recordings: Recordings, settings: Settings, wall_clock: Callable[[], float]) -> None:
        self._recordings = recordings
        self._settings = settings
        self._wall_clock = wall_clock
        self._groups: dict[str, RecordGroup] = {}
        recordings.end_groups = self.end_all

    def __iter__(self) -> Iterator[RecordGroup]:
        return iter(tuple(self._groups.values()))

    def begin(self, uri: str) -> None:
        """Make a group, without members. Raises GroupExists or RecordingRefused."""
        if uri in self._groups:
            raise GroupExists
        if len(self._groups) >= self._settings.records_max_running:
            raise RecordingRefused(TOO_MANY_GROUPS, "records.max_running")
        self._groups[uri] = RecordGroup(uri, self._recordings.folder, int(self._wall_clock() * 1000))

    def add(self, uri: str, media_session_id: str, start: Callable[[RecordWish], Recording]) -> Recording:
        """Record a publication as a member. Raises NoSuchGroup, GroupExists (it is one), and what `start` raises."""
        group = self._group(uri)
        if media_session_id in group.running:
            raise GroupExists
        wish = RecordWish(template=f"{group.stem}-{{streamName}}", group=uri, hearing=group.hearing)
        recording = group.members[media_session_id] = start(wish)
        return recording

    def remove(self, uri: str, media_session_id: str) -> None:
        """End a member's recording; its file stays in the group. Raises NoSuchGroup or NoSuchRecording."""
        group = self._group(uri)
        if media_session_id not in group.running:
            raise NoSuchRecording
        group.members[media_session_id].finish()

    def end(self, uri: str) -> None:
        """End all its recordings; the JSON comes after their files. Raises NoSuchGroup."""
        group = self._group(uri)
        del self._groups[uri]
        for recording in group.members.values():
            if not recording.is_ending:
                recording.finish()
        self._recordings.finish_later(self._write, group)

    def end_all(self) -> None:
        """The server ends."""
        for uri in tuple(self._groups):
            self.end(uri)

    async def _write(self, group: RecordGroup) -> None:
        for recording in group.members.values():
            await recording.stopped.wait()
        await self._recordings.files.delivered(frozenset(group.members))
        folder = self._recordings.folder
        try:
            await trio.to_thread.run_sync(folder.write, group.file_name, group.listing())
        except OSError as error:
            log.error("group of recordings cannot be listed", file=group.file_name, error=str(error))
        finally:
            folder.release(group.file_name)

    def _group(self, uri: str) -> RecordGroup:
        if uri not in self._groups:
            raise NoSuchGroup
        return self._groups[uri]
