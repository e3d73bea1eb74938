"""Calls out whose answers are written down: proxies that ring several phones, PRACK, routes, passwords, refusals."""

from typing import cast

import pytest
from attrs import define, evolve, field

from protocol.sip.calls.outgoing_call import MAX_FORKS, Invitation
from protocol.sip.core import Outbound, Surroundings
from protocol.sip.events import CallAnswered, CallEnded, CallProgressed, SipEvent
from protocol.sip.messages.digest import SipCredentials
from protocol.sip.messages.headers import NameAddress, parse_uri
from protocol.sip.messages.message import HeaderFields, RequestMessage, ResponseMessage
from protocol.sip.transactions.machines import Hop
from protocol.sip.user_agent import UserAgent
from tests.support.calls.sip_network import ANSWER, OFFER, named

PROXY = Hop(transport="udp", host="192.0.2.10", port=5060)
SPARE = Hop(transport="udp", host="192.0.2.11", port=5060)
LONG = OFFER + b"a=x:" + b"y" * 1_300 + b"\r\n"
SDP = ("Content-Type", "application/sdp")
CHALLENGE = ("Proxy-Authenticate", 'Digest realm="example.com", nonce="n1", qop="auth"')


@define(eq=False)
class Caller:
    """An agent that calls; a test answers in the place of a proxy."""

    hops: tuple[Hop, ...] = (PROXY,)
    offer: bytes = OFFER
    takes_tcp: bool = False
    noted: list[tuple[str, Hop]] = field(factory=list)
    """What it has learnt about servers."""
    phone: str = "192.0.2.20"
    """Where whoever answers wants to have further requests."""
    tokens: int = 0
    credentials: SipCredentials = field(factory=lambda: SipCredentials(username="alice", password="secret"))
    sent: list[Outbound] = field(factory=list)
    told: list[SipEvent] = field(factory=list)
    agent: UserAgent = field(init=False)
    call: str = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.agent = UserAgent(
            Surroundings(
                sent_by=lambda hop: ("192.0.2.1", 5060),
                contact_at=lambda hop: ("192.0.2.1", 5060),
                token=self._token,
                uniform=lambda low, high: low,
                may_reach=lambda hop: hop.host.startswith("192.0.2."),
                takes_tcp=lambda hop: self.takes_tcp,
                note_udp_only=lambda hop: self.noted.append(("udp only", hop)),
                note_down=lambda hop: self.noted.append(("down", hop)),
            )
        )
        invitation = Invitation(
            caller=NameAddress(uri=parse_uri("sip:alice@example.com")),
            callee=parse_uri("sip:bob@example.com"),
            hops=self.hops,
            offer=self.offer,
            contact_user="alice",
            contact_token="t",
        )
        self.call = self.agent.call(invitation, self.credentials, 0.0)
        self._drain()

    def _token(self) -> str:
        self.tokens += 1
        return f"t{self.tokens}"

    def _drain(self) -> None:
        self.sent += self.agent.outbound()
        self.told += self.agent.events()

    def request(self, method: str) -> RequestMessage:
        """The last request of this method."""
        return next(
            each.message
            for each in reversed(self.sent)
            if isinstance(each.message, RequestMessage) and each.message.method == method
        )

    def answer(
        self, status: int, tag: str, *headers: tuple[str, str], method: str = "INVITE", body: bytes = b""
    ) -> None:
        """Answer the last request of a method."""
        request = self.request(method)
        kept = [(name, request.headers.get(name)) for name in ("Via", "From", "Call-ID", "CSeq")]
        to = f"{request.headers.get('To').partition(';')[0]};tag={tag}"
        contact = ("Contact", f"<sip:bob@{self.phone};phone={tag}>")
        fields = HeaderFields((*kept, ("To", to), contact, *headers))
        response = ResponseMessage(status=status, reason="so", headers=fields, body=body)
        self.agent.receive(response, PROXY, 0.0)
        self._drain()

    def flow(self) -> list[str]:
        """What it has sent."""
        return [named(each.message) for each in self.sent]


