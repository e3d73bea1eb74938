"""One capture: the owner of a captured stream, and how long that goes on."""

import uuid
from collections.abc import Callable

import trio

from actors.hooks.lanes.lane import HookLane
from actors.media.events import Post
from actors.node.drain import Drain
from actors.runtime.actor import Request, StopReason
from actors.runtime.logs import get_logger
from actors.stream import Broadcast
from actors.stream.capture_starter import CaptureRefused
from actors.stream.captured import NO_PLAYERS, CapturedStream
from actors.workers.capturing.source_feed import SourceFeed
from protocol.access.kicks import Subject
from protocol.capture.uri import CaptureUri
from protocol.common.masking import masked
from protocol.hooks import HookContext, HookMethod
from protocol.stream.events import StreamEvent
from protocol.stream.info_texts import StreamInfo
from protocol.stream.status_notice import StatusNotice
from protocol.stream.statuses import StreamStatus

MakeFeed = Callable[[Post], SourceFeed]

log = get_logger("capture")


def new_capture_id() -> str:
    """The session id of a captured stream."""
    return f"capture-{uuid.uuid4()}"


class Capture:
    """See above; a `SourceOwner`. `kept`: it was begun by REST, and goes on without players."""

    def __init__(
        self, uri: CaptureUri, *, name: str, lane: HookLane, context: HookContext, make_feed: MakeFeed, kept: bool
    ) -> None:
        self.uri, self.name, self.kept = uri, name, kept
        self.lane, self.context = lane, context
        self.subject = Subject(app_key=context.app_key, session_id=context.session_id)
        self.opened: Request[Broadcast] = Request()
        """What players attach to, once the media flows, or CaptureRefused."""
        self.over = trio.Event()
        self.stream: CapturedStream | None = None
        self._make_feed = make_feed
        self._feed: SourceFeed | None = None
        self.was_live = False
        """Whether its media has ever flowed."""
        self.hides_uri = False
        """Whether it was begun by a name that stands for its URI, which nobody may see."""

    @property
    def shown_uri(self) -> str:
        """The URI for REST: as it was given, unless it was not given by who plays it."""
        return masked(self.uri.text) if self.hides_uri else self.uri.text

    @property
    def state(self) -> str:
        """PLAYING while its source is open, PENDING while it is connected to."""
        is_live = self.stream is not None and self.stream.is_live and self.stream.is_connected
        return StreamStatus.PLAYING if is_live else StreamStatus.PENDING

    @property
    def reconnects(self) -> int:
        """How often its source was lost."""
        return 0 if self._feed is None else self._feed.reconnects

    @property
    def cores(self) -> float:
        """What of the processors its process uses."""
        return 0.0 if self._feed is None else self._feed.cores

    def keep(self) -> None:
        """REST wants it to go on without players, from now on."""
        self.kept = True

    def end(self, reason: StopReason) -> None:
        """End it, and its players with it."""
        if self.stream is not None:
            self.stream.stop(reason)

    async def oversee(self, linger: Callable[[], float], drain: Drain) -> None:
        """Until it is over; one that is not kept, or any in a drain, ends without a player for so many seconds."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._end_without_players, linger, drain)
            await self.over.wait()
            nursery.cancel_scope.cancel()

    # -- as the owner of its stream ------------------------------------------------------------------------------

    def open_source(self, post: Post) -> SourceFeed:
        self._feed = self._make_feed(post)
        return self._feed

    def answer(self, media_session_id: str, sdp: str) -> None:
        """There is no offer."""

    def status(self, notice: StatusNotice) -> None:
        broadcast = None if self.stream is None else self.stream.broadcast
        if notice.stream.status == StreamStatus.PUBLISHING and broadcast is not None:
            self.was_live = True
            self.opened.reply(broadcast)

    def event(self, media_session_id: str, event: StreamEvent) -> None:
        """Events go to players."""

    def warn(self, media_session_id: str, method: HookMethod, info: str) -> None:
        log.debug("the backend failed", id=self.context.session_id, method=method, info=info)

    def stop_refused(self, media_session_id: str, method: HookMethod, info: str) -> None:
        """Its backend is not asked for its end."""

    def ended(self, media_session_id: str) -> None:
        reason = None if self.stream is None else self.stream.reason
        info = StreamInfo.FAILED_BY_ERROR if reason is None or not reason.info else reason.info
        self.opened.fail(CaptureRefused(info, "" if self._feed is None else self._feed.why))
        self.lane.close()
        self.over.set()

    # -- inside --------------------------------------------------------------------------------------------------

    async def _end_without_players(self, linger: Callable[[], float], drain: Drain) -> None:
        try:
            broadcast = await self.opened.answer()
        except CaptureRefused:
            return
        while self.stream is not None:
            if self.kept:
                await drain.until_on()
            with trio.move_on_after(linger()) as waiting:
                await broadcast.until_occupied()
            is_unwanted = not self.kept or drain.is_on
            if waiting.cancelled_caught and is_unwanted and not len(broadcast):
                self.stream.stop(NO_PLAYERS)
                return
            await broadcast.until_deserted()
