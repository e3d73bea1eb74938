"""Recording for REST: publications of this node are chosen, recorded and no longer recorded."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import trio
from attrs import evolve

from actors.node.ports.recorder import (
    CollectFiles,
    GroupDescription,
    GroupedFile,
    NoSuchPublication,
    NoSuchRecording,
    RecordingDescription,
    RecordWish,
)
from actors.node.supervisor import Supervisor
from actors.stream.published import PublishedStream
from actors.workers.recording.record_groups import RecordGroups
from actors.workers.recording.recording import Recording
from actors.workers.recording.recordings import Recordings
from protocol.node.filters import StreamFilter
from protocol.rest.paging import Found


class StreamRecorder:
    """Implements `RecorderPort` and `RecordGroupPort`. Queries that choose one publication name its id."""

    def __init__(self, supervisor: Supervisor, recordings: Recordings, groups: RecordGroups) -> None:
        self._supervisor = supervisor
        self._recordings = recordings
        self._groups = groups

    @property
    def here(self) -> "StreamRecorder":
        return self

    def paths(self, name: str) -> Sequence[Path]:
        folder = self._recordings.folder
        return [each / name for each in (folder.path, *folder.beside())]

    def is_finishing(self, name: str) -> bool:
        return self._recordings.is_finishing(name)

    async def is_begun_beside(self, name: str) -> bool:
        folder = self._recordings.folder
        return folder.has_others and await trio.to_thread.run_sync(folder.is_begun_beside, name)

    async def until_finished(self, name: str) -> None:
        await self._recordings.until_finished(name)

    async def start(self, query: StreamFilter, wish: RecordWish) -> None:
        await until_begun(self._published(query).record(wish))

    async def stop(self, query: StreamFilter) -> None:
        recording = self._recordings.of(self._published(query).media_session_id)
        if recording is None:
            raise NoSuchRecording
        recording.finish()

    async def find_all(self, query: StreamFilter) -> Found[RecordingDescription]:
        items = tuple(
            RecordingDescription(media_session_id=recording.facts.media_session_id, file_name=recording.running_name)
            for recording in self._recordings
            if any(self._matching(query, (recording.facts.media_session_id,)))
        )
        return Found(total=len(items), items=items)

    # -- groups --------------------------------------------------------------------------------------------------

    async def begin(self, uri: str) -> None:
        self._groups.begin(uri)

    async def add(self, uri: str, query: StreamFilter) -> None:
        stream = self._published(query)
        await until_begun(self._groups.add(uri, stream.media_session_id, stream.record))

    async def remove(self, uri: str, media_session_id: str) -> None:
        self._groups.remove(uri, media_session_id)

    async def end(self, uri: str) -> None:
        self._groups.end(uri)

    async def groups(self) -> Found[GroupDescription]:
        found = tuple(self._groups.described())
        return Found(total=len(found), items=found)

    # -- for groups of other nodes -------------------------------------------------------------------------------

    def has(self, uri: str) -> bool:
        return self._groups.has(uri)

    def share(self, uri: str, collect: CollectFiles) -> str:
        group = self._groups.group(uri)
        group.collect = collect
        return group.stem

    async def join(self, uri: str, stem: str, query: StreamFilter) -> None:
        stream = self._published(query)
        await until_begun(self._groups.join(uri, stem, stream.media_session_id, stream.record))

    async def leave(self, uri: str, stem: str, media_session_id: str) -> None:
        self._groups.leave(uri, stem, media_session_id)

    async def end_part(self, uri: str, stem: str) -> Sequence[GroupedFile]:
        return await self._groups.end_part(uri, stem)

    def parts(self) -> Sequence[GroupDescription]:
        return self._groups.parts()

    def _published(self, query: StreamFilter) -> PublishedStream:
        for stream in self._matching(query, query.media_session_ids or ()):
            if stream.is_live:
                return stream
        raise NoSuchPublication

    def _matching(self, query: StreamFilter, ids: Iterable[str]) -> Iterator[PublishedStream]:
        chosen = evolve(query, media_session_ids=frozenset(ids))
        return (stream for stream in self._supervisor.matching(chosen) if isinstance(stream, PublishedStream))


async def until_begun(recording: Recording) -> None:
    """Wait until it runs; who gives up waiting does not want it any more. Raises RecordingRefused."""
    try:
        await recording.started.wait()
    except trio.Cancelled:
        recording.finish()
        raise
    if recording.refusal is not None:
        raise recording.refusal