def test_the_first_phone_that_answers_is_the_call_and_the_others_hear_bye() -> None:
    caller = Caller()
    for tag in ("one", "two"):
        caller.answer(180, tag)
    for tag in ("two", "one", "three"):
        caller.answer(200, tag, SDP, body=ANSWER)
    assert caller.flow() == ["INVITE", "ACK", "ACK", "BYE", "ACK", "BYE"]
    assert [cast(CallProgressed, event).dialog for event in caller.told[:2]] == ["one", "two"]
    assert [type(event) for event in caller.told[2:]] == [CallAnswered]
    assert cast(CallAnswered, caller.told[2]).dialog == "two"
    byes = [each.message for each in caller.sent if named(each.message) == "BYE"]
    assert [cast(RequestMessage, bye).uri for bye in byes] == [
        "sip:bob@192.0.2.20;phone=one",
        "sip:bob@192.0.2.20;phone=three",
    ]


def test_an_answer_that_comes_again_is_acknowledged_again() -> None:
    caller = Caller()
    for _ in range(3):
        caller.answer(200, "one", SDP, body=ANSWER)
    assert caller.flow() == ["INVITE", "ACK", "ACK", "ACK"]
    acks = [each.data for each in caller.sent if named(each.message) == "ACK"]
    assert len(set(acks)) == 1
    assert [type(event) for event in caller.told] == [CallAnswered]


def test_phones_are_not_without_number() -> None:
    caller = Caller()
    for number in range(MAX_FORKS + 5):
        caller.answer(180, f"phone{number}")
    assert len(caller.told) == MAX_FORKS


def test_after_a_hang_up_every_phone_that_answers_hears_bye() -> None:
    caller = Caller()
    caller.answer(180, "one")
    caller.agent.hang_up(caller.call, 0.0)
    caller._drain()
    caller.answer(200, "two", SDP, body=ANSWER)
    assert caller.flow() == ["INVITE", "CANCEL", "ACK", "BYE"]
    assert len(caller.told) == 1


def test_reliable_progress_is_acknowledged_once_and_in_order() -> None:
    caller = Caller()
    for number in ("7", "7", "9", "8"):
        caller.answer(183, "one", ("Require", "100rel"), ("RSeq", number), SDP, body=ANSWER)
    assert caller.flow() == ["INVITE", "PRACK", "PRACK"]
    pracks = [each.message for each in caller.sent if named(each.message) == "PRACK"]
    assert [prack.headers.get("RAck") for prack in pracks] == ["7 1 INVITE", "8 1 INVITE"]
    assert [prack.headers.get("CSeq") for prack in pracks] == ["2 PRACK", "3 PRACK"]
    assert len(caller.told) == 2
    caller.answer(200, "one")
    assert cast(CallAnswered, caller.told[-1]).description is None
    assert caller.request("ACK").headers.get("CSeq") == "1 ACK"


def test_requests_follow_the_recorded_route() -> None:
    caller = Caller()
    route = ("Record-Route", "<sip:192.0.2.30:5070;lr;r=1>, <sip:192.0.2.31;lr;r=2>")
    caller.answer(200, "one", route, SDP, body=ANSWER)
    ack = caller.sent[-1]
    assert ack.message.headers.values("Route") == ("<sip:192.0.2.31;lr;r=2>", "<sip:192.0.2.30:5070;lr;r=1>")
    assert (ack.hop.host, ack.hop.port) == ("192.0.2.31", 5060)


