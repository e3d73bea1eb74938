"""Which client frames a session takes, and when.

    state         connection            any other request         ping, pong
    OPEN          -> CONNECTING         refused, session closed   taken
    CONNECTING    refused, closed       refused, session closed   taken
    ESTABLISHED   refused, kept         taken                     taken

The WebSDK sends `connection` first and waits for `getUserData`, so whoever breaks this order is not the SDK
(signalling reference, sections 2 and 3.1).
"""

from enum import Enum, auto

from protocol.signaling.frames import ClientFrame, Connection, Ping, Pong


class SessionState(Enum):
    """How far a WebSocket connection has come."""

    OPEN = auto()
    CONNECTING = auto()
    ESTABLISHED = auto()


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
        self.state = SessionState.OPEN

    def admit(self, frame: ClientFrame) -> Admission:
        """Judge one frame; taking `connection` moves the session on to CONNECTING."""
        if isinstance(frame, Ping | Pong):
            return Admission.TAKE
        if isinstance(frame, Connection):
            return self._admit_connection()
        return Admission.TAKE if self.state is SessionState.ESTABLISHED else Admission.CLOSE

    def establish(self) -> None:
        """The connection was accepted."""
        self.state = SessionState.ESTABLISHED

    def _admit_connection(self) -> Admission:
        if self.state is SessionState.ESTABLISHED:
            return Admission.REFUSE
        if self.state is SessionState.CONNECTING:
            return Admission.CLOSE
        self.state = SessionState.CONNECTING
        return Admission.TAKE
