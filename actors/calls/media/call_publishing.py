"""A call as a stream: the owner of the stream that publishes what the phone says.

The stream asks for its name, and the backend, before the phone is called; the two end together.
"""

import uuid
from collections.abc import Callable, Iterable

import trio

from actors.calls.owner import CallOwner
from actors.hooks.lanes.lane import HookLane
from actors.media.call.bridge import Bridge
from actors.media.call.voice_ingest import VoiceIngest
from actors.media.context import MediaContext
from actors.media.events import Post
from actors.node.termination import Follower
from actors.runtime.actor import Request, StopReason
from actors.stream.call_stream import CALL_OVER, CallStream
from actors.stream.services import StreamServices
from actors.stream.start import StreamRefused, start_stream
from protocol.access.kicks import Subject
from protocol.calls.codecs import VOICE, CallCodecs
from protocol.calls.info_texts import CallRefused
from protocol.hooks import HookContext, HookMethod
from protocol.stream.events import StreamEvent
from protocol.stream.info_texts import StreamInfo
from protocol.stream.request import StreamRequest
from protocol.stream.status_notice import StatusNotice

_STREAM = "the stream"


class CallPublishing:
    """See above; a `VoiceOwner`. `lost` is called with the text that says why, when the stream ends before the call."""

    def __init__(
        self, owner: CallOwner, streams: StreamServices, context: MediaContext, lost: Callable[[str], None]
    ) -> None:
        self._stream: CallStream | None = None
        self._owner, self._streams, self._context, self._lost = owner, streams, context, lost
        self._voice: Request[VoiceIngest] = Request()
        self._post: Post | None = None
        self._settled = trio.Event()

    async def begin(self, name: str) -> None:
        """Publish under this name; returns once the stream may be published, or has ended. Raises CallRefused."""
        request = StreamRequest(
            media_session_id=str(uuid.uuid4()), name=name, sdp="", has_video=False, media_provider="SIP"
        )
        try:
            self._stream = start_stream(CallStream, request, self, self._streams)
        except StreamRefused as refused:
            raise CallRefused(refused.info, _STREAM) from None
        await self._settled.wait()

    def join(self, bridge: Bridge, codecs: CallCodecs) -> None:
        """The phone is there: what it says is published from now on."""
        if self._post is None:
            return
        codec = next(codec for codec in codecs.phone if codec.name in VOICE)
        voice = VoiceIngest(self._context, codec, self._post)
        bridge.publish(voice)
        self._post = None
        self._voice.reply(voice)

    def end(self) -> None:
        """The call is over, and so is the stream. Idempotent."""
        self._lost = _nobody
        if self._stream is not None:
            self._stream.stop(CALL_OVER)

    def drop_references(self) -> None:
        """The stream, which knows its owner, is freed at once."""
        self._stream = None

    @property
    def name(self) -> str:
        """Under which it is published; empty while it is not."""
        return "" if self._stream is None else self._stream.name

    @property
    def weight(self) -> int:
        """How many actors end with the call for its sake."""
        return 0 if self._stream is None else self._stream.weight

    @property
    def followers(self) -> Iterable[tuple[Follower, StopReason]]:
        """The stream, and why it ends with the call."""
        return () if self._stream is None else ((self._stream, CALL_OVER),)

    @property
    def _why(self) -> str:
        reason = None if self._stream is None else self._stream.reason
        return StreamInfo.FAILED_BY_ERROR if reason is None or not reason.info else reason.info

    # -- as the owner of the stream ------------------------------------------------------------------------------

    @property
    def context(self) -> HookContext:
        return self._owner.context

    @property
    def lane(self) -> HookLane:
        return self._owner.lane

    @property
    def subject(self) -> Subject:
        return self._owner.subject

    def open_voice(self, post: Post) -> Request[VoiceIngest]:
        """See `VoiceOwner`."""
        self._post = post
        self._settled.set()
        return self._voice

    def answer(self, media_session_id: str, sdp: str) -> None:
        """There is no offer."""

    def status(self, notice: StatusNotice) -> None:
        """The page hears of the call; the backend of the stream too."""

    def event(self, media_session_id: str, event: StreamEvent) -> None:
        """Events go to players."""

    def warn(self, media_session_id: str, method: HookMethod, info: str) -> None:
        """The call is not concerned."""

    def stop_refused(self, media_session_id: str, method: HookMethod, info: str) -> None:
        """Its end is that of the call, of which the backend is told."""

    def ended(self, media_session_id: str) -> None:
        self._settled.set()
        self._lost(self._why)


def _nobody(info: str) -> None:
    """The call has ended it."""
