"""The states of one DTLS endpoint, as data.

Only the endpoint sees OpenSSL. It tells this machine what came of each datagram, and takes datagrams and timers as long
as the state is not final. That OpenSSL has finished a handshake is no event: WebRTC has no certificate authority, so
what counts is that the certificate is the one of the offer, and that both sides speak SRTP (RFC 8827 section 6.5,
RFC 5764 section 4.1). Until then no keys leave the endpoint.

A lost last flight is repeated while UP, so UP takes datagrams without an event.
"""

from enum import Enum, unique

from protocol.common.transitions import Transitions


@unique
class DtlsState(Enum):
    """Where a connection stands. FAILED and CLOSED are final."""

    NEW = "a server waits for the peer's first datagram"
    HANDSHAKING = "flights go back and forth; what is lost is sent again"
    UP = "the peer is the one of the offer, and there are keys for SRTP"
    FAILED = "what the peer sent, or did not send, makes a connection impossible; `failure` says which kind"
    CLOSED = "one side has said that it ends"


@unique
class DtlsEvent(Enum):
    """What happens to a connection."""

    START = "the peer's first datagram; for a client, its own first flight"
    VERIFIED = "OpenSSL has finished, the certificate fits the offer, and both sides do SRTP"
    FAULT = "another certificate, no SRTP, a fatal alert, a message out of order, a dozen repetitions without an answer"
    CLOSE_NOTIFY = "the peer says that it ends (RFC 5246 section 7.2.1)"
    CLOSE = "our own side ends"


TRANSITIONS = Transitions(
    initial=DtlsState.NEW,
    rows={
        (DtlsState.NEW, DtlsEvent.START): DtlsState.HANDSHAKING,
        (DtlsState.NEW, DtlsEvent.CLOSE): DtlsState.CLOSED,
        (DtlsState.HANDSHAKING, DtlsEvent.VERIFIED): DtlsState.UP,
        (DtlsState.HANDSHAKING, DtlsEvent.FAULT): DtlsState.FAILED,
        (DtlsState.HANDSHAKING, DtlsEvent.CLOSE_NOTIFY): DtlsState.CLOSED,
        (DtlsState.HANDSHAKING, DtlsEvent.CLOSE): DtlsState.CLOSED,
        (DtlsState.UP, DtlsEvent.FAULT): DtlsState.FAILED,
        (DtlsState.UP, DtlsEvent.CLOSE_NOTIFY): DtlsState.CLOSED,
        (DtlsState.UP, DtlsEvent.CLOSE): DtlsState.CLOSED,
    },
)
