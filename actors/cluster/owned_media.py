"""Pictures and recordings of publications on any node."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import trio
from attrs import evolve

from actors.cluster.owners import Owners
from actors.node.ports.recorder import (
    NoSuchPublication,
    RecorderPort,
    RecordingDescription,
    RecordingRefused,
    RecordWish,
)
from actors.node.ports.snapshot import SnapshotPort
from protocol.cluster.messages import NodeReply
from protocol.cluster.owner_messages import FindRecordings, OwnerAnswer, StartRecording, StopRecording, TakePicture
from protocol.node.filters import StreamFilter
from protocol.rest.paging import Found
from protocol.stream.pictures import Picture, PictureSpec

PATIENCE: Final = 15.0
"""Seconds that another node may take to begin or end a recording: it has time limits of its own, which are shorter."""
SLACK: Final = 5.0
"""Seconds that a picture of another node may take, beyond `snapshot.timeout`."""
BEGIN_TIMEOUT: Final = 7.0
"""Seconds that a recording for another node may take to begin: less than REST waits there, which then says why."""
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
        try:
            return await self.here.take(query, spec)
        except NoSuchPublication:
            owner = await self._owners.of_stream(query)
        if owner is None:
            raise NoSuchPublication
        ask = TakePicture(filter=query, spec=evolve(spec, max_bytes=min(spec.max_bytes, MOST_BYTES)))
        data, width, height = await self._owners.ask(owner.node_id, ask, timeout=self._timeout() + SLACK)
        return Picture(data=data.encode("ascii"), width=width, height=height)

    async def _serve(self, ask: TakePicture) -> Any:
        picture = await self.here.take(ask.filter, ask.spec)
        return [picture.text, picture.width, picture.height]


class ClusterRecorder:
    """Implements `actors.node.ports.recorder.RecorderPort` for all nodes. The files are on the node that records."""

    def __init__(self, local: RecorderPort, owners: Owners) -> None:
        self.here = local
        self._owners = owners
        owners.serve(StartRecording, self._serve_start)
        owners.serve(StopRecording, self._serve_stop)
        owners.serve_search(FindRecordings, self._serve_find)

    @property
    def folder(self) -> Path:
        return self.here.folder

    async def until_finished(self, name: str) -> None:
        await self.here.until_finished(name)

    async def start(self, query: StreamFilter, wish: RecordWish) -> None:
        """Here, if the publication is here; else by the node that has it."""
        try:
            await self.here.start(query, wish)
        except NoSuchPublication:
            ask = StartRecording(filter=query, template=wish.template, rotation=wish.rotation)
            await self._owners.ask(await self._owner_of(query), ask, timeout=PATIENCE)

    async def stop(self, query: StreamFilter) -> None:
        try:
            await self.here.stop(query)
        except NoSuchPublication:
            await self._owners.ask(await self._owner_of(query), StopRecording(filter=query), timeout=PATIENCE)

    async def find_all(self, query: StreamFilter) -> Found[RecordingDescription]:
        """Those of all nodes; of those that do not answer, none."""
        local = await self.here.find_all(query)
        gathered = await self._owners.search(FindRecordings(filter=query))
        others = [each for reply in gathered.replies for each in _recordings_of(reply)]
        coverage = self._owners.control.coverage(gathered, is_decided=False)
        return Found(total=local.total + len(others), items=(*local.items, *others), coverage=coverage)

    async def _owner_of(self, query: StreamFilter) -> str:
        owner = await self._owners.of_stream(query)
        if owner is None:
            raise NoSuchPublication
        return owner.node_id

    async def _serve_start(self, ask: StartRecording) -> None:
        with trio.move_on_after(BEGIN_TIMEOUT) as waiting:
            await self.here.start(ask.filter, RecordWish(template=ask.template, rotation=ask.rotation))
        if waiting.cancelled_caught:
            raise RecordingRefused("the recording did not begin in time")

    async def _serve_stop(self, ask: StopRecording) -> None:
        await self.here.stop(ask.filter)

    async def _serve_find(self, ask: FindRecordings, blank: NodeReply) -> NodeReply:
        found = (await self.here.find_all(ask.filter)).items
        listed = [[each.media_session_id, each.file_name] for each in found]
        return evolve(blank, count=len(listed), owned=OwnerAnswer(value=listed))


def _recordings_of(reply: NodeReply) -> Sequence[RecordingDescription]:
    listed = [] if reply.owned is None else reply.owned.value or []
    return [RecordingDescription(media_session_id=stream, file_name=name) for stream, name in listed]
