"""A captured stream: a published stream whose media a worker brings in from a source, and whose owner is the server."""

from typing import Final, Protocol

from actors.media.events import Post
from actors.node.directory import NameInUse, NameUnavailable
from actors.runtime.actor import StopReason
from actors.stream.broadcast import Broadcast
from actors.stream.end_reasons import USER, failed
from actors.stream.owner import StreamOwner
from actors.stream.published import PublishedStream
from actors.stream.services import StreamServices
from actors.stream.stream import Ingest
from actors.workers.capturing.source_feed import SourceFailed, SourceFeed
from protocol.stream.info_texts import StreamInfo
from protocol.stream.request import StreamRequest

NO_PLAYERS: Final = StopReason(cause="no-players", info=StreamInfo.STOPPED_BY_USER)
"""Nobody has played it for a while."""


class SourceOwner(StreamOwner, Protocol):
    """The owner of a captured stream."""

    def open_source(self, post: Post) -> SourceFeed:
        """What brings the media in; called once. `post`: the stream's."""


class CapturedStream(PublishedStream):
    """One capture, from the first connection to its source to UNPUBLISHED or FAILED. No backend is asked for it."""

    _providers = ("RTSP", "RTMP", "HLS", "VOD")
    _intended_ends = (USER, NO_PLAYERS)

    def __init__(self, request: StreamRequest, owner: SourceOwner, services: StreamServices) -> None:
        super().__init__(request, owner, services)
        self._source = owner.open_source(self._note)

    @property
    def broadcast(self) -> Broadcast | None:
        """What players attach to, once the media flows."""
        return self._broadcast

    @property
    def is_connected(self) -> bool:
        """Whether the source is open now; if not, it is being connected to."""
        return self._source.is_connected

    async def _set_up(self) -> Ingest | None:
        try:
            await self._take_name()
        except NameUnavailable:
            self.stop(failed(StreamInfo.CLUSTER_IS_UNREACHABLE))
            return None
        except NameInUse:
            self.stop(failed(StreamInfo.STREAM_NAME_ALREADY_IN_USE))
            return None
        self.nursery.start_soon(self._source.run)
        try:
            ingest = await self._source.opened.answer()
        except SourceFailed as error:
            self.stop(failed(error.info))
            return None
        await self.go_on()
        self._ingest = ingest
        self._broadcast = Broadcast(ingest.publication, self._owner.subject.client)
        return ingest