@pytest.mark.parametrize("host", [PROXY.host, "pbx.example", "PBX.example"])
def test_what_a_server_of_tls_says_of_itself_leads_to_the_connection_that_there_is(host: str) -> None:
    """Its certificate is for its name, and need not be for the address that its Record-Route says."""
    server = Hop(transport="tls", host=PROXY.host, port=5061, name="pbx.example")
    caller = Caller(hops=(server,))
    caller.answer(200, "one", ("Record-Route", f"<sip:{host}:5061;transport=tls;lr>"), SDP, body=ANSWER)
    caller.agent.hang_up(caller.call, 0.0)
    caller._drain()
    assert caller.flow() == ["INVITE", "ACK", "BYE"]
    assert [each.hop for each in caller.sent] == [server, server, server]


def test_a_phone_that_is_out_of_reach_is_reached_by_the_server() -> None:
    caller = Caller()
    request = caller.request("INVITE")
    kept = [(name, request.headers.get(name)) for name in ("Via", "From", "Call-ID", "CSeq")]
    fields = HeaderFields((*kept, ("To", "<sip:b@c>;tag=1"), ("Contact", "<sip:bob@10.0.0.5>")))
    caller.agent.receive(ResponseMessage(status=200, reason="OK", headers=fields), PROXY, 0.0)
    caller._drain()
    assert (caller.sent[-1].hop, caller.request("ACK").uri) == (PROXY, "sip:bob@10.0.0.5")


def test_a_password_is_given_in_a_new_request_and_in_its_ack() -> None:
    caller = Caller(phone=PROXY.host)
    caller.answer(407, "proxy", CHALLENGE)
    assert caller.flow() == ["INVITE", "ACK", "INVITE"]
    second = caller.request("INVITE")
    assert second.headers.get("CSeq") == "2 INVITE"
    assert second.headers.get("Call-ID") == cast(RequestMessage, caller.sent[0].message).headers.get("Call-ID")
    caller.answer(200, "one", SDP, body=ANSWER)
    ack = caller.request("ACK")
    assert ack.headers.get("Proxy-Authorization") == second.headers.get("Proxy-Authorization") != ""
    caller.agent.hang_up(caller.call, 0.0)
    caller._drain()
    assert "nc=00000002" in caller.request("BYE").headers.get("Proxy-Authorization")


def test_a_wrong_password_ends_the_call() -> None:
    caller = Caller()
    caller.answer(407, "proxy", CHALLENGE)
    caller.answer(407, "proxy", ("Proxy-Authenticate", 'Digest realm="example.com", nonce="n2"'))
    ended = cast(CallEnded, caller.told[-1])
    assert (ended.status, ended.reason) == (407, "the server does not accept the password")
    assert caller.flow() == ["INVITE", "ACK", "INVITE", "ACK"]


def test_a_proxy_of_another_realm_than_the_registrar_is_answered() -> None:
    registered = SipCredentials(username="alice", password="secret")
    registered.accepted.names.add("registrar.example.com")
    caller = Caller(credentials=registered)
    caller.answer(407, "proxy", CHALLENGE)
    assert 'realm="example.com"' in caller.request("INVITE").headers.get("Proxy-Authorization")
    caller.answer(401, "phone", ("WWW-Authenticate", 'Digest realm="phone", nonce="n"'))
    assert cast(CallEnded, caller.told[-1]).reason == "another realm than before asks for the password"
    forwarded = Caller(credentials=registered)
    forwarded.answer(180, "phone")
    forwarded.answer(407, "phone", CHALLENGE)
    assert forwarded.flow() == ["INVITE", "ACK"]
    another = Caller(credentials=registered)
    another.answer(407, "proxy", CHALLENGE)
    another.answer(100, "")
    another.answer(200, "one", SDP, body=ANSWER)
    assert registered.accepted.names == {"registrar.example.com", "example.com"}


def test_proxies_that_ask_one_after_the_other_are_answered_twice_at_most() -> None:
    caller = Caller()
    for number in range(3):
        stale = f'Digest realm="example.com", nonce="n{number}", stale=true'
        caller.answer(407, "proxy", ("Proxy-Authenticate", stale))
    assert caller.flow().count("INVITE") == 3
    assert cast(CallEnded, caller.told[-1]).reason == "the server asks for the password again and again"


