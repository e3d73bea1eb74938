"""Statuses of calls, spelled exactly as the WebSDK's `CALL_STATUS`. Pages compare these texts."""

from enum import StrEnum


class CallStatus(StrEnum):
    """The last three end a call."""

    PENDING = "PENDING"
    TRYING = "TRYING"
    RING = "RING"
    RING_MEDIA = "RING_MEDIA"
    ESTABLISHED = "ESTABLISHED"
    HOLD = "HOLD"
    FINISH = "FINISH"
    BUSY = "BUSY"
    FAILED = "FAILED"

    @property
    def is_last(self) -> bool:
        return self in (CallStatus.FINISH, CallStatus.BUSY, CallStatus.FAILED)


class TransferStatus(StrEnum):
    """How far a transfer is. The WebSDK knows `COMPLETED`; the others are for the backend."""

    TRYING = "TRYING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"


_BUSY = frozenset({486, 600})
_NO_FAULT = frozenset({200, 480, 487, 603})


def status_of_end(sip_status: int, *, was_up: bool) -> CallStatus:
    """How a call has ended whose other side ended it by this response; 200 is a BYE."""
    if sip_status in _BUSY:
        return CallStatus.BUSY
    return CallStatus.FINISH if was_up or sip_status in _NO_FAULT else CallStatus.FAILED
