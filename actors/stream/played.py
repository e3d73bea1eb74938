"""A played stream: it finds a broadcast, waits for its media if necessary, and receives what the publisher sends."""

from typing import Any

from actors.media.events import NotEnoughBandwidth
from actors.media.playback import Playback
from actors.node.directory import NotPublished, NotReady, PublishedElsewhere
from actors.runtime.actor import StopReason
from actors.stream.broadcast import Broadcast, picture_size
from actors.stream.capture_starter import CaptureRefused
from actors.stream.end_reasons import failed
from actors.stream.stream import Stream, StreamMessage
from protocol.hooks import HookMethod, stream_event_body
from protocol.stream.events import StreamEvent
from protocol.stream.info_texts import StreamInfo
from protocol.stream.status_notice import StatusNotice, StreamView
from protocol.stream.statuses import StreamEventType


class PlayedStream(Stream):
    """One playback, from the client's `playStream` to its STOPPED or FAILED."""

    published = leads = is_relay = False
    _end_hook = HookMethod.STOP_STREAM

    _broadcast: Broadcast | None = None
    _playback: Playback | None = None

    @property
    def _start_hook(self) -> HookMethod:  # type: ignore[override]  # the name decides
        """`playRTSP` for a source to capture, if the application has it."""
        captures = self._services.captures
        if captures is not None and captures.serves(self.name) and HookMethod.PLAY_RTSP in self._owner.lane.app.methods:
            return HookMethod.PLAY_RTSP
        return HookMethod.PLAY_STREAM

    def pass_event(self, event: StreamEvent) -> None:
        """Pass an event of the broadcast to this player and, as the hook `StreamEvent`, to its backend."""
        if self.reason is not None or (event.type is StreamEventType.RESIZE and not self._shows_picture):
            return
        if not event.type.is_from_publisher:
            self._owner.event(self.media_session_id, event)
            return
        body = stream_event_body(
            self._owner.context,
            media_session_id=self.media_session_id,
            event_type=event.type,
            payload=event.payload,
        )

        def deliver(shown: dict[str, Any]) -> None:
            payload = shown.get("payload")
            told = event if payload is event.payload else StreamEvent(event.type, payload, tally=event.tally)
            self._owner.event(self.media_session_id, told)

        self._owner.lane.event(HookMethod.STREAM_EVENT, body, deliver=deliver)

    @property
    def _shows_picture(self) -> bool:
        return self._playback is not None and self._playback.video_codec is not None

    async def _take(self, message: StreamMessage) -> None:
        if isinstance(message, NotEnoughBandwidth):
            info = f"{message.bitrate}/{message.bandwidth}"
            self.pass_event(StreamEvent(StreamEventType.NOT_ENOUGH_BANDWIDTH, {"info": info}))
        else:
            await super()._take(message)

    async def _set_up(self) -> Playback | None:
        if not await self._permitted():
            return None
        broadcast = await self._find()
        if broadcast is None:
            return None
        await self.go_on()  # a stop came together with the broadcast: teardown has already run
        if broadcast.is_over:
            self.stop(failed(_absent(self.name)))
            return None
        # No await from here on: the broadcast found must still be there when the player attaches to it.
        self._playback = self._services.plane.play(
            self.request.sdp,
            broadcast.publication,
            session_id=self.session_id,
            post=self._note,
            over_tcp=self.request.over_tcp,
        )
        self._broadcast = broadcast
        broadcast.attach(self)
        return self._playback

    async def _find(self) -> Broadcast | None:
        captures = self._services.captures
        try:
            if captures is not None and captures.serves(self.name):
                elsewhere = await self._services.directory.find_elsewhere(self.name)
                if elsewhere is not None:
                    return elsewhere
                await self.go_on()
                # A name that the backend has chosen is as good as the operator's.
                return await captures.capture(self.name, by_operator=self.name != self.request.name)
            return await self._services.directory.locate(self.name, timeout=self._services.settings.play_wait_timeout)
        except NotReady:
            self.stop(failed(StreamInfo.PUBLISH_STREAM_IS_NOT_READY))
        except PublishedElsewhere:
            self.stop(failed(StreamInfo.FAILED_TO_CONNECT_TO_ORIGIN_STREAM))
        except NotPublished:
            self.stop(failed(_absent(self.name)))
        except CaptureRefused as refused:
            self.stop(failed(refused.info))
        return None

    def withdraw(self, reason: StopReason) -> None:
        try:
            if self._broadcast is not None:
                self._broadcast.detach(self)
        finally:
            if self._playback is not None:
                self._playback.withdraw()

    def _connected(self) -> None:
        if self._broadcast is not None and self._broadcast.publication.width:
            # The SDK learns the picture's size only from this event, and expects it before PLAYING.
            publication = self._broadcast.publication
            self.pass_event(StreamEvent(StreamEventType.RESIZE, picture_size(publication.width, publication.height)))
        self._go_live()

    def _notice(self, view: StreamView) -> StatusNotice:
        if self._broadcast is None:
            return StatusNotice(stream=view)
        audio, video = self._broadcast.audio_muted, self._broadcast.video_muted
        return StatusNotice(stream=view, audio_muted=audio, video_muted=video)


def _absent(name: str) -> StreamInfo:
    """Names with a scheme (`rtsp://...`, `vod://...`) ask for a source that this server does not have."""
    return StreamInfo.FAILED_TO_GET_AGENT_STORAGE if "://" in name else StreamInfo.SESSION_DOES_NOT_EXIST
