"""What becomes of a call, as a transition table. What is told of each state is its status; an end has one of three."""

from collections.abc import Mapping
from enum import Enum
from typing import Final

from protocol.calls.statuses import CallStatus
from protocol.common.transitions import Transitions


class CallState(Enum):
    """Where a call is."""

    PENDING = "the backend is being asked"
    TRYING = "INVITE has been sent"
    RINGING = "the phone rings, or the page that is called"
    EARLY = "the page hears the phone's side before anybody has answered"
    UP = "both sides talk"
    HELD = "one side holds the call"
    OVER = "it has ended, for whatever reason"


class CallStep(Enum):
    """What may happen to it."""

    INVITED = "the backend allows a page to call, and the phone is called"
    RINGS = "180, or the page is told of the call"
    EARLY_MEDIA = "a provisional response with SDP"
    ANSWERED = "the called side answers"
    HELD = "one side holds it"
    RESUMED = "neither side holds it any more"
    ENDED = "anyone or anything ends it"


_S, _E = CallState, CallStep

CALL_LIFE: Final[Transitions[CallState, CallStep]] = Transitions(
    initial=_S.PENDING,
    rows={
        (_S.PENDING, _E.INVITED): _S.TRYING,
        (_S.PENDING, _E.RINGS): _S.RINGING,
        (_S.TRYING, _E.RINGS): _S.RINGING,
        (_S.TRYING, _E.EARLY_MEDIA): _S.EARLY,
        (_S.TRYING, _E.ANSWERED): _S.UP,
        (_S.RINGING, _E.EARLY_MEDIA): _S.EARLY,
        (_S.RINGING, _E.ANSWERED): _S.UP,
        (_S.EARLY, _E.ANSWERED): _S.UP,
        (_S.UP, _E.HELD): _S.HELD,
        (_S.HELD, _E.RESUMED): _S.UP,
        **{(state, _E.ENDED): _S.OVER for state in _S if state is not _S.OVER},
    },
)

STATUSES: Final[Mapping[CallState, CallStatus]] = {
    _S.PENDING: CallStatus.PENDING,
    _S.TRYING: CallStatus.TRYING,
    _S.RINGING: CallStatus.RING,
    _S.EARLY: CallStatus.RING_MEDIA,
    _S.UP: CallStatus.ESTABLISHED,
    _S.HELD: CallStatus.HOLD,
}
"""What is told of each state but the last."""