def test_a_phone_that_moves_while_it_rings_is_answered() -> None:
    caller = Caller()
    caller.answer(180, "one")
    invite = caller.request("INVITE").headers
    fields = (
        ("Via", "SIP/2.0/UDP 192.0.2.20;branch=z9hG4bKu"),
        ("From", f"{invite.get('To')};tag=one"),
        ("To", invite.get("From")),
        ("Call-ID", invite.get("Call-ID")),
        ("CSeq", "7 UPDATE"),
        ("Contact", "<sip:bob@192.0.2.30>"),
    )
    update = RequestMessage(method="UPDATE", uri="sip:alice@192.0.2.1", headers=HeaderFields(fields))
    caller.agent.receive(update, PROXY, 0.0)
    caller._drain()
    assert caller.flow()[-1] == "200"
    rel = (("Require", "100rel"), ("RSeq", "1"))
    caller.answer(183, "one", *rel)
    assert caller.request("PRACK").uri == "sip:bob@192.0.2.30"


@pytest.mark.parametrize("status", [302, 404, 486, 503, 600])
def test_refusals_end_the_call_and_redirections_are_not_followed(status: int) -> None:
    caller = Caller()
    caller.answer(status, "one")
    assert caller.flow() == ["INVITE", "ACK"]
    ended = cast(CallEnded, caller.told[-1])
    assert (ended.status, ended.was_up) == (status, False)


def test_the_next_server_is_called_where_one_is_overloaded() -> None:
    caller = Caller(hops=(PROXY, SPARE))
    caller.answer(503, "one")
    assert [each.hop for each in caller.sent] == [PROXY, PROXY, SPARE]
    caller.answer(200, "two", SDP, body=ANSWER)
    assert [type(event) for event in caller.told] == [CallAnswered]


def test_a_request_that_is_too_long_for_a_datagram_goes_by_tcp() -> None:
    caller = Caller(offer=LONG, takes_tcp=True)
    (sent,) = caller.sent
    assert sent.hop == evolve(PROXY, transport="tcp")
    assert sent.message.headers.get("Via").startswith("SIP/2.0/TCP ")
    assert Caller(takes_tcp=True).sent[0].hop == PROXY, "a short one goes by UDP"
    assert Caller(offer=LONG).sent[0].hop == PROXY, "and so does one to a server that takes nothing else"


def test_a_server_that_does_not_take_tcp_gets_the_long_request_by_udp() -> None:
    caller = Caller(hops=(PROXY, SPARE), offer=LONG, takes_tcp=True)
    caller.takes_tcp = False  # as is noted now
    caller.agent.unsendable(caller.sent[0], 0.0)
    caller._drain()
    assert [each.hop.transport for each in caller.sent] == ["tcp", "udp"]
    assert caller.noted == [("udp only", PROXY)]
    caller.answer(200, "one", SDP, body=ANSWER)
    assert [type(event) for event in caller.told] == [CallAnswered]


def test_a_server_that_fails_is_noted() -> None:
    caller = Caller(hops=(PROXY, SPARE))
    caller.answer(503, "one")
    assert caller.noted == [("down", PROXY)]


def test_after_a_hang_up_no_further_server_is_called() -> None:
    caller = Caller(hops=(PROXY, SPARE))
    caller.answer(100, "")
    caller.agent.hang_up(caller.call, 0.0)
    caller._drain()
    caller.answer(503, "one")
    assert caller.flow() == ["INVITE", "CANCEL", "ACK"]


def test_a_session_that_is_too_short_for_a_proxy_is_lengthened() -> None:
    caller = Caller()
    caller.answer(422, "proxy", ("Min-SE", "3600"))
    headers = caller.request("INVITE").headers
    assert (headers.get("Session-Expires"), headers.get("Min-SE")) == ("3600", "3600")
    caller.answer(422, "proxy", ("Min-SE", "3600"))
    assert cast(CallEnded, caller.told[-1]).status == 422


