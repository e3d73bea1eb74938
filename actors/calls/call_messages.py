"""What a call's task is told: by SIP, by its media, and by its page."""

from attrs import field, frozen

from actors.calls.sip.dialer import Dialer
from actors.calls.sip.phone_line import PhoneLine
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
    for_transfer: bool = False


@frozen(kw_only=True)
class TransferWish:
    """The page wants the phone to call somebody else: `target` as the page names it.

    `other` is the call of the page whose phone it is to take over, in the place of the page.
    """

    target: str
    dialer: Dialer
    other: PhoneLine | None = None


@frozen
class DigitsWish:
    """The page sends digits."""

    digits: str = field(repr=False)
    kind: str


@frozen
class TimeUp:
    """Something has lasted too long."""

    info: CallInfo


@frozen
class PageReturned:
    """The page is there again, or another one in its place: it is to be told of the call."""


@frozen
class PartingOver:
    """A phone that has transferred its call had time to say BYE."""


CallWish = AnswerWish | HoldWish | DigitsWish | TransferWish
CallMessage = CallEvent | MediaEvent | CallWish | TimeUp | PartingOver | PageReturned
