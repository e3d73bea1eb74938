"""A published stream: it holds a name and feeds a broadcast. When it ends, its players end too."""

from collections.abc import Iterable

import trio

from actors.media.publication import Publication
from actors.node.directory import Claim, NameInUse, NameUnavailable
from actors.node.ports.push import NothingToPush
from actors.node.ports.recorder import NoSuchPublication, RecordWish
from actors.runtime.actor import StopReason, stop_all
from actors.runtime.slices import slices
from actors.stream.broadcast import Broadcast, Player, picture_size
from actors.stream.end_reasons import PUBLISHER_STOP, failed
from actors.stream.owner import StreamOwner
from actors.stream.pushing import StreamPushing
from actors.stream.recording import RecordableStream, StreamRecording
from actors.stream.services import StreamServices
from actors.stream.stream import Ingest, SizeDue, Stream, StreamMessage
from actors.workers.pushing.push import Push
from actors.workers.pushing.pushes import PushTo
from actors.workers.recording.recording import Recording
from protocol.common.rate_limit import RateLimit
from protocol.hooks import HookMethod
from protocol.stream.events import StreamEvent
from protocol.stream.info_texts import StreamInfo
from protocol.stream.request import StreamRequest
from protocol.stream.status_notice import StatusNotice, StreamView
from protocol.stream.statuses import StreamEventType

PLAYERS_AT_ONCE = 25
"""Players that are stopped in one go; of a larger audience, the others follow in slices."""
RESIZE_INTERVAL = 0.5
"""Seconds between two picture sizes sent to players; of the sizes in between, only the last one counts."""
RESIZE_BURST = 4
"""Sizes sent at once after a quiet time."""