def test_who_wants_a_longer_session_each_time_does_not_keep_us_calling() -> None:
    caller = Caller()
    for seconds in range(1_900, 1_920):
        if not caller.told:
            caller.answer(422, "phone", ("Min-SE", str(seconds)))
    assert caller.flow() == ["INVITE", "ACK"] * 5
    assert cast(CallEnded, caller.told[-1]).status == 422


def test_phones_that_ring_after_the_end_are_forgotten_though_no_final_answer_comes() -> None:
    caller = Caller()
    caller.agent.hang_up(caller.call, 0.0)
    for number in range(3):
        caller.answer(180, f"late{number}")
    assert caller.flow()[-1] == "CANCEL"
    while caller.agent.deadline < 300:
        caller.agent.on_time(caller.agent.deadline)
    assert caller.agent._calls.dialog_count == 0
    assert caller.agent.transaction_count == 0


def test_a_phone_gets_no_digest_within_the_call_though_it_knows_the_servers_realm() -> None:
    caller = Caller()
    caller.answer(407, "proxy", CHALLENGE)
    caller.answer(200, "phone", SDP, body=ANSWER)
    assert not caller.request("ACK").headers.has("Proxy-Authorization")
    caller.agent.hang_up(caller.call, 0.0)
    caller._drain()
    copied = ("Proxy-Authenticate", 'Digest realm="example.com", nonce="chosen by the phone", stale=true')
    caller.answer(407, "phone", copied, method="BYE")
    assert caller.sent[-1].hop.host == caller.phone
    assert caller.flow()[-2:] == ["ACK", "BYE"]
    assert not caller.request("BYE").headers.has("Proxy-Authorization")


def test_a_phone_behind_the_server_gets_no_digest_of_what_it_has_chosen() -> None:
    caller = Caller()
    caller.answer(407, "proxy", CHALLENGE)
    caller.answer(200, "phone", SDP, ("Record-Route", f"<sip:{PROXY.host};lr>"), body=ANSWER)
    caller.agent.hang_up(caller.call, 0.0)
    caller._drain()
    assert 'nonce="n1"' in caller.request("BYE").headers.get("Proxy-Authorization")
    copied = ("Proxy-Authenticate", 'Digest realm="example.com", nonce="chosen by the phone", stale=true')
    caller.answer(407, "phone", copied, method="BYE")
    assert caller.flow()[-2:] == ["ACK", "BYE"]


def test_a_server_that_is_the_other_side_itself_may_ask_again_within_the_call() -> None:
    caller = Caller(phone=PROXY.host)
    caller.answer(407, "proxy", CHALLENGE)
    caller.answer(200, "server", SDP, body=ANSWER)
    caller.agent.hang_up(caller.call, 0.0)
    caller._drain()
    again = ("Proxy-Authenticate", 'Digest realm="example.com", nonce="n2", stale=true')
    caller.answer(407, "server", again, method="BYE")
    assert caller.flow()[-2:] == ["BYE", "BYE"]
    assert 'nonce="n2"' in caller.request("BYE").headers.get("Proxy-Authorization")


def test_a_phone_that_asks_for_a_password_within_the_call_gets_no_answer_to_its_question() -> None:
    caller = Caller()
    caller.answer(200, "phone", SDP, body=ANSWER)
    caller.agent.send_info(caller.call, "application/dtmf", b"1", 0.0)
    caller._drain()
    sent = len(caller.sent)
    caller.answer(401, "phone", ("WWW-Authenticate", 'Digest realm="mine", nonce="n1"'), method="INFO")
    caller.answer(407, "phone", CHALLENGE, method="INFO")
    assert not any(each.message.headers.has("Authorization") for each in caller.sent)
    assert not any(each.message.headers.has("Proxy-Authorization") for each in caller.sent)
    assert len(caller.sent) == sent
