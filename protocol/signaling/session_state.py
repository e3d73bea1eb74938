"""The states of one session, as data, and which frames of the client each state takes.

The WebSDK sends `connection` first and waits for `getUserData`, so a client that breaks this order is not the SDK, and
is closed (signalling reference, sections 2 and 3.1). Once a session is established a wrong frame costs its answer only:
pages of users must not lose their streams by it.

How a frame is judged follows from its row. The row leads on, or stays: the frame is taken. It leads to CLOSED: the
client is answered with an error and closed. There is no row: the client is answered with an error, and goes on.
"""

from enum import Enum, auto, unique

from protocol.common.transitions import Transitions
from protocol.signaling.frame_codec import FrameError
from protocol.signaling.frames import ClientFrame, Connection, Ping, Pong


@unique
class SessionState(Enum):
    """How far a WebSocket connection has come. CLOSED is final."""

    OPEN = "the WebSocket is open, and `connection` has yet to come"
    CONNECTING = "the backend is asked whether the client may come in"
    ESTABLISHED = "the client has its `getUserData`, and may ask for streams"
    CLOSED = "the session has been stopped, or its client does not speak the protocol"


@unique
class SessionEvent(Enum):
    """What happens to a session."""

    CONNECTION = "a frame `connection`"
    PING = "a frame `ping` or `pong`"
    REQUEST = "any other frame that is known"
    UNUSABLE = "a frame that cannot be decoded"
    ACCEPTED = "the backend lets the client in"
    STOP = "the client left or was refused, a time is over, a limit is passed, REST or a shutdown ended it"


TRANSITIONS = Transitions(
    initial=SessionState.OPEN,
    rows={
        (SessionState.OPEN, SessionEvent.CONNECTION): SessionState.CONNECTING,
        (SessionState.OPEN, SessionEvent.PING): SessionState.OPEN,
        (SessionState.OPEN, SessionEvent.REQUEST): SessionState.CLOSED,
        (SessionState.OPEN, SessionEvent.UNUSABLE): SessionState.CLOSED,
        (SessionState.OPEN, SessionEvent.STOP): SessionState.CLOSED,
        (SessionState.CONNECTING, SessionEvent.CONNECTION): SessionState.CLOSED,
        (SessionState.CONNECTING, SessionEvent.PING): SessionState.CONNECTING,
        (SessionState.CONNECTING, SessionEvent.REQUEST): SessionState.CLOSED,
        (SessionState.CONNECTING, SessionEvent.UNUSABLE): SessionState.CLOSED,
        (SessionState.CONNECTING, SessionEvent.ACCEPTED): SessionState.ESTABLISHED,
        (SessionState.CONNECTING, SessionEvent.STOP): SessionState.CLOSED,
        (SessionState.ESTABLISHED, SessionEvent.PING): SessionState.ESTABLISHED,
        (SessionState.ESTABLISHED, SessionEvent.REQUEST): SessionState.ESTABLISHED,
        (SessionState.ESTABLISHED, SessionEvent.STOP): SessionState.CLOSED,
    },
)


class Admission(Enum):
    """What to do with a frame."""

    TAKE = auto()
    REFUSE = auto()
    """Answer with an error; the session goes on."""
    CLOSE = auto()
    """The peer does not speak the protocol: answer with an error and close."""


class SessionLife:
    """The state of one session."""

    def __init__(self) -> None:
        self.state = TRANSITIONS.initial

    def admit(self, frame: ClientFrame | FrameError) -> Admission:
        """Judge one frame, and follow it."""
        event = _event(frame)
        if not TRANSITIONS.allows(self.state, event):
            return Admission.REFUSE
        self._enter(event)
        return Admission.CLOSE if self.state is SessionState.CLOSED else Admission.TAKE

    def establish(self) -> None:
        """The connection was accepted."""
        self._enter(SessionEvent.ACCEPTED)

    def close(self) -> None:
        """The session ends. May be called again."""
        if self.state is not SessionState.CLOSED:
            self._enter(SessionEvent.STOP)

    def _enter(self, event: SessionEvent) -> None:
        self.state = TRANSITIONS.after(self.state, event)


def _event(frame: ClientFrame | FrameError) -> SessionEvent:
    match frame:
        case FrameError():
            return SessionEvent.UNUSABLE
        case Connection():
            return SessionEvent.CONNECTION
        case Ping() | Pong():
            return SessionEvent.PING
        case _:
            return SessionEvent.REQUEST
