"""Pictures of publications, by the names that these have in the directory."""

import socket
from collections.abc import Callable

import trio
from attrs import frozen

from actors.media.plane import MediaPlane
from actors.media.publication import Publication
from actors.media.tap import Tap
from actors.node.directory import Directory, NotPublished, NotReady, PublishedElsewhere
from actors.node.ports.recorder import NoSuchPublication
from actors.node.ports.snapshot import NoVideo, SnapshotRefused
from actors.node.supervisor import Supervisor
from actors.stream.broadcast import Broadcast
from actors.workers.snapshots.snapshots import SnapshotRequest, Snapshots
from protocol.node.filters import StreamFilter
from protocol.stream.info_texts import StreamInfo
from protocol.stream.pictures import Picture, PictureSpec

NO_VIDEO = "The stream has no video"


@frozen(eq=False, kw_only=True)
class StreamSnapshots:
    """Implements `actors.node.ports.snapshot.SnapshotPort`; pages come here too."""

    snapshots: Snapshots
    directory: Directory[Broadcast]
    plane: MediaPlane
    supervisor: Supervisor

    @property
    def here(self) -> "StreamSnapshots":
        return self

    async def take(self, query: StreamFilter, spec: PictureSpec) -> Picture:
        for stream in self.supervisor.matching(query):
            return await self.of(stream.name, spec)
        raise NoSuchPublication

    async def of(self, name: str, spec: PictureSpec) -> Picture:
        """A picture of what players of this name see. Raises NoSuchPublication or SnapshotRefused."""
        deadline = trio.current_time() + self.snapshots.timeout
        try:
            broadcast = await self.directory.locate(name, timeout=self.snapshots.timeout)
        except (NotPublished, NotReady):
            raise NoSuchPublication from None
        except PublishedElsewhere:
            raise SnapshotRefused(StreamInfo.FAILED_TO_CONNECT_TO_ORIGIN_STREAM) from None
        publication = broadcast.publication
        if publication.video_codec is None:
            raise NoVideo(NO_VIDEO)
        request = SnapshotRequest(
            publication=publication.stream_id,
            publisher=broadcast.publisher,
            open_tap=self._opener(publication),
            spec=spec,
            deadline=deadline,
        )
        return await self.snapshots.take(request)

    def _opener(self, publication: Publication) -> Callable[[socket.socket, Callable[[], None]], Tap]:
        def open_tap(channel: socket.socket, on_end: Callable[[], None]) -> Tap:
            return Tap(publication, self.plane.context, channel, on_end)

        return open_tap
