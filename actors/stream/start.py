"""How a stream begins, for an owner of any kind."""

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
    """No stream was begun, and its owner hears nothing of it."""

    def __init__(self, info: StreamInfo) -> None:
        super().__init__(info)
        self.info = info


def start_stream(kind: type[S], request: StreamRequest, owner: StreamOwner, services: StreamServices) -> S:
    """Begin a stream that was asked for, under the supervisor. Raises StreamRefused.

    It runs from now on and may have ended by the time that this caller looks at it: all that it tells goes to `owner`.
    """
    if services.overload.refuses():
        raise StreamRefused(StreamInfo.SERVER_IS_OVERLOADED)
    stream = kind(request, owner, services)
    try:
        services.supervisor.adopt_stream(stream)
    except AlreadyInUse:
        raise StreamRefused(StreamInfo.MEDIASESSION_ID_ALREADY_IN_USE) from None
    except ActorStopped:
        raise StreamRefused(StreamInfo.SESSION_NOT_READY) from None
    return stream
