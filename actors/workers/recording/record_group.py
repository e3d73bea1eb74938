"""Recordings that belong together, as WCS's multi-recorder has them: each publication in its own files.

When the group ends, a JSON file beside them tells which there are, and when each begins. All are on the plane's clock,
which each publisher's own is aligned to by its sender reports. In a cluster, nodes have parts of a group: publications
are recorded where they are, and the node of the group lists the files of all, by the clocks of the machines.
"""

import json
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Final

from actors.node.ports.recorder import (
    CollectFiles,
    GroupDescription,
    GroupedFile,
    GroupExists,
    NoSuchRecording,
    RecordWish,
    TellStatus,
)
from actors.workers.recording.record_folder import RecordFolder
from actors.workers.recording.recording import Recording
from protocol.stream.record_names import RecordFacts, file_stem
from protocol.stream.record_status import RecordNotice, RecordStatus

JSON: Final = ".json"
Start = Callable[[RecordWish], Recording]


class GroupPart:
    """What one node records for a group. `ahead`: seconds of the machine's clock before the plane's."""

    def __init__(self, uri: str, stem: str, ahead: float) -> None:
        self.uri, self.stem = uri, stem
        self.file_name = ""
        self.members: dict[str, Recording] = {}
        """By the publications' ids; those that run, and those that have ended."""
        self.files: list[GroupedFile] = []
        self._ahead = ahead

    @property
    def running(self) -> list[str]:
        """The publications that are being recorded."""
        return [id_ for id_, recording in self.members.items() if not recording.is_ending]

    def describe(self) -> GroupDescription:
        """As REST sees it."""
        return GroupDescription(uri=self.uri, media_session_ids=self.running, file_name=self.file_name)

    def add(self, media_session_id: str, start: Start) -> Recording:
        """Record a publication as a member. Raises GroupExists (it is one), and what `start` raises."""
        if media_session_id in self.running:
            raise GroupExists
        wish = RecordWish(template=f"{self.stem}-{{streamName}}", group=self.uri, hearing=self._hearing)
        recording = self.members[media_session_id] = start(wish)
        return recording

    def remove(self, media_session_id: str) -> None:
        """End a member's recording; its file stays in the group. Raises NoSuchRecording."""
        if media_session_id not in self.running:
            raise NoSuchRecording
        self.members[media_session_id].finish()

    def finish(self) -> None:
        """End all its recordings."""
        for recording in self.members.values():
            if not recording.is_ending:
                recording.finish()

    async def until_finished(self, delivered: Callable[[frozenset[str]], Awaitable[None]]) -> None:
        """Wait for their files. `delivered` waits for those of some publications."""
        for recording in self.members.values():
            await recording.stopped.wait()
        await delivered(frozenset(self.members))

    def _hearing(self, tell: TellStatus, facts: RecordFacts) -> TellStatus:
        """`tell`, which also notes the files of a member."""

        def heard(notice: RecordNotice) -> None:
            if notice.status is RecordStatus.FINISHED:
                self.files.append(self._grouped(notice, facts))
            tell(notice)

        return heard

    def _grouped(self, notice: RecordNotice, facts: RecordFacts) -> GroupedFile:
        return GroupedFile(
            file_name=notice.file_name or "",
            media_session_id=facts.media_session_id,
            name=facts.stream_name,
            start=notice.start + self._ahead if notice.start else 0.0,
            duration=notice.duration,
            size=notice.size,
        )


class RecordGroup(GroupPart):
    """See above. `start` in milliseconds since the epoch."""

    def __init__(self, uri: str, folder: RecordFolder, start: int, ahead: float) -> None:
        super().__init__(uri, file_stem("{streamName}", _named(uri, start)), ahead)
        self.file_name = folder.reserve(self.stem, JSON)
        self.collect: CollectFiles = _nothing_else
        """Gives the files of the other nodes."""
        self._start = start

    def listing(self, others: Iterable[GroupedFile]) -> bytes:
        """The JSON: `offset` and `duration` in milliseconds, the first file has offset 0; null: not known."""
        files = sorted((*self.files, *others), key=lambda each: each.start)
        first = min((each.start for each in files if each.start), default=0.0)
        content = {
            "uri": self.uri,
            "startTime": self._start,
            "files": [_entry(each, first) for each in files],
        }
        return json.dumps(content, indent=2).encode() + b"\n"


def _entry(file: GroupedFile, first: float) -> dict[str, Any]:
    return {
        "fileName": file.file_name,
        "mediaSessionId": file.media_session_id,
        "name": file.name,
        "offset": round((file.start - first) * 1000) if file.start else None,
        "duration": file.duration,
        "size": file.size,
    }


async def _nothing_else(files: list[GroupedFile]) -> None:
    """There are no other nodes."""


def _named(uri: str, start: int) -> RecordFacts:
    return RecordFacts(
        stream_name=uri, media_session_id="group", session_id="", start=start, audio_codec=None, video_codec=None
    )
