"""A phone: a SIP user agent on UDP that does what a test says, and the media of a plain phone."""

import math
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import trio
from attrs import define, evolve, field

from protocol.sip.calls.outgoing_call import Invitation
from protocol.sip.core import Outbound, Surroundings
from protocol.sip.events import CallAnswered, CallArrived, OfferAccepted, SipEvent
from protocol.sip.messages.digest import SipCredentials
from protocol.sip.messages.headers import NameAddress, SipUri, parse_name_address, parse_uri
from protocol.sip.messages.media_description import (
    AudioDescription,
    CryptoAttribute,
    Origin,
    parse_description,
    write_answer,
    write_offer,
)
from protocol.sip.messages.message import RequestMessage, SipMessage, encode, parse_datagram
from protocol.sip.registration import RegistrationPlan
from protocol.sip.transactions.machines import Hop
from protocol.sip.user_agent import UserAgent
from protocol.webrtc.sdp import Direction
from protocol.webrtc.srtp import SrtpKeys, SrtpProfile
from tests.support.calls.plain_phone import PlainPhone
from tests.support.calls.sip_peer import answer_to
from tests.support.nurseries import plain_nursery
from tests.support.session.wcs_client import PATIENCE

T = TypeVar("T", bound=SipEvent)


@define(eq=False)
class SipPhone:
    """See above. `call` is the id of the call that it is in."""

    socket: Any
    media: PlainPhone = field(factory=PlainPhone)
    call: str = ""
    secret: bytes | None = None
    """Its master key and salt for SRTP; None: it has plain RTP."""
    answers_late: bool = False
    """It makes no offers, and answers those of the server in its ACKs (RFC 6337)."""
    named: str | None = None
    """The host that its Contact names, and its SDP, if they are not right about where it is."""
    events: list[SipEvent] = field(init=False, factory=list)
    registered: list[str] = field(init=False, factory=list)
    """The Contacts that have been registered."""
    agent: UserAgent = field(init=False)
    version: int = field(init=False, default=0)
    _changed: trio.Event = field(init=False, factory=trio.Event)
    _wake: trio.Event = field(init=False, factory=trio.Event)

    def __attrs_post_init__(self) -> None:
        world = Surroundings(
            sent_by=lambda hop: self.address,
            contact_at=lambda hop: (self.named or self.address[0], self.address[1]),
            token=lambda: secrets.token_hex(16),
            uniform=lambda low, high: low,
        )
        self.agent = UserAgent(world)

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.socket.getsockname()
        return host, port

    # -- what it is told -----------------------------------------------------------------------------------------

    async def event(self, kind: type[T]) -> T:
        """The first event of this kind, now or later; it is taken out."""
        with trio.move_on_after(PATIENCE):
            while True:
                for event in self.events:
                    if isinstance(event, kind):
                        self.events.remove(event)
                        return event
                await self._changed.wait()
        raise AssertionError(f"no {kind.__name__}; what came: {self.events}")

    async def next_event(self) -> SipEvent:
        """The next event, however long it takes; it is taken out."""
        while not self.events:
            await self._changed.wait()
        return self.events.pop(0)

    async def is_called(self) -> CallArrived:
        """Wait for a call, and take it up without answering yet."""
        arrived = await self.event(CallArrived)
        self.call = arrived.call
        self.hear(arrived.offer)
        return arrived

    def hear(self, description: bytes | None) -> None:
        """The server's media is where this says."""
        assert description is not None
        audio = parse_description(description).audio
        self.media.server = (audio.address, audio.port)
        if audio.is_secure and self.secret is not None:
            theirs = audio.crypto[0].key
            keys = SrtpKeys(
                profile=SrtpProfile.AES128_CM_SHA1_80,
                local_key=self.secret[:16],
                local_salt=self.secret[16:],
                remote_key=theirs[:16],
                remote_salt=theirs[16:],
            )
            self.media.secure(keys)

    # -- what it does --------------------------------------------------------------------------------------------

    def does(self, command: str, *arguments: Any) -> None:
        """A command of the user agent about its call."""
        getattr(self.agent, command)(self.call, *arguments, trio.current_time())
        self._flush()

    def refuse(self, status: int) -> None:
        """Do not take the call."""
        self.agent.hang_up(self.call, trio.current_time(), status)
        self._flush()

    def hang_up(self) -> None:
        """End the call."""
        self.agent.hang_up(self.call, trio.current_time())
        self._flush()

    def description(self, offer: bytes | None = None, direction: Direction = Direction.SENDRECV) -> bytes:
        """Its SDP: the answer to `offer`, or an offer."""
        self.version += 1
        host, port = self.named or self.media.address[0], self.media.address[1]
        origin = Origin(session_id=7, version=self.version, address=host)
        audio = AudioDescription(
            address=host,
            port=port,
            rtcp_port=self.media.rtcp_port,
            codecs=self.media.codecs,
            direction=direction,
        )
        if self.secret is not None:
            key = CryptoAttribute(tag=1, suite="AES_CM_128_HMAC_SHA1_80", key=self.secret)
            audio = evolve(audio, protocol="RTP/SAVP", crypto=(key,))
        return write_offer(origin, audio) if offer is None else write_answer(origin, audio, parse_description(offer))

    def registers(self, plan: RegistrationPlan, password: str) -> None:
        """Make itself known at a server, as the user of its Contact."""
        credentials = SipCredentials(username=plan.contact_user, password=password)
        self.agent.register(plan, credentials, trio.current_time())
        self._flush()

    def dials(self, contact: str, *, offer: bytes, caller: str = "bob", **headers: str) -> None:
        """Call a page by the Contact that it has registered."""
        callee = parse_uri(contact)
        invitation = Invitation(
            caller=NameAddress(uri=SipUri(user=caller, host="127.0.0.1"), display_name="Bob"),
            callee=callee,
            hops=[Hop(transport="udp", host=callee.host, port=callee.port or 0)],
            offer=offer,
            contact_user="bob",
            contact_token="token",
            headers=tuple(headers.items()),
        )
        self.call = self.agent.call(invitation, None, trio.current_time())
        self._flush()

    # -- life ----------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._keep_time)
            while True:
                data, source = await self.socket.recvfrom(65_535)
                if data.strip():
                    self._take(parse_datagram(data), source)

    def _take(self, message: SipMessage, source: tuple[str, int]) -> None:
        """It is the registrar too, which knows everybody."""
        if isinstance(message, RequestMessage) and message.method == "REGISTER":
            contact = message.headers.get("Contact")
            self.registered.append(str(parse_name_address(contact).uri))
            seen = message.with_header("Via", f"{message.headers.get('Via')}={source[1]};received={source[0]}")  # rport
            self.socket._sock.sendto(answer_to(seen, 200, ("Contact", contact)), source)
            return
        self.agent.receive(message, Hop(transport="udp", host=source[0], port=source[1]), trio.current_time())
        self._flush()

    async def _keep_time(self) -> None:
        while True:
            with trio.move_on_at(min(self.agent.deadline, trio.current_time() + 3600, math.inf)):
                await self._wake.wait()
            self._wake = trio.Event()
            if self.agent.deadline <= trio.current_time():
                self.agent.on_time(trio.current_time())
                self._flush()

    def _flush(self) -> None:
        told = self.agent.events()
        for message in self.agent.outbound():
            self.socket._sock.sendto(self._with_late_answer(message, told), (message.hop.host, message.hop.port))
        self.events += told
        self._changed.set()
        self._changed = trio.Event()
        self._wake.set()

    def _with_late_answer(self, outbound: Outbound, told: list[SipEvent]) -> bytes:
        offers = [event.description for event in told if isinstance(event, CallAnswered | OfferAccepted)]
        ack = outbound.message
        if not self.answers_late or not offers or not isinstance(ack, RequestMessage) or ack.method != "ACK":
            return outbound.data
        self.hear(offers[-1])
        typed = ack.with_header("Content-Type", "application/sdp")
        return encode(evolve(typed, body=self.description(offers[-1])))


@asynccontextmanager
async def sip_phone(media: PlainPhone | None = None, *, named: str | None = None) -> AsyncIterator[SipPhone]:
    """A phone that listens on loopback, and says that it is at `named`, if that is given."""
    opened = trio.socket.socket(trio.socket.AF_INET, trio.socket.SOCK_DGRAM)
    await opened.bind(("127.0.0.1", 0))
    with opened:
        phone = SipPhone(opened, media or PlainPhone(), named=named)
        try:
            async with plain_nursery() as nursery:
                nursery.start_soon(phone.run)
                yield phone
                nursery.cancel_scope.cancel()
        finally:
            phone.media.close()
