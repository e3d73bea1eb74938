"""Two SIP user agents and the network between them, in simulated time: what is sent can be seen, lost and delayed."""

from collections.abc import Callable
from itertools import count

from attrs import define, field

from protocol.sip.calls.outgoing_call import Invitation
from protocol.sip.core import Outbound, Surroundings
from protocol.sip.events import SipEvent
from protocol.sip.messages.headers import NameAddress, parse_uri
from protocol.sip.messages.message import RequestMessage, SipMessage, parse_datagram
from protocol.sip.transactions.machines import Hop
from protocol.sip.user_agent import UserAgent

OFFER = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\nm=audio 4000 RTP/AVP 8 0\r\n"
ANSWER = OFFER.replace(b"4000", b"5000")
ALICE, BOB = "192.0.2.1", "192.0.2.2"


def keep_all(message: SipMessage) -> bool:
    """A network that loses nothing."""
    return True


def named(message: SipMessage) -> str:
    """What a flow chart calls a message: INVITE, 180, 200 ..."""
    return message.method if isinstance(message, RequestMessage) else str(message.status)


@define(eq=False)
class Party:
    """One side: its agent, the messages that it has sent, and what it has been told."""

    address: str
    transport: str = "udp"
    accepts_refer: bool = False
    agent: UserAgent = field(init=False)
    sent: list[SipMessage] = field(factory=list)
    told: list[SipEvent] = field(factory=list)
    tokens: "count[int]" = field(factory=count)
    random: float = 0.5

    def __attrs_post_init__(self) -> None:
        self.agent = UserAgent(
            Surroundings(
                sent_by=lambda hop: (self.address, 5060),
                contact_at=lambda hop: (self.address, 5060),
                token=lambda: f"t{self.address[-1]}{next(self.tokens)}",
                uniform=lambda low, high: low + (high - low) * self.random,
                accepts_refer=self.accepts_refer,
            )
        )

    @property
    def hop(self) -> Hop:
        """Where it is found."""
        return Hop(transport=self.transport, host=self.address, port=5060)

    def flow(self) -> list[str]:
        """What it has sent."""
        return [named(message) for message in self.sent]

    def last(self, kind: type[SipEvent]) -> SipEvent:
        """The last event of a kind."""
        return [event for event in self.told if isinstance(event, kind)][-1]

    def kinds(self) -> list[str]:
        """What it has been told, as names."""
        return [type(event).__name__ for event in self.told]


@define(eq=False)
class SipNetwork:
    """See above. `keeps` decides about each message whether it arrives."""

    alice: Party = field(factory=lambda: Party(ALICE))
    bob: Party = field(factory=lambda: Party(BOB))
    keeps: Callable[[SipMessage], bool] = keep_all
    now: float = 0.0
    waiting: list[tuple[Party, Outbound]] = field(factory=list)

    def settle(self) -> None:
        """Deliver whatever is under way, and what that leads to."""
        self._collect()
        while self.waiting:
            sender, outbound = self.waiting.pop(0)
            receiver = self.bob if sender is self.alice else self.alice
            if self.keeps(outbound.message) and outbound.hop.host == receiver.address:
                receiver.agent.receive(parse_datagram(outbound.data), sender.hop, self.now)
            self._collect()

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until = self.now + seconds
        self.settle()
        while (due := min(self.alice.agent.deadline, self.bob.agent.deadline)) <= until:
            self.now = max(self.now, due)
            for party in (self.alice, self.bob):
                party.agent.on_time(self.now)
            self.settle()
        self.now = until

    def call(self, *, offer: bytes = OFFER, fallback: bytes | None = None) -> str:
        """Alice calls Bob."""
        invitation = Invitation(
            caller=NameAddress(uri=parse_uri("sip:alice@example.com"), display_name="Alice"),
            callee=parse_uri("sip:bob@example.com"),
            hops=[self.bob.hop],
            offer=offer,
            fallback=fallback,
            contact_user="alice",
            contact_token="a",
        )
        call = self.alice.agent.call(invitation, None, self.now)
        self.settle()
        return call

    def connect(self) -> tuple[str, str]:
        """Alice calls Bob, who answers; what each side calls the call."""
        call = self.call()
        arrived = self.bob.told[-1]
        self.bob.agent.ring(arrived.call, self.now)  # type: ignore[union-attr] # the test fails if it is another
        self.bob.agent.answer(arrived.call, ANSWER, self.now)  # type: ignore[union-attr] # as above
        self.settle()
        return call, arrived.call  # type: ignore[union-attr] # as above

    def forget(self) -> None:
        """As if nothing had been sent or told yet."""
        for party in (self.alice, self.bob):
            party.sent.clear()
            party.told.clear()

    def _collect(self) -> None:
        for party in (self.alice, self.bob):
            party.told += party.agent.events()
            for outbound in party.agent.outbound():
                party.sent.append(outbound.message)
                self.waiting.append((party, outbound))
