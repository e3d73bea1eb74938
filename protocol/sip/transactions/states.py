"""The states of SIP transactions, and what leads from one to another (RFC 3261 section 17, RFC 6026)."""

from enum import Enum
from typing import Final

from protocol.common.transitions import Transitions


class ClientTransactionState(Enum):
    """Of a request that we have sent."""

    CALLING = "sent, and repeated until something comes back"
    PROCEEDING = "a provisional response has come"
    ACCEPTED = "a 2xx to INVITE has come; further ones may, from other phones"
    COMPLETED = "a final response has come, and may come again"
    TERMINATED = "it is over"


class ClientTransactionEvent(Enum):
    """What happens to a request that we have sent."""

    PROVISIONAL = "a 1xx arrives"
    SUCCESS = "a 2xx arrives"
    FAILURE = "a 3xx to 6xx arrives"
    LAPSE = "the time of the state has passed"
    BREAK = "it cannot be sent, or its owner gives it up"


class ServerTransactionState(Enum):
    """Of a request that has come to us."""

    PROCEEDING = "no final response yet"
    ACCEPTED = "answered by 2xx, whose ACK the call waits for"
    COMPLETED = "finally answered; the answer is repeated"
    CONFIRMED = "the ACK of a failure has come"
    TERMINATED = "it is over"


class ServerTransactionEvent(Enum):
    """What happens to a request that has come to us."""

    SUCCESS = "we answer 2xx"
    FAILURE = "we answer 3xx to 6xx"
    ACK = "an ACK of our failure arrives"
    LAPSE = "the time of the state has passed"
    BREAK = "its owner gives it up"


_C, _CE, _S, _SE = ClientTransactionState, ClientTransactionEvent, ServerTransactionState, ServerTransactionEvent

INVITE_CLIENT: Final = Transitions(
    initial=_C.CALLING,
    rows={
        (_C.CALLING, _CE.PROVISIONAL): _C.PROCEEDING,
        (_C.CALLING, _CE.SUCCESS): _C.ACCEPTED,
        (_C.CALLING, _CE.FAILURE): _C.COMPLETED,
        (_C.CALLING, _CE.LAPSE): _C.TERMINATED,
        (_C.CALLING, _CE.BREAK): _C.TERMINATED,
        (_C.PROCEEDING, _CE.PROVISIONAL): _C.PROCEEDING,
        (_C.PROCEEDING, _CE.SUCCESS): _C.ACCEPTED,
        (_C.PROCEEDING, _CE.FAILURE): _C.COMPLETED,
        (_C.PROCEEDING, _CE.BREAK): _C.TERMINATED,
        (_C.ACCEPTED, _CE.SUCCESS): _C.ACCEPTED,
        (_C.ACCEPTED, _CE.LAPSE): _C.TERMINATED,
        (_C.ACCEPTED, _CE.BREAK): _C.TERMINATED,
        (_C.COMPLETED, _CE.FAILURE): _C.COMPLETED,
        (_C.COMPLETED, _CE.LAPSE): _C.TERMINATED,
        (_C.COMPLETED, _CE.BREAK): _C.TERMINATED,
    },
)
OTHER_CLIENT: Final = Transitions(
    initial=_C.CALLING,
    rows={
        (_C.CALLING, _CE.PROVISIONAL): _C.PROCEEDING,
        (_C.CALLING, _CE.SUCCESS): _C.COMPLETED,
        (_C.CALLING, _CE.FAILURE): _C.COMPLETED,
        (_C.CALLING, _CE.LAPSE): _C.TERMINATED,
        (_C.CALLING, _CE.BREAK): _C.TERMINATED,
        (_C.PROCEEDING, _CE.PROVISIONAL): _C.PROCEEDING,
        (_C.PROCEEDING, _CE.SUCCESS): _C.COMPLETED,
        (_C.PROCEEDING, _CE.FAILURE): _C.COMPLETED,
        (_C.PROCEEDING, _CE.LAPSE): _C.TERMINATED,
        (_C.PROCEEDING, _CE.BREAK): _C.TERMINATED,
        (_C.COMPLETED, _CE.LAPSE): _C.TERMINATED,
        (_C.COMPLETED, _CE.BREAK): _C.TERMINATED,
    },
)
INVITE_SERVER: Final = Transitions(
    initial=_S.PROCEEDING,
    rows={
        (_S.PROCEEDING, _SE.SUCCESS): _S.ACCEPTED,
        (_S.PROCEEDING, _SE.FAILURE): _S.COMPLETED,
        (_S.PROCEEDING, _SE.BREAK): _S.TERMINATED,
        (_S.ACCEPTED, _SE.LAPSE): _S.TERMINATED,
        (_S.ACCEPTED, _SE.BREAK): _S.TERMINATED,
        (_S.COMPLETED, _SE.ACK): _S.CONFIRMED,
        (_S.COMPLETED, _SE.LAPSE): _S.TERMINATED,
        (_S.COMPLETED, _SE.BREAK): _S.TERMINATED,
        (_S.CONFIRMED, _SE.LAPSE): _S.TERMINATED,
        (_S.CONFIRMED, _SE.BREAK): _S.TERMINATED,
    },
)
OTHER_SERVER: Final = Transitions(
    initial=_S.PROCEEDING,
    rows={
        (_S.PROCEEDING, _SE.SUCCESS): _S.COMPLETED,
        (_S.PROCEEDING, _SE.FAILURE): _S.COMPLETED,
        (_S.PROCEEDING, _SE.BREAK): _S.TERMINATED,
        (_S.COMPLETED, _SE.LAPSE): _S.TERMINATED,
        (_S.COMPLETED, _SE.BREAK): _S.TERMINATED,
    },
)
