"""The states of one peer's transport, as data.

Three parties report events to this machine. ICE finds where the peer is, DTLS who it is, and the owner closes the
transport. ICE and DTLS run at the same time: a path may be proven before or after the handshake. The machine waits for
one after the other: PATH is reported once there are keys, even if the path was proven before. The end of a handshake
that went over a single path is itself the proof.

Keys exist from KEYED on, and SRTP flows from CONNECTED on: no media is sent before its receiver has agreed to it.
"""

from enum import Enum, unique

from protocol.common.transitions import Transitions


@unique
class TransportState(Enum):
    """How far a transport has come. CLOSED is final."""

    NEW = "waiting for a valid check from the browser; no memory is spent on DTLS"
    CHECKED = "the browser knows our password, and holds one of the limited handshake slots, with a deadline"
    HANDSHAKING = "DTLS is under way; a path may be proven meanwhile"
    KEYED = "DTLS is up, but no path to the peer is proven yet"
    CONNECTED = "SRTP flows both ways; checks continue, for consent and for a better path"
    CLOSED = "nothing is accepted or sent, and nothing refers to it any more"


@unique
class TransportEvent(Enum):
    """What happens to a transport."""

    CHECK = "a valid check from the browser, and a free slot for its handshake"
    DATAGRAM = "the browser's first DTLS datagram"
    KEYS = "DTLS is up"
    PATH = "there are keys and a proven path"
    FAULT = "a deadline has passed, the handshake failed, or a packet could not be handled; the owner is told"
    CLOSE_NOTIFY = "the browser closes the connection; the owner is told"
    CLOSE = "the owner closes it"


TRANSITIONS = Transitions(
    initial=TransportState.NEW,
    rows={
        (TransportState.NEW, TransportEvent.CHECK): TransportState.CHECKED,
        (TransportState.NEW, TransportEvent.FAULT): TransportState.CLOSED,
        (TransportState.NEW, TransportEvent.CLOSE): TransportState.CLOSED,
        (TransportState.CHECKED, TransportEvent.DATAGRAM): TransportState.HANDSHAKING,
        (TransportState.CHECKED, TransportEvent.FAULT): TransportState.CLOSED,
        (TransportState.CHECKED, TransportEvent.CLOSE): TransportState.CLOSED,
        (TransportState.HANDSHAKING, TransportEvent.KEYS): TransportState.KEYED,
        (TransportState.HANDSHAKING, TransportEvent.FAULT): TransportState.CLOSED,
        (TransportState.HANDSHAKING, TransportEvent.CLOSE_NOTIFY): TransportState.CLOSED,
        (TransportState.HANDSHAKING, TransportEvent.CLOSE): TransportState.CLOSED,
        (TransportState.KEYED, TransportEvent.PATH): TransportState.CONNECTED,
        (TransportState.KEYED, TransportEvent.FAULT): TransportState.CLOSED,
        (TransportState.KEYED, TransportEvent.CLOSE_NOTIFY): TransportState.CLOSED,
        (TransportState.KEYED, TransportEvent.CLOSE): TransportState.CLOSED,
        (TransportState.CONNECTED, TransportEvent.FAULT): TransportState.CLOSED,
        (TransportState.CONNECTED, TransportEvent.CLOSE_NOTIFY): TransportState.CLOSED,
        (TransportState.CONNECTED, TransportEvent.CLOSE): TransportState.CLOSED,
    },
)
