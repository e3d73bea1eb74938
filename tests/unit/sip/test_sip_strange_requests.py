"""Requests that an agent does not take, or takes in a special way."""

from collections import Counter
from typing import cast

import pytest
from attrs import evolve

from protocol.sip import message_router
from protocol.sip.events import CallArrived
from protocol.sip.messages.message import HeaderFields, RequestMessage, ResponseMessage
from tests.support.calls.sip_network import ANSWER, SipNetwork, named


def arrived(network: SipNetwork) -> CallArrived:
    return cast(CallArrived, network.bob.last(CallArrived))


def test_what_is_tried_against_an_agent_is_answered_and_forgotten() -> None:
    network = SipNetwork()
    network.call()
    invite = cast(RequestMessage, network.alice.sent[0])
    network.forget()
    for method in ("BYE", "INFO", "UPDATE", "SUBSCRIBE", "REGISTER", "OPTIONS", "FOO"):
        cseq = f"7 {method}"
        via = f"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{method}"
        headers = invite.headers.replaced("CSeq", cseq).replaced("Via", via).replaced("Call-ID", method)
        request = RequestMessage(method=method, uri=invite.uri, headers=headers)
        network.bob.agent.receive(request, network.alice.hop, network.now)
    network.settle()
    assert network.bob.flow() == ["481", "481", "481", "405", "405", "200", "405"]
    network.run(60)
    assert network.bob.agent.transaction_count == 1


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("Require", "100rel, nothing-we-know", 420),
        ("Content-Type", "text/plain", 415),
        ("CSeq", "7 BYE", 400),
        ("Session-Expires", "60", 422),
    ],
)
def test_an_invite_that_cannot_be_taken(name: str, value: str, status: int) -> None:
    network = SipNetwork()
    network.call()
    invite = cast(RequestMessage, network.alice.sent[0])
    strange = invite.with_header(name, value).with_header("Call-ID", "other")
    strange = strange.with_header("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKother")
    network.forget()
    network.bob.agent.receive(strange, network.alice.hop, network.now)
    network.settle()
    assert network.bob.flow() == [str(status)]
    assert network.bob.told == []


def test_beyond_two_thousand_transactions_requests_are_put_off_and_not_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(message_router, "MAX_TRANSACTIONS", 3)
    network = SipNetwork()
    network.call()
    invite = cast(RequestMessage, network.alice.sent[0])
    network.forget()
    for number in range(5):
        via = f"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKn{number}"
        more = invite.with_header("Via", via).with_header("Call-ID", f"n{number}")
        network.bob.agent.receive(more, network.alice.hop, network.now)
    network.settle()
    assert network.bob.flow() == ["100", "100", "503", "503", "503"]
    assert network.bob.sent[-1].headers.get("Retry-After") == "10"
    assert (network.bob.agent.transaction_count, network.bob.agent.refused_count) == (3, 3)


def test_an_invite_that_comes_by_two_ways_is_taken_once() -> None:
    network = SipNetwork()
    network.call()
    invite = cast(RequestMessage, network.alice.sent[0])
    network.forget()
    again = invite.with_header("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKother")
    network.bob.agent.receive(again, network.alice.hop, network.now)
    network.settle()
    assert network.bob.flow() == ["482"]


def test_a_proxy_may_ring_several_of_our_contacts_at_once() -> None:
    network = SipNetwork()
    network.call()
    invite = cast(RequestMessage, network.alice.sent[0])
    network.forget()
    fork = evolve(invite.with_header("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKother"), uri="sip:bob@b;wcsd=other")
    network.bob.agent.receive(fork, network.alice.hop, network.now)
    network.settle()
    assert network.bob.flow() == ["100"]
    assert arrived(network).contact_token == "other"


def test_a_caller_that_wants_reliable_progress_gets_it() -> None:
    network = SipNetwork()
    network.call()
    invite = cast(RequestMessage, network.alice.sent[0])
    network.forget()
    reliable = invite.with_header("Require", "100rel").with_header("Call-ID", "other")
    reliable = reliable.with_header("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKother")
    network.bob.agent.receive(reliable, network.alice.hop, network.now)
    network.settle()
    network.bob.agent.progress(arrived(network).call, ANSWER, network.now)
    network.run(2)
    progress = [each for each in network.bob.sent if named(each) == "183"]
    assert len(progress) == 3  # at once, after 0.5 s and after 1.5 s
    assert progress[0].headers.get("Require") == "100rel"
    assert isinstance(progress[0], ResponseMessage)
    prack = RequestMessage(
        method="PRACK",
        uri="sip:bob@192.0.2.2",
        headers=invite.headers.replaced("CSeq", "8 PRACK")
        .replaced("Call-ID", "other")
        .replaced("Via", "SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKprack")
        .replaced("To", progress[0].headers.get("To"))
        .replaced("RAck", f"{progress[0].headers.get('RSeq')} 1 INVITE"),
    )
    network.bob.agent.receive(prack, network.alice.hop, network.now)
    network.settle()
    network.run(10)
    assert network.bob.flow().count("183") == 3
    assert "200" in network.bob.flow()


def test_an_invite_is_no_dearer_when_many_transactions_are_open(monkeypatch: pytest.MonkeyPatch) -> None:
    network = SipNetwork()
    network.call()
    invite = cast(RequestMessage, network.alice.sent[0])
    reads = Counter[int]()
    read = HeaderFields.get

    def receive(number: int) -> None:
        def counted(fields: HeaderFields, name: str, default: str = "") -> str:
            reads[number] += 1
            return read(fields, name, default)

        monkeypatch.setattr(HeaderFields, "get", counted)
        strange = invite.with_header("Via", f"SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKx{number}")
        network.bob.agent.receive(strange.with_header("Call-ID", f"x{number}"), network.alice.hop, network.now)

    for number in range(50):
        receive(number)
    assert network.bob.agent.transaction_count > 50
    assert reads[0] == reads[49] > 0