class PublishedStream(Stream):
    """One publication, from the client's `publishStream` to its UNPUBLISHED or FAILED."""

    published = leads = True
    _start_hook = HookMethod.PUBLISH_STREAM
    _end_hook = HookMethod.UN_PUBLISH_STREAM

    _claim: Claim[Broadcast] | None = None
    _broadcast: Broadcast | None = None
    _ingest: Ingest | None = None
    _recordable: RecordableStream | None = None
    """From its first media on."""
    _record_name: str | None = None
    _falling: tuple[Player, ...] = ()
    """Players that end with this stream and have not been stopped yet."""
    _size: tuple[int, int] | None = None
    _told_size: tuple[int, int] | None = None
    _size_waits = False
    """Whether sizes were sent just now, so that the next one has to wait."""

    def __init__(self, request: StreamRequest, owner: StreamOwner, services: StreamServices) -> None:
        super().__init__(request, owner, services)
        self._sizes = RateLimit(1 / RESIZE_INTERVAL, RESIZE_BURST)
        self._pushing = StreamPushing(services.pushes, services.plane)
        self._recording = StreamRecording(services.recordings, services.plane, services.wall_clock)

    def stream_event(self, event: StreamEvent) -> None:
        """Pass the publisher's mute state or data to every player; mute state is kept for those who join later."""
        if self.reason is None:
            self._tell_players(event)

    @property
    def is_recorded(self) -> bool:
        if self._recordable is None:
            return self.request.record
        return self._record_name is not None or self._recording.is_running

    @property
    def publication(self) -> Publication | None:
        """What can be played, once its media flows."""
        return None if self._recordable is None else self._recordable.publication

    def record(self, wish: RecordWish) -> Recording:
        """Record it from now on, for REST. Raises RecordingRefused, or NoSuchPublication before it is live."""
        if self._recordable is None:
            raise NoSuchPublication
        return self._recording.start(self._recordable, wish)

    def push(self, to: PushTo) -> Push:
        """Push it from now on, for REST. Raises as `StreamPushing.start`, or NothingToPush before it is live."""
        if self._recordable is None:
            raise NothingToPush
        return self._pushing.start(self._recordable, to)

    @property
    def audience(self) -> int:
        """How many players receive an event."""
        return self._broadcast.audience if self._broadcast is not None else 0

    @property
    def takes_events(self) -> bool:
        """False while too many events are still on their way to players."""
        return self._broadcast is None or self._broadcast.takes_events

    def release_followers(self, reason: StopReason) -> Iterable[tuple[Player, StopReason]]:
        players = self._broadcast.close() if self._broadcast is not None else ()
        return ((player, PUBLISHER_STOP) for player in players)

    # -- the end -----------------------------------------------------------------------------------

    def withdraw(self, reason: StopReason) -> None:
        if self._broadcast is not None:
            self._falling = self._broadcast.close()
        try:
            if self._claim is not None:
                self._claim.release()
        finally:
            if self._ingest is not None:
                self._end_media(self._ingest)

    def notify_stopped(self, reason: StopReason) -> None:
        for player in self._falling[:PLAYERS_AT_ONCE]:
            player.tell_end(PUBLISHER_STOP)
        super().notify_stopped(reason)

    def report_stopped(self, reason: StopReason) -> None:
        for player in self._falling[:PLAYERS_AT_ONCE]:
            player.begin_stop(PUBLISHER_STOP)
        super().report_stopped(reason)

    def teardown(self, reason: StopReason) -> None:
        self._stop_players(PLAYERS_AT_ONCE)
        super().teardown(reason)

    async def on_stop(self, reason: StopReason) -> None:
        try:
            for players in slices(self._falling, PLAYERS_AT_ONCE):  # all are told before the rest is done
                await trio.lowlevel.checkpoint()
                for player in players:
                    player.tell_end(PUBLISHER_STOP)
            while self._falling:
                await trio.lowlevel.checkpoint()
                self._stop_players(PLAYERS_AT_ONCE)
        finally:
            self._stop_players(len(self._falling))

    def _stop_players(self, most: int) -> None:
        players, self._falling = self._falling[:most], self._falling[most:]
        stop_all(players, PUBLISHER_STOP)

    # -- life --------------------------------------------------------------------------------------

    async def _set_up(self) -> Ingest | None:
        captures = self._services.captures
        try:
            if captures is not None and captures.serves(self.name):
                raise NameInUse(self.name)
            if not self._may_be_renamed():
                await self._request_name()
            if not await self._permitted():
                return None
            await self._take_name()
        except NameUnavailable:
            self.stop(failed(StreamInfo.CLUSTER_IS_UNREACHABLE))
            return None
        except NameInUse:
            self.stop(failed(StreamInfo.STREAM_NAME_ALREADY_IN_USE))
            return None
        self._ingest = await self._open_ingest()
        self._broadcast = Broadcast(self._ingest.publication, self._owner.subject.client)
        return self._ingest

    async def _open_ingest(self) -> Ingest:
        """What takes the media in. Raises MediaRefused. Does not return once the stream has been stopped."""
        request = self.request
        return self._services.plane.publish(
            request.sdp,
            session_id=self.session_id,
            post=self._note,
            over_tcp=request.over_tcp,
            first_codec="H264" if request.rtmp_url else None,
        )

    def _may_be_renamed(self) -> bool:
        """Whether the backend may assign the name. If so, many clients may ask for the same one at a time."""
        lane = self._owner.lane
        return lane.overwrites(self._start_hook) and "name" in lane.config.for_method(self._start_hook).rest_overwrite

    async def _take_name(self) -> None:
        """Claim this stream's current name, and no other: the backend has allowed it. Raises NameInUse."""
        claim = self._claim
        if claim is not None and claim.name != self.name:
            claim.release()
        if claim is None or claim.name != self.name:
            claim = await self._request_name()
        await claim.take()
        await self.go_on()  # a stop came together with the answer: teardown has already run

    async def _request_name(self) -> Claim[Broadcast]:
        """Claim this stream's current name from the directory. Raises NameInUse."""
        claim = self._claim = await self._services.directory.request(self.name, self.media_session_id)
        if self.reason is not None:  # a stop came together with the answer: teardown has already run and missed it
            claim.release()
        await self.go_on()
        return claim

    def _flowing(self) -> None:
        if self._claim is None or self._broadcast is None:
            return
        # Make it playable before announcing it: pages play a stream as soon as they are told of it.
        self._claim.announce(self._broadcast)
        self._recordable = RecordableStream(
            publication=self._broadcast.publication,
            name=self.name,
            media_session_id=self.media_session_id,
            session_id=self.session_id,
            app_key=self.app_key,
            context=self._owner.context,
            lane=self._owner.lane.outlasting(),
        )
        if self.request.record:
            self._recording.try_start(self._recordable)
        if self.request.rtmp_url:
            info = self._pushing.start_for_page(self._recordable, self.request.rtmp_url, self._lose_target)
            if info is not None:
                self.stop(failed(info))
                return
        self._go_live()

    def _lose_target(self) -> None:
        self.stop(failed(StreamInfo.FAILED_BY_RTMP_WRITER_ERROR))

    def _end_media(self, ingest: Ingest) -> None:
        ingest.withdraw()
        self._pushing.finish(self.media_session_id)
        self._record_name = self._recording.finish()

    def _notice(self, view: StreamView) -> StatusNotice:
        return StatusNotice(stream=view, record_name=self._record_name)

    async def _take(self, message: StreamMessage) -> None:
        if isinstance(message, SizeDue):
            self._size_waits = False
            self._tell_size()
        else:
            await super()._take(message)

    def _resized(self, width: int, height: int) -> None:
        self._size = (width, height)
        self._tell_size()

    def _tell_size(self) -> None:
        if self._broadcast is None or self._size is None or self._size_waits or self._size == self._told_size:
            return
        if self._sizes.take(trio.current_time()):
            self._told_size = self._size
            self._tell_players(StreamEvent(StreamEventType.RESIZE, picture_size(*self._size)))
        else:
            self._size_waits = True
            self.nursery.start_soon(self._let_size_wait)

    def _tell_players(self, event: StreamEvent) -> None:
        if self._broadcast is not None and self._broadcast.pass_event(event):
            self.nursery.start_soon(self._broadcast.pass_rest)

    async def _let_size_wait(self) -> None:
        await trio.sleep(RESIZE_INTERVAL + 0.001)  # by then a size may be sent, however the time is rounded
        self._note(SizeDue())
