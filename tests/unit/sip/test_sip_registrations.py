"""Registrations against a registrar that is written down (RFC 3665 section 2): digest, times, refusals, failover."""

from typing import cast

import pytest
from attrs import define, evolve, field

from protocol.sip.core import Outbound, Surroundings
from protocol.sip.events import RegistrationEnded, RegistrationFailed, RegistrationSucceeded, SipEvent
from protocol.sip.messages.digest import SipCredentials
from protocol.sip.messages.headers import NameAddress, parse_uri
from protocol.sip.messages.message import HeaderFields, RequestMessage, ResponseMessage
from protocol.sip.registration import RegistrationPlan
from protocol.sip.transactions.machines import Hop
from protocol.sip.user_agent import UserAgent

FIRST = Hop(transport="udp", host="192.0.2.10", port=5060)
SECOND = Hop(transport="udp", host="192.0.2.11", port=5060)
CHALLENGE = ("WWW-Authenticate", 'Digest realm="example.com", nonce="n1", qop="auth"')


@define(eq=False)
class Registrar:
    """An agent that registers, and what it sends; a test answers in the place of the server."""

    hops: tuple[Hop, ...] = (FIRST,)
    now: float = 0.0
    tokens: int = 0
    sent: list[Outbound] = field(factory=list)
    agent: UserAgent = field(init=False)
    registration: str = field(init=False)
    contact: tuple[str, int] = ("192.0.2.1", 5060)

    def __attrs_post_init__(self) -> None:
        self.agent = UserAgent(
            Surroundings(
                sent_by=lambda hop: ("192.0.2.1", 5060),
                contact_at=lambda hop: self.contact,
                token=self._token,
                uniform=lambda low, high: low,
            )
        )
        plan = RegistrationPlan(
            account=NameAddress(uri=parse_uri("sip:alice@example.com")),
            registrar=parse_uri("sip:example.com"),
            hops=self.hops,
            contact_user="alice",
        )
        credentials = SipCredentials(username="alice", password="secret")
        self.registration = self.agent.register(plan, credentials, self.now)

    def _token(self) -> str:
        self.tokens += 1
        return f"t{self.tokens}"

    def request(self) -> RequestMessage:
        """The last one."""
        self.sent += self.agent.outbound()
        return cast(RequestMessage, self.sent[-1].message)

    def answer(self, status: int, *headers: tuple[str, str]) -> list[SipEvent]:
        """Answer the last request; what the owner is told."""
        request = self.request()
        kept = [(name, request.headers.get(name)) for name in ("Via", "From", "To", "Call-ID", "CSeq")]
        given = HeaderFields((*kept, *headers))
        self.agent.receive(ResponseMessage(status=status, reason="so", headers=given), self.sent[-1].hop, self.now)
        return self.agent.events()


def test_a_registration_with_a_password() -> None:
    registrar = Registrar()
    first = registrar.request()
    assert (first.method, first.uri, first.headers.get("CSeq")) == ("REGISTER", "sip:example.com", "1 REGISTER")
    assert not first.headers.has("Authorization")
    assert registrar.answer(401, CHALLENGE) == []
    second = registrar.request()
    assert (second.headers.get("CSeq"), second.headers.get("Call-ID")) == ("2 REGISTER", first.headers.get("Call-ID"))
    assert 'username="alice"' in second.headers.get("Authorization")
    (event,) = registrar.answer(
        200, ("Contact", f"{second.headers.get('Contact').partition(';expires')[0]};expires=300")
    )
    assert event == RegistrationSucceeded(
        registration=registrar.registration, hop=FIRST, expires=300.0, seen_as=None, uses_md5=True
    )
    registrar.agent.refresh(registrar.registration, registrar.now)
    assert "nc=00000002" in registrar.request().headers.get("Authorization")


def test_a_wrong_password_is_tried_once() -> None:
    registrar = Registrar()
    registrar.answer(401, CHALLENGE)
    (event,) = registrar.answer(401, ("WWW-Authenticate", 'Digest realm="example.com", nonce="n2"'))
    failed = cast(RegistrationFailed, event)
    assert (failed.status, failed.reason) == (401, "the server does not accept the password")
    assert registrar.agent.outbound() == []


def test_a_server_that_calls_every_nonce_stale_is_left() -> None:
    registrar = Registrar()
    told: list[SipEvent] = []
    for number in range(4):
        told += registrar.answer(401, ("WWW-Authenticate", f'Digest realm="r", nonce="{number}", stale=true'))
    assert len(registrar.sent) == 3
    assert cast(RegistrationFailed, told[0]).reason == "the server asks for the password again and again"


