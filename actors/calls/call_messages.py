"""What a call's task is told: by SIP, by its media, and by its page."""

from attrs import field, frozen

from actors.media.events import MediaEvent
from protocol.calls.info_texts import CallInfo
from protocol.sip.events import CallEvent


@frozen
class AnswerWish:
    """The page answers."""

    sdp: str


@frozen
class HoldWish:
    """The page holds the call, or goes on."""

    held: bool


@frozen
class DigitsWish:
    """The page sends digits."""

    digits: str = field(repr=False)
    kind: str


@frozen
class TimeUp:
    """Something has lasted too long."""

    info: CallInfo


CallWish = AnswerWish | HoldWish | DigitsWish
CallMessage = CallEvent | MediaEvent | CallWish | TimeUp
