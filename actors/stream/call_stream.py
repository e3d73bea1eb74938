"""The stream of a call: what its phone says, published under a name. The stream and the call end together."""

from typing import Final, Protocol

from actors.media.call.voice_ingest import VoiceIngest
from actors.media.events import Post
from actors.runtime.actor import Request, StopReason
from actors.stream.end_reasons import USER
from actors.stream.owner import StreamOwner
from actors.stream.published import PublishedStream
from actors.stream.services import StreamServices
from actors.stream.stream import Ingest
from protocol.stream.info_texts import StreamInfo
from protocol.stream.request import StreamRequest

CALL_OVER: Final = StopReason(cause="call-over", info=StreamInfo.STOPPED_BY_USER)
"""Its call has ended."""


class VoiceOwner(StreamOwner, Protocol):
    """The owner of a call's stream."""

    def open_voice(self, post: Post) -> Request[VoiceIngest]:
        """The stream has its name, and may be published; what it publishes comes once the phone is there."""


class CallStream(PublishedStream):
    """See above. It is PENDING until the phone is heard."""

    _providers = ("SIP",)
    _intended_ends = (USER, CALL_OVER)

    def __init__(self, request: StreamRequest, owner: VoiceOwner, services: StreamServices) -> None:
        super().__init__(request, owner, services)
        self._call = owner

    async def _open_ingest(self) -> Ingest:
        ingest = await self._call.open_voice(self._note).answer()
        await self.go_on()
        return ingest