@pytest.mark.parametrize(("status", "after"), [(403, None), (404, None), (503, 120.0)])
def test_refusals(status: int, after: float | None) -> None:
    headers = () if after is None else (("Retry-After", f"{after:.0f} (busy)"),)
    (event,) = Registrar().answer(status, *headers)
    failed = cast(RegistrationFailed, event)
    assert (failed.status, failed.retry_after) == (status, after)


def test_a_registrar_that_wants_longer_registrations() -> None:
    registrar = Registrar()
    assert registrar.answer(423, ("Min-Expires", "3600")) == []
    assert registrar.request().headers.get("Expires") == "3600"
    (event,) = registrar.answer(423, ("Min-Expires", "3600"))
    assert cast(RegistrationFailed, event).status == 423


def test_the_server_that_has_worked_is_asked_first_afterwards() -> None:
    registrar = Registrar(hops=(FIRST, SECOND))
    registrar.answer(503)
    registrar.answer(200)
    registrar.agent.refresh(registrar.registration, registrar.now)
    registrar.request()
    assert [each.hop for each in registrar.sent] == [FIRST, SECOND, SECOND]
    registrar.answer(503)
    registrar.request()
    assert registrar.sent[-1].hop == FIRST


def test_the_next_server_is_tried_where_one_does_not_work() -> None:
    registrar = Registrar(hops=(FIRST, SECOND))
    assert registrar.answer(503) == []
    registrar.request()
    assert registrar.sent[-1].hop == SECOND
    (event,) = registrar.answer(200)
    assert cast(RegistrationSucceeded, event).expires == 600.0


def test_the_next_server_is_tried_where_one_is_silent_or_out_of_reach() -> None:
    for cause in ("silent", "unsendable"):
        registrar = Registrar(hops=(FIRST, SECOND))
        registrar.request()
        if cause == "silent":
            registrar.agent.on_time(32.0)
        else:
            registrar.agent.unsendable(registrar.sent[-1], 0.0)
        registrar.request()
        assert registrar.sent[-1].hop == SECOND
        registrar.agent.unsendable(registrar.sent[-1], 0.0)
        (event,) = registrar.agent.events()
        assert cast(RegistrationFailed, event).status == 408


SEEN_AS = ("198.51.100.7", 40000)


def seen_as(registrar: Registrar) -> tuple[str, int] | None:
    """Where the server sees us, who says so in the Via of its answer."""
    host, port = SEEN_AS
    via = f"{registrar.request().headers.get('Via')}={port};received={host}"
    given = registrar.request().headers.replaced("Via", via)
    registrar.agent.receive(ResponseMessage(status=200, reason="OK", headers=given), registrar.sent[-1].hop, 0.0)
    (event,) = registrar.agent.events()
    return cast(RegistrationSucceeded, event).seen_as


@pytest.mark.parametrize(("transport", "told"), [("udp", SEEN_AS), ("tls", SEEN_AS), ("tcp", None)])
def test_behind_nat_the_registrar_says_how_it_sees_us(transport: str, told: tuple[str, int] | None) -> None:
    """By TCP it may connect to us where we listen; by TLS it cannot."""
    assert seen_as(Registrar(hops=(evolve(FIRST, transport=transport),))) == told


def test_what_counts_is_the_contact_that_was_given_not_what_is_known_meanwhile() -> None:
    registrar = Registrar()
    registrar.request()
    registrar.contact = SEEN_AS  # as another registration has been told
    assert seen_as(registrar) == SEEN_AS
    registrar.agent.refresh(registrar.registration, registrar.now)
    assert seen_as(registrar) is None


def test_the_end() -> None:
    registrar = Registrar()
    registrar.answer(200)
    registrar.agent.unregister(registrar.registration, registrar.now)
    assert registrar.request().headers.get("Expires") == "0"
    assert registrar.answer(200) == [RegistrationEnded(registration=registrar.registration)]
    registrar.agent.refresh(registrar.registration, registrar.now)
    assert registrar.agent.outbound() == []


def test_an_end_while_registering_waits_for_the_answer() -> None:
    registrar = Registrar()
    registrar.request()
    registrar.agent.unregister(registrar.registration, registrar.now)
    assert registrar.agent.outbound() == []
    assert registrar.answer(200) == []
    assert registrar.request().headers.get("Expires") == "0"
    assert registrar.answer(500) == [RegistrationEnded(registration=registrar.registration)]
