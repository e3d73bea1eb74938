"""What published and played streams share.

    on_start           asks the backend, takes the name or finds the broadcast, answers the offer
    handle             reports of the media plane, requests of the owner's user
    withdraw           name freed, no packet from here on
    notify_stopped     one terminal status to the owner
    report_stopped     and to the backend
    teardown           media closed; all four inside stop()

A stream's task never touches a packet: the media plane forwards packets and posts the few facts that matter here.
"""

from abc import abstractmethod
from collections.abc import Collection, Iterable
from contextlib import ExitStack, suppress
from functools import partial
from typing import Any

import trio
from attrs import frozen

from actors.hooks.lanes.keep_alive_slot import KeepAliveSlot
from actors.media.call.voice_ingest import VoiceIngest
from actors.media.events import Connected, Failed, Flowing, MediaEvent, MediaRefused, PeerClosed, Resized
from actors.media.ingest.fed_ingest import FedIngest
from actors.media.ingest.webrtc_ingest import WebRtcIngest
from actors.media.playback import Playback
from actors.node.stream_index import NAME, STATUS
from actors.node.termination import Follower
from actors.runtime.actor import Actor, ActorStopped, StopReason
from actors.stream.describing import describe_stream, measure_media, view_of
from actors.stream.end_reasons import USER, denied, failed
from actors.stream.life_report import StatusReports, end_fields, report_live, report_refused
from actors.stream.owner import StreamOwner
from actors.stream.services import StreamServices
from actors.stream.status_telling import StatusTelling
from protocol.hooks import Allow, HookMethod, RestOnError, stream_body, stream_end_body
from protocol.node.descriptions import StreamDescription, StreamMeasures
from protocol.stream.info_texts import StreamInfo
from protocol.stream.life import LifeEvent, StreamLife
from protocol.stream.request import StreamRequest
from protocol.stream.status_notice import StatusNotice, StreamView


@frozen(kw_only=True)
class UserStop:
    """The owner's user wants a live stream to end."""


@frozen
class SizeDue:
    """Players may now be told the picture's next size."""


StreamMessage = MediaEvent | UserStop | SizeDue
Ingest = WebRtcIngest | FedIngest | VoiceIngest
Media = Ingest | Playback


@frozen
class Noted:
    """A message of this kind is waiting."""

    kind: type[StreamMessage]


