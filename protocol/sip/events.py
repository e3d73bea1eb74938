"""What a user agent tells its owner. `call` and `registration` are the ids that its commands returned or announced.

Session descriptions are bytes, for `messages.media_description`; None where a message carries none. They are not shown:
there may be keys in them.
"""

from attrs import field, frozen

from protocol.sip.messages.headers import NameAddress, SipUri
from protocol.sip.messages.message import RequestMessage, SipMessage
from protocol.sip.transactions.machines import Hop


@frozen(kw_only=True)
class RegistrationSucceeded:
    """The registrar at `hop` knows us, for `expires` seconds; refreshes say so again."""

    registration: str
    hop: Hop
    expires: float
    seen_as: tuple[str, int] | None
    """The address and port at which the registrar sees us, if it is not the one that our Contact has named."""
    uses_md5: bool = False
    """Whether it knows no better digest than MD5."""


@frozen(kw_only=True)
class RegistrationFailed:
    """The registrar refuses, or cannot be reached (408, 503). `retry_after`: in seconds, if it says so."""

    registration: str
    status: int
    reason: str
    retry_after: float | None = None


@frozen(kw_only=True)
class RegistrationEnded:
    """The registrar has forgotten us, as it was asked to, or has not answered that any more."""

    registration: str


@frozen(kw_only=True)
class CallArrived:
    """Somebody calls. Answer by `ring`, `progress`, `answer` or `reject`; 100 has been sent.

    `contact_token` is the one of our Contact that the call is for, `source` where it came from. `replaces` is the id of
    a call of ours that is up, in whose other side's place the caller comes (RFC 3891).
    """

    call: str
    caller: NameAddress
    callee: SipUri
    contact_token: str
    offer: bytes | None = field(repr=False)
    source: Hop
    replaces: str | None
    request: RequestMessage = field(repr=False)


@frozen(kw_only=True)
class CallProgressed:
    """A 101 to 199 to our call; `description` is early media's. `dialog` tells phones apart where a proxy forks."""

    call: str
    status: int
    reason: str
    description: bytes | None = field(repr=False)
    dialog: str


@frozen(kw_only=True)
class CallAnswered:
    """A 2xx to our call, which is up and acknowledged. None: the description came with a reliable 18x."""

    call: str
    description: bytes | None = field(repr=False)
    dialog: str
    message: SipMessage = field(repr=False)


@frozen(kw_only=True)
class CallAcknowledged:
    """The ACK to our answer, of a call or of a new offer; with a description if ours was the offer."""

    call: str
    description: bytes | None = field(repr=False)


@frozen(kw_only=True)
class CallEnded:
    """The call is over, not by us. `status` is that of the final response: 487 after CANCEL, 408 for no answer at all.

    `was_up`: it ended by BYE or a failure after it was answered; `status` is 200 for a BYE.
    """

    call: str
    status: int
    reason: str
    was_up: bool


@frozen(kw_only=True)
class OfferArrived:
    """A re-INVITE or an UPDATE. Answer by `accept_offer` or `refuse_offer`. None: it wants an offer in our answer."""

    call: str
    offer: bytes | None = field(repr=False)


@frozen(kw_only=True)
class OfferAccepted:
    """The answer to our re-INVITE."""

    call: str
    description: bytes | None = field(repr=False)


@frozen(kw_only=True)
class OfferRefused:
    """Our re-INVITE is refused; the call goes on as it was."""

    call: str
    status: int
    reason: str


@frozen(kw_only=True)
class InfoArrived:
    """An INFO within the call, which has been answered by 200."""

    call: str
    content_type: str
    body: bytes = field(repr=False)


@frozen(kw_only=True)
class InfoAnswered:
    """The final response to an INFO of ours."""

    call: str
    status: int


@frozen(kw_only=True)
class TransferProgressed:
    """What became of our REFER: its own refusal, or the status of the call that it led to (RFC 3515)."""

    call: str
    status: int
    reason: str
    is_final: bool


@frozen(kw_only=True)
class TransferAsked:
    """The other side wants us to call somebody else. Answer by `answer_transfer`.

    `target` is a user at a host, which may be anybody. `replaces` is the header field for the INVITE, if there is one.
    """

    call: str
    target: SipUri
    replaces: str | None


RegistrationEvent = RegistrationSucceeded | RegistrationFailed | RegistrationEnded
CallEvent = (
    CallArrived
    | CallProgressed
    | CallAnswered
    | CallAcknowledged
    | CallEnded
    | OfferArrived
    | OfferAccepted
    | OfferRefused
    | InfoArrived
    | InfoAnswered
    | TransferProgressed
    | TransferAsked
)
SipEvent = RegistrationEvent | CallEvent
