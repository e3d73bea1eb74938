"""A SIP user agent (RFC 3261): messages and commands in, messages and events out; no socket, no clock.

After each call of a method, `outbound()` gives the messages to be sent and `events()` what there is to know, and
`deadline` says when `on_time` is due. Methods that change something take the time, in seconds of a monotonic clock.
Who may send to it at all is for its owner to check, before `receive`: it answers whatever arrives.

    register -> RegistrationSucceeded | RegistrationFailed, at each refresh; unregister -> RegistrationEnded
    call -> CallProgressed* -> CallAnswered | CallEnded
    CallArrived -> ring, progress, answer (-> CallAcknowledged) | hang_up
    up: offer -> OfferAccepted | OfferRefused; OfferArrived -> accept_offer | refuse_offer; CallEnded at the end

`hang_up` is the end for its caller: no event about the call follows.
"""

from attrs import evolve

from protocol.sip.calls.call import SipCall
from protocol.sip.calls.call_directory import CallDirectory
from protocol.sip.calls.outgoing_call import Invitation, OutgoingCall
from protocol.sip.core import Outbound, SipCore, Surroundings
from protocol.sip.events import SipEvent
from protocol.sip.message_router import MessageRouter
from protocol.sip.messages.digest import Authenticator, SipCredentials
from protocol.sip.messages.headers import NameAddress, SipUri
from protocol.sip.messages.message import RequestMessage, SipMessage
from protocol.sip.registration import RegistrationClient, RegistrationPlan
from protocol.sip.traffic import SipTraffic
from protocol.sip.transactions.machines import Hop, client_key_of