class Stream(Actor[Noted]):
    """One media session."""

    published: bool
    leads: bool
    """Whether players end with it: the same as `published`."""
    _providers: Collection[str] = ("WebRTC",)
    _intended_ends: Collection[StopReason] = (USER,)
    _start_hook: HookMethod
    _end_hook: HookMethod

    def __init__(self, request: StreamRequest, owner: StreamOwner, services: StreamServices) -> None:
        super().__init__()
        self.request = request
        self.name = request.name
        self.media_session_id, self.media_provider = request.media_session_id, request.media_provider
        context = owner.context
        self.room_name = request.room
        self.node_id, self.app_key, self.session_id = context.node_id, context.app_key, context.session_id
        self._owner = owner
        self._services = services
        self._life = StreamLife(published=self.published)
        self._media: Media | None = None
        self._info: str | None = None
        self._has_new_status = False  # until everybody else has been told of it
        self._telling = StatusTelling(owner, StatusReports(services.supervisor.events))
        self._measures: StreamMeasures | None = None  # once it has ended
        self._noted: dict[type[StreamMessage], StreamMessage] = {}
        self._peer_closed = self._stop_asked = False
        self.create_date = int(services.wall_clock() * 1000)
        self.keep_alive_slot: KeepAliveSlot = owner.lane.keep_alive_slot()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.media_session_id})"

    @property
    def status(self) -> str:
        return self._life.status

    @property
    def has_video(self) -> bool:
        return self.request.has_video if self._media is None else self._media.video_codec is not None

    @property
    def has_audio(self) -> bool:
        return self.request.has_audio if self._media is None else self._media.audio_codec is not None

    @property
    def is_recorded(self) -> bool:
        """Whether it is being recorded, or will be."""
        return False

    @property
    def is_live(self) -> bool:
        """PUBLISHING or PLAYING."""
        return self._life.is_live

    def user_stop(self) -> None:
        """End this stream for the owner's user. A stream that is still being set up ends at once."""
        if not self._life.is_live:
            self.stop(USER)
        else:
            self._note(UserStop())

    def keep_alive_body(self) -> dict[str, Any]:
        """The current body of `StreamKeepAliveEvent` for this stream."""
        return stream_body(self.describe(traffic=False), custom=self.request.custom)

    def warn(self, method: HookMethod, info: str) -> None:
        """Tell the owner that the backend failed on an event. The stream is not affected."""
        self._owner.warn(self.media_session_id, method, info)

    # -- life --------------------------------------------------------------------------------------

    async def on_start(self) -> None:
        if self.request.media_provider not in self._providers:
            self.stop(failed(StreamInfo.FAILED_TO_ADD_STREAM_TO_PROXY))
            return
        try:
            self._media = await self._set_up()
        except MediaRefused as refused:
            report_refused(self, refused)
            self.stop(failed(refused.info))
            return
        if self._media is not None:
            self._owner.answer(self.media_session_id, self._media.answer)

    async def handle(self, message: Noted) -> None:
        await self._take(self._noted.pop(message.kind))

    async def _take(self, message: StreamMessage) -> None:
        match message:
            case Connected():
                self._connected()
            case Flowing():
                self._flowing()
            case Resized():
                self._resized(message.width, message.height)
            case Failed():
                self.stop(failed(message.info))
            case PeerClosed():
                self._peer_closed = True
                self.nursery.start_soon(self._fail_unless_stopped)
            case UserStop():
                await self._user_stop()

    def notify_stopped(self, reason: StopReason) -> None:
        self._services.bans.stream_stopped(reason, self._owner.subject, name=self.name, published=self.published)
        event = LifeEvent.USER_STOPS if reason in self._intended_ends else LifeEvent.OTHER_END
        self._enter(event, reason.info)

    def report_stopped(self, reason: StopReason) -> None:
        self._report()

    def teardown(self, reason: StopReason) -> None:
        with ExitStack() as steps:  # each step runs, from the last to the first, even if another one fails
            steps.callback(self._owner.ended, self.media_session_id)
            steps.callback(self._telling.release)
            steps.callback(self._close_media)
            steps.callback(self.keep_alive_slot.close)

    def end_log_fields(self) -> dict[str, object]:
        self._measures = self.measure()
        return end_fields(self, self._measures.traffic, self._info)

    @property
    def audience(self) -> int:
        """How many players get what this stream publishes."""
        return 0

    @property
    def weight(self) -> int:
        """How many streams end with this one, itself included."""
        return 1 + self.audience

    def release_followers(self, reason: StopReason) -> Iterable[tuple[Follower, StopReason]]:
        """Its players, and why they end: the caller stops this stream and then them. Nobody can join any more."""
        return ()

    # -- what the two kinds do differently ---------------------------------------------------------

    @abstractmethod
    async def _set_up(self) -> Media | None:
        """Ask the backend, claim the name or find the broadcast, answer the offer. None if stopped on the way."""

    def _connected(self) -> None:
        """DTLS is up."""

    def _flowing(self) -> None:
        """The first media has arrived."""

    def _resized(self, width: int, height: int) -> None:
        """The picture has a new size."""

    # -- shared steps ------------------------------------------------------------------------------

    async def _permitted(self) -> bool:
        """Ask the backend whether this stream may start; it may rename it. False if it refuses."""
        body = stream_body(self.describe(traffic=False), custom=self.request.custom)
        verdict = await self._owner.lane.authorize(self._start_hook, body)
        await self.go_on()  # a stop came together with the answer: teardown has already run
        if not isinstance(verdict, Allow):
            self.stop(denied(verdict.info))
            return False
        self.request = self.request.overwritten(verdict.body)
        renamed = verdict.body.get("name")
        if isinstance(renamed, str) and renamed:
            self.name = renamed
            self._services.supervisor.changed(self, NAME)
            banned = self._services.bans.refusal_of_stream(self._owner.subject, name=renamed, published=self.published)
            if banned is not None:
                self.stop(failed(banned))
                return False
        return True

    def _close_media(self) -> None:
        if self._media is not None:
            self._media.close()

    def _go_live(self) -> None:
        self._enter(LifeEvent.MEDIA_FLOWS)
        self._report()
        report_live(self, self._media, self._owner.subject, self._services.supervisor.counts)

    def _enter(self, event: LifeEvent, info: str | None = None) -> None:
        """Tell the owner the next status, if this event leads to one; `_report` must follow."""
        if self._life.take(event):
            self._info, self._has_new_status = info, True
            self._telling.tell(self._notice(view_of(self, self._media, info=info)))

    def _report(self) -> None:
        if self._has_new_status:  # it is found by its status only now: of many that end, their clients come first
            self._has_new_status = False
            self._services.supervisor.changed(self, STATUS)
        describe = partial(self.describe, traffic=False)
        self._telling.report(describe, custom=self.request.custom, is_last=self._life.is_over)

    def _notice(self, view: StreamView) -> StatusNotice:
        """What the owner is told."""
        return StatusNotice(stream=view)

    async def _user_stop(self) -> None:
        body = stream_end_body(self.describe(traffic=False), custom=self.request.custom)
        if self._owner.lane.config.for_method(self._end_hook).rest_on_error is RestOnError.LOG:
            # The backend cannot refuse this, so the client need not wait for it.
            self._owner.lane.notify(self._end_hook, body)
            self.stop(USER)
            return
        self._stop_asked = True
        verdict = await self._owner.lane.authorize(self._end_hook, body)
        await self.go_on()  # a stop came together with the answer: the end has been reported
        self._stop_asked = False
        if isinstance(verdict, Allow):
            self.stop(USER)
            return
        self._owner.stop_refused(self.media_session_id, self._end_hook, verdict.info)
        if self._peer_closed:
            self.stop(failed(StreamInfo.FAILED_BY_DTLS_ERROR))

    async def _fail_unless_stopped(self) -> None:
        # A browser that stops may close DTLS before or after its stop frame; only a missing frame is a failure.
        await trio.sleep(self._services.settings.stop_grace)
        if not self._stop_asked:  # otherwise the backend decides
            self.stop(failed(StreamInfo.FAILED_BY_DTLS_ERROR))

    def _note(self, message: StreamMessage) -> None:
        """Have this stream's task handle a message.

        Only the latest message of each kind counts and the mailbox holds one of each, so no peer can fill it.
        """
        kind = type(message)
        is_waiting = kind in self._noted
        self._noted[kind] = message
        if not is_waiting:
            with suppress(ActorStopped):
                self.post(Noted(kind))

    # -- looking -----------------------------------------------------------------------------------

    def describe(self, *, traffic: bool = True) -> StreamDescription:
        """This stream as REST, hooks and filters see it; without `traffic`, without the counters of its media."""
        return describe_stream(self, self._media, info=self._info, traffic=traffic)

    def measure(self) -> StreamMeasures:
        """Its traffic so far, and its codecs; also once it has ended."""
        return self._measures or measure_media(self._media)
