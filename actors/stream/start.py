"""Starts a stream for any kind of owner."""

from typing import TypeVar

from actors.node.supervisor import AlreadyInUse
from actors.runtime.actor import ActorStopped
from actors.stream.owner import StreamOwner
from actors.stream.services import StreamServices
from actors.stream.stream import Stream
from protocol.stream.info_texts import StreamInfo
from protocol.stream.request import StreamRequest

S = TypeVar("S", bound=Stream)


class StreamRefused(Exception):
    """No stream was started; its owner gets no calls about it."""

    def __init__(self, info: str) -> None:
        super().__init__(info)
        self.info = info


def start_stream(kind: type[S], request: StreamRequest, owner: StreamOwner, services: StreamServices) -> S:
    """Start the requested stream under the supervisor. Raises StreamRefused.

    The stream runs from now on, and may have ended by the time the caller looks at it. It reports only to `owner`.
    """
    if services.overload.refuses():
        raise StreamRefused(StreamInfo.SERVER_IS_OVERLOADED)
    if kind.published and services.drain.refuses():
        raise StreamRefused(StreamInfo.SERVER_IS_DRAINING)
    banned = services.bans.refusal_of_stream(owner.subject, name=request.name, published=kind.published)
    if banned is not None:
        raise StreamRefused(banned)
    stream = kind(request, owner, services)
    try:
        services.supervisor.adopt_stream(stream)
    except AlreadyInUse:
        raise StreamRefused(StreamInfo.MEDIASESSION_ID_ALREADY_IN_USE) from None
    except ActorStopped:
        raise StreamRefused(StreamInfo.SESSION_NOT_READY) from None
    return stream
