"""The states of one session, as data, and which client frames each state accepts.

The WebSDK sends `connection` first and waits for `getUserData`, so a client that breaks this order is not the SDK, and
is closed (signalling reference, sections 2 and 3.1). Once a session is established, an invalid frame only gets an error
as its answer: users' pages must not lose their streams over it.

The row for a frame decides what happens to it. If the row leads to another state or stays, the frame is accepted. If it
leads to CLOSED, the client gets an error and is closed. Without a row, the client gets an error, and the session
continues.
"""

from enum import Enum, auto, unique

from protocol.common.transitions import Transitions
from protocol.signaling.frame_codec import FrameError
from protocol.signaling.frames import ClientFrame, Connection, Ping, Pong


@unique
class SessionState(Enum):
    """How far a WebSocket connection has come. CLOSED is final."""

    OPEN = "the WebSocket is open, and `connection` has not arrived yet"
    CONNECTING = "waiting for the backend to accept the client"
    ESTABLISHED = "the client has received `getUserData`, and may request streams"
    CLOSED = "the session has been stopped, or its client does not speak the protocol"


@unique
class SessionEvent(Enum):
    """What happens to a session."""

    CONNECTION = "a `connection` frame"
    PING = "a `ping` or `pong` frame"
    REQUEST = "any other known frame"
    UNUSABLE = "a frame that cannot be decoded"
    ACCEPTED = "the backend accepts the client"
    STOP = "the client left or was refused, a timeout passed, a limit was exceeded, or REST or a shutdown ended it"


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
    """Answer with an error; the session continues."""
    CLOSE = auto()
    """The peer does not speak the protocol: answer with an error and close."""


class SessionLife:
    """The state of one session."""

    def __init__(self) -> None:
        self.state = TRANSITIONS.initial

    def admit(self, frame: ClientFrame | FrameError) -> Admission:
        """Judge one frame, and change the state accordingly."""
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
