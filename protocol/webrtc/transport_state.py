"""The states of one peer's transport, as data.

Three parties tell this machine what happens. ICE finds out where the peer is, DTLS who it is, and the owner ends it.
ICE and DTLS go on at the same time: the peer may prove to be on a path before the handshake is done, or after it. The
machine waits for both, one after the other: PATH is told once there are keys, even if the path was proved before. For a
handshake that went over a single path all the way, its end is that proof.

Keys exist from KEYED on, and SRTP flows from CONNECTED on: media goes nowhere before its receiver has agreed to it.
"""

from enum import Enum, unique

from protocol.common.transitions import Transitions


@unique
class TransportState(Enum):
    """How far a transport has come. CLOSED is final."""

    NEW = "waits for a valid check of the browser; no memory is spent on DTLS"
    CHECKED = "the browser knows our password, and holds one of the counted places for handshakes, under a deadline"
    HANDSHAKING = "DTLS is under way; a path may be proved meanwhile"
    KEYED = "DTLS is up, but the peer has not proved to be at the end of any path"
    CONNECTED = "SRTP goes both ways; checks go on, for consent and for a better path"
    CLOSED = "nothing is taken or sent, and nothing refers to it any more"


@unique
class TransportEvent(Enum):
    """What happens to a transport."""

    CHECK = "a valid check of the browser, and a free place for its handshake"
    DATAGRAM = "the browser's first DTLS datagram"
    KEYS = "DTLS is up"
    PATH = "there are keys, and a path on which the peer has proved to be"
    FAULT = "a time is over, the handshake failed, or a packet could not be handled; the owner is told"
    CLOSE_NOTIFY = "the browser says that it ends; the owner is told"
    CLOSE = "the owner ends it"


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