class UserAgent:
    """See above. Commands about a call or registration that is over do nothing."""

    def __init__(self, world: Surroundings) -> None:
        self._core = SipCore(world)
        self._calls = CallDirectory()
        self._router = MessageRouter(self._core, self._calls)
        self._registrations: dict[str, RegistrationClient] = {}
        self._referred: dict[str, SipCall] = {}
        """Those whose other side has ordered a transfer, and is told what becomes of it."""

    def accept_transfers(self, *, accepted: bool) -> None:
        """Whether transfers that other sides order are offered to our owner from now on."""
        self._core.world = evolve(self._core.world, accepts_refer=accepted)

    # -- what arrives ------------------------------------------------------------------------------------------------

    def receive(self, message: SipMessage, source: Hop, now: float) -> None:
        """Take a message. Raises SipError for one that cannot even be answered."""
        self._router.receive(message, source, now)

    def unsendable(self, outbound: Outbound, now: float) -> None:
        """It could not be sent: for a request that means the next server, or no answer at all."""
        if isinstance(outbound.message, RequestMessage) and outbound.message.method != "ACK":
            transaction = self._core.clients.get(client_key_of(outbound.message))
            if transaction is not None:
                transaction.broken(now)

    def connection_lost(self, hop: Hop, now: float) -> None:
        """A connection has ended that messages went by."""
        for transaction in tuple(self._core.clients.values()):
            if transaction.hop == hop:
                transaction.connection_lost(now)

    # -- outputs -----------------------------------------------------------------------------------------------------

    def outbound(self) -> list[Outbound]:
        """The messages to be sent, in order; each once."""
        found, self._core.outbound = self._core.outbound, []
        return found

    def events(self) -> list[SipEvent]:
        """What has happened, in order; each once."""
        found, self._core.events = self._core.events, []
        return found

    @property
    def deadline(self) -> float:
        """When `on_time` is due; math.inf: never."""
        return self._core.timers.deadline

    @property
    def traffic(self) -> SipTraffic:
        """What is counted."""
        return self._core.traffic

    @property
    def transaction_counts(self) -> tuple[int, int]:
        """Requests of ours, and those that we answer."""
        return len(self._core.clients), len(self._core.servers)

    @property
    def transaction_count(self) -> int:
        return sum(self.transaction_counts)

    @property
    def unanswered_count(self) -> int:
        """Requests of ours whose final response is still to come."""
        return sum(transaction.waits for transaction in self._core.clients.values())

    @property
    def call_count(self) -> int:
        return len(self._calls.calls)

    @property
    def refused_count(self) -> int:
        """Requests answered by 503, since there were too many transactions."""
        return self._router.refused

    def on_time(self, now: float) -> None:
        """Do what is due."""
        self._core.timers.run(now)

    # -- registrations -----------------------------------------------------------------------------------------------

    def register(self, plan: RegistrationPlan, credentials: SipCredentials | None, now: float) -> str:
        """Register; the id of the registration. `refresh` must come in time."""
        client = RegistrationClient(self._core, plan, Authenticator(credentials, self._core.world.token))
        self._registrations[client.id] = client
        client.refresh(now)
        return client.id

    def contact_token(self, registration: str) -> str:
        """What `CallArrived.contact_token` is for calls to this registration."""
        client = self._registrations.get(registration)
        return "" if client is None else client.token

    def refresh(self, registration: str, now: float) -> None:
        """Register once more."""
        if registration in self._registrations:
            self._registrations[registration].refresh(now)

    def unregister(self, registration: str, now: float) -> None:
        """Have it forgotten."""
        client = self._registrations.pop(registration, None)
        if client is not None:
            client.end(now)

    def abandon(self, registration: str) -> None:
        """No word more about it, neither to the registrar nor to the owner."""
        client = self._registrations.pop(registration, None)
        if client is not None:
            client.abandon()

    # -- calls -------------------------------------------------------------------------------------------------------

    def call(self, invitation: Invitation, credentials: SipCredentials | None, now: float) -> str:
        """Call somebody; the id of the call."""
        auth = Authenticator(credentials, self._core.world.token)
        call = OutgoingCall(self._core, self._calls, auth, invitation)
        self._calls.add(call)
        call.start(now)
        return call.id

    def knows(self, call: str) -> bool:
        """Whether the call is not over."""
        return call in self._calls.calls

    def ring(self, call: str, now: float) -> None:
        """180 for a call that has arrived."""
        if (found := self._calls.arrived(call)) is not None:
            found.ring(now)

    def progress(self, call: str, description: bytes, now: float) -> None:
        """183 with early media for a call that has arrived."""
        if (found := self._calls.arrived(call)) is not None:
            found.progress(description, now)

    def answer(self, call: str, description: bytes, now: float) -> None:
        """200 for a call that has arrived."""
        if (found := self._calls.arrived(call)) is not None:
            found.answer(description, now)

    def hang_up(self, call: str, now: float, status: int = 480) -> None:
        """End a call: BYE, CANCEL, or `status` for one that has arrived and was not answered."""
        self._referred.pop(call, None)
        if (found := self._calls.calls.get(call)) is not None:
            found.hang_up(now, status)

    def offer(self, call: str, description: bytes, now: float) -> None:
        """Re-INVITE; while another offer is under way, it waits, and the last one counts."""
        if (found := self._calls.up(call)) is not None:
            found.offers.offer(description, now)

    def accept_offer(self, call: str, description: bytes, now: float) -> None:
        """Accept an OfferArrived."""
        if (found := self._calls.calls.get(call)) is not None:
            found.offers.accept(description, now)

    def refuse_offer(self, call: str, now: float, status: int = 488) -> None:
        """Refuse an OfferArrived; the call goes on as it was."""
        if (found := self._calls.calls.get(call)) is not None:
            found.offers.refuse(status, now)

    def send_info(self, call: str, content_type: str, body: bytes, now: float) -> None:
        """INFO, as with a digit in it."""
        if (found := self._calls.up(call)) is not None:
            found.send_info(content_type, body, now)

    def transfer(self, call: str, target: SipUri, now: float, *, replaces: str | None = None) -> None:
        """REFER; `replaces` is the id of another call, whose other side is to be connected with this one's."""
        other = None if replaces is None else self._calls.up(replaces)
        if (found := self._calls.up(call)) is not None:
            found.transfer.refer(target, None if other is None else other.dialog, now)

    def answer_transfer(self, call: str, status: int, now: float) -> None:
        """202 for a TransferAsked that is followed, another status for one that is not."""
        if (found := self._calls.calls.get(call)) is not None:
            found.referral.answer(status, now)
            if found.referral.is_followed:
                self._referred[call] = found

    def tell_transfer(self, call: str, status: int, reason: str, now: float) -> None:
        """NOTIFY how far a transfer is that is followed, also if the call is over; a final status is the last."""
        if (found := self._referred.get(call)) is not None:
            found.referral.tell(status, reason, now)
            if not found.referral.is_followed:
                del self._referred[call]

    def remote_party(self, call: str) -> NameAddress | None:
        """The other side of a call that is up, as a target for transfers.

        Before that it would be called itself, instead of its call being taken over, and nobody has allowed this number.
        """
        found = self._calls.up(call)
        return None if found is None or found.dialog is None else found.dialog.remote
