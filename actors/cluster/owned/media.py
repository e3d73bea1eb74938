"""Pictures and recordings of publications on any node."""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import trio
from attrs import evolve

from actors.cluster.owned.owners import SLACK, Owners
from actors.node.ports.recorder import (
    LocalRecorderPort,
    RecordingDescription,
    RecordingRefused,
    RecordWish,
)
from actors.node.ports.snapshot import SnapshotPort
from protocol.cluster.owner_messages import (
    FindRecordings,
    FinishFile,
    StartRecording,
    StopRecording,
    TakePicture,
)
from protocol.node.filters import StreamFilter
from protocol.rest.paging import Found
from protocol.stream.pictures import Picture, PictureSpec

PATIENCE: Final = 10.0
"""Seconds that another node may take to begin or end a recording: its own time limits are shorter."""
BEGIN_TIMEOUT: Final = 7.0
"""Seconds that a recording for another node may take to begin: less than REST waits there, which then says why."""
UNFINISHED: Final = "unfinished-file"
FINISH_TIMEOUT: Final = 20.0
"""Seconds that another node waits for a file to be finished."""
MOST_BYTES: Final = 4 << 20
"""Of a picture that passes between nodes; a larger one is scaled down."""


class ClusterSnapshots:
    """Implements `actors.node.ports.snapshot.SnapshotPort` for all nodes. `timeout`: `snapshot.timeout`, in seconds."""

    def __init__(self, local: SnapshotPort, owners: Owners, *, timeout: Callable[[], float]) -> None:
        self.here = local
        self._owners, self._timeout = owners, timeout
        owners.serve(TakePicture, self._serve)

    async def take(self, query: StreamFilter, spec: PictureSpec) -> Picture:
        """Here, if the stream is here; else by the node that has it."""
        ask = TakePicture(filter=query, spec=evolve(spec, max_bytes=min(spec.max_bytes, MOST_BYTES)))
        holder = partial(self._owners.holder_of_stream, query)
        taken = await self._owners.anywhere(partial(self.here.take, query, spec), holder, ask, self._timeout())
        if isinstance(taken, Picture):
            return taken
        data, width, height = taken
        return Picture(data=data.encode("ascii"), width=width, height=height)

    async def _serve(self, ask: TakePicture) -> Any:
        picture = await self.here.take(ask.filter, ask.spec)
        return [picture.text, picture.width, picture.height]


class ClusterRecorder:
    """Implements `actors.node.ports.recorder.RecorderPort` for all nodes. The files are on the node that records."""

    def __init__(self, local: LocalRecorderPort, owners: Owners) -> None:
        self.here = local
        self._owners = owners
        owners.serve_holder(UNFINISHED, local.is_finishing)
        owners.serve(FinishFile, self._serve_finish)
        owners.serve(StartRecording, self._serve_start)
        owners.serve(StopRecording, self._serve_stop)
        owners.serve_list(FindRecordings, self._serve_find)

    def paths(self, name: str) -> Sequence[Path]:
        return self.here.paths(name)

    async def until_finished(self, name: str) -> None:
        """Also on another node of this machine; who has made the name up has no other node asked."""
        await self.here.until_finished(name)
        if not await self.here.is_begun_beside(name):
            return
        node = await self._owners.holder(UNFINISHED, name)
        if node is not None:
            await self._owners.ask(node, FinishFile(name=name), timeout=FINISH_TIMEOUT + SLACK)

    async def start(self, query: StreamFilter, wish: RecordWish) -> None:
        """Here, if the publication is here; else by the node that has it."""
        ask = StartRecording(filter=query, template=wish.template, rotation=wish.rotation)
        holder = partial(self._owners.holder_of_stream, query)
        await self._owners.anywhere(partial(self.here.start, query, wish), holder, ask, PATIENCE)

    async def stop(self, query: StreamFilter) -> None:
        holder = partial(self._owners.holder_of_stream, query)
        await self._owners.anywhere(partial(self.here.stop, query), holder, StopRecording(filter=query), PATIENCE)

    async def find_all(self, query: StreamFilter) -> Found[RecordingDescription]:
        """Those of all nodes; of those that do not answer, none."""
        here = await self.here.find_all(query)
        return await self._owners.found_by_all(here, FindRecordings(filter=query), _recording)

    async def _serve_finish(self, ask: FinishFile) -> None:
        with trio.move_on_after(FINISH_TIMEOUT):
            await self.here.until_finished(ask.name)

    async def _serve_start(self, ask: StartRecording) -> None:
        with trio.move_on_after(BEGIN_TIMEOUT) as waiting:
            await self.here.start(ask.filter, RecordWish(template=ask.template, rotation=ask.rotation))
        if waiting.cancelled_caught:
            raise RecordingRefused("the recording did not begin in time")

    async def _serve_stop(self, ask: StopRecording) -> None:
        await self.here.stop(ask.filter)

    async def _serve_find(self, ask: FindRecordings) -> Iterable[Any]:
        return ([each.media_session_id, each.file_name] for each in (await self.here.find_all(ask.filter)).items)


def _recording(told: Any) -> RecordingDescription:
    stream, name = told
    return RecordingDescription(media_session_id=stream, file_name=name)
