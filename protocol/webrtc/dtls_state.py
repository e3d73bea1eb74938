"""The states of one DTLS endpoint, as data.

Only the endpoint sees OpenSSL. It reports the outcome of each datagram to this machine, and accepts datagrams and
timers while the state is not final. A handshake finished by OpenSSL is not an event: WebRTC has no certificate
authority, so what counts is that the certificate matches the offer and that both sides speak SRTP (RFC 8827 section
6.5, RFC 5764 section 4.1). Until then no keys leave the endpoint.

A lost last flight is repeated while UP, so UP accepts datagrams without an event.
"""

from enum import Enum, unique

from protocol.common.transitions import Transitions


@unique
class DtlsState(Enum):
    """The state of a connection. FAILED and CLOSED are final."""

    NEW = "a server waits for the peer's first datagram"
    HANDSHAKING = "flights go back and forth; lost ones are repeated"
    UP = "the peer's certificate matches the offer, and SRTP keys are available"
    FAILED = "the peer sent something, or failed to, that makes a connection impossible; `failure` has the kind"
    CLOSED = "one side has closed the connection"


@unique
class DtlsEvent(Enum):
    """What happens to a connection."""

    START = "the peer's first datagram; for a client, its own first flight"
    VERIFIED = "OpenSSL has finished, the certificate matches the offer, and both sides support SRTP"
    FAULT = "a wrong certificate, no SRTP, a fatal alert, an unexpected message, or a dozen unanswered repetitions"
    CLOSE_NOTIFY = "the peer closes the connection (RFC 5246 section 7.2.1)"
    CLOSE = "our side closes the connection"


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
