"""Calls between two user agents in simulated time: the flows of RFC 3665 section 3, and what goes wrong on the way."""

import math
from typing import cast

import pytest

from protocol.sip.events import (
    CallAcknowledged,
    CallAnswered,
    CallArrived,
    CallEnded,
    CallProgressed,
)
from protocol.sip.messages.message import SipMessage
from tests.support.calls.sip_network import ANSWER, OFFER, SipNetwork, named

SECURE = OFFER.replace(b"RTP/AVP", b"RTP/SAVP")


def arrived(network: SipNetwork) -> CallArrived:
    return cast(CallArrived, network.bob.last(CallArrived))


def test_a_call_is_made_answered_and_ended_by_its_caller() -> None:
    network = SipNetwork()
    call, _ = network.connect()
    assert network.alice.flow() == ["INVITE", "ACK"]
    assert network.bob.flow() == ["100", "180", "200"]
    assert network.alice.kinds() == ["CallProgressed", "CallAnswered"]
    answered = cast(CallAnswered, network.alice.told[-1])
    assert (answered.call, answered.description) == (call, ANSWER)
    assert cast(CallArrived, network.bob.told[0]).offer == OFFER
    assert isinstance(network.bob.told[-1], CallAcknowledged)
    network.forget()
    network.alice.agent.hang_up(call, network.now)
    network.run(100)
    assert (network.alice.flow(), network.bob.flow()) == (["BYE"], ["200"])
    ended = cast(CallEnded, network.bob.told[-1])
    assert (ended.status, ended.was_up) == (200, True)
    assert network.alice.told == []
    for party in (network.alice, network.bob):
        assert (party.agent.transaction_count, party.agent.call_count, party.agent.deadline) == (0, 0, math.inf)


def test_the_callee_may_end_it_as_well() -> None:
    network = SipNetwork()
    call, theirs = network.connect()
    network.bob.agent.hang_up(theirs, network.now)
    network.run(40)
    assert network.bob.flow()[-1] == "BYE"
    ended = cast(CallEnded, network.alice.told[-1])
    assert (ended.call, ended.status, ended.was_up) == (call, 200, True)


def test_who_calls_is_told_as_it_is() -> None:
    network = SipNetwork()
    network.call()
    event = arrived(network)
    assert (event.caller.display_name, str(event.caller.uri)) == ("Alice", "sip:alice@example.com")
    assert event.callee.address_of_record == "bob@example.com"


@pytest.mark.parametrize("status", [480, 486, 488, 600, 603])
def test_a_call_is_refused(status: int) -> None:
    network = SipNetwork()
    call = network.call()
    network.bob.agent.hang_up(arrived(network).call, network.now, status)
    network.run(40)
    assert network.alice.flow() == ["INVITE", "ACK"]
    ended = cast(CallEnded, network.alice.told[-1])
    assert (ended.call, ended.status, ended.was_up) == (call, status, False)
    assert network.alice.agent.call_count == network.bob.agent.call_count == 0


def test_an_offer_that_is_refused_for_its_media_is_followed_by_another() -> None:
    network = SipNetwork()
    call = network.call(offer=SECURE, fallback=OFFER)
    first = arrived(network)
    network.bob.agent.hang_up(first.call, network.now, 488)
    network.settle()
    second = arrived(network)
    assert (first.offer, second.offer) == (SECURE, OFFER)
    for name in ("Call-ID", "From"):
        assert first.request.headers.get(name) == second.request.headers.get(name)
    assert second.request.headers.get("CSeq") == "2 INVITE"
    network.bob.agent.answer(second.call, ANSWER, network.now)
    network.settle()
    assert network.alice.flow() == ["INVITE", "ACK", "INVITE", "ACK"]
    assert network.alice.kinds() == ["CallAnswered"]
    network.alice.agent.hang_up(call, network.now)
    network.run(40)
    assert cast(CallEnded, network.bob.told[-1]).was_up
    assert network.alice.agent.call_count == network.bob.agent.call_count == 0


@pytest.mark.parametrize(("status", "fallback"), [(488, None), (486, OFFER)])
def test_no_other_offer_follows_if_there_is_none_or_media_is_not_the_matter(
    status: int, fallback: bytes | None
) -> None:
    network = SipNetwork()
    network.call(offer=SECURE, fallback=fallback)
    network.bob.agent.hang_up(arrived(network).call, network.now, status)
    network.run(40)
    assert network.alice.flow() == ["INVITE", "ACK"]
    assert cast(CallEnded, network.alice.told[-1]).status == status


def test_no_other_offer_follows_for_a_caller_who_has_left() -> None:
    network = SipNetwork()
    call = network.call(offer=SECURE, fallback=OFFER)
    network.alice.agent.hang_up(call, network.now)
    network.bob.agent.hang_up(arrived(network).call, network.now, 488)
    network.run(40)
    assert "INVITE" not in network.alice.flow()[1:]
    assert network.alice.told == []


def test_a_caller_thinks_better_of_it() -> None:
    network = SipNetwork()
    call = network.call()
    network.bob.agent.ring(arrived(network).call, network.now)
    network.settle()
    network.forget()
    network.alice.agent.hang_up(call, network.now)
    network.run(40)
    assert network.alice.flow() == ["CANCEL", "ACK"]
    assert network.bob.flow() == ["200", "487"]
    assert cast(CallEnded, network.bob.told[-1]).status == 487
    assert network.alice.told == []
    assert network.alice.agent.transaction_count == 0


def test_a_cancel_waits_for_a_provisional_response() -> None:
    network = SipNetwork(keeps=lambda message: False)
    call = network.call()
    network.alice.agent.hang_up(call, network.now)
    network.settle()
    assert network.alice.flow() == ["INVITE"]
    network.keeps = lambda message: True
    network.run(40)
    assert network.alice.flow() == ["INVITE", "INVITE", "CANCEL", "ACK"]
    assert network.bob.agent.call_count == 0


def test_an_answer_that_crosses_a_cancel_is_ended_by_bye() -> None:
    network = SipNetwork()
    call = network.call()
    theirs = arrived(network).call
    network.alice.agent.hang_up(call, network.now)
    network.bob.agent.answer(theirs, ANSWER, network.now)
    network.run(40)
    assert network.alice.flow() == ["INVITE", "CANCEL", "ACK", "BYE"]
    assert cast(CallEnded, network.bob.told[-1]).was_up
    assert network.alice.told == []


def test_nobody_answers_at_all() -> None:
    network = SipNetwork(keeps=lambda message: False)
    network.call()
    network.run(33)
    assert network.alice.flow() == ["INVITE"] * 7
    ended = cast(CallEnded, network.alice.told[-1])
    assert (ended.status, ended.was_up) == (408, False)


def test_a_phone_that_rings_for_ever_is_given_up() -> None:
    network = SipNetwork()
    network.call()
    network.bob.agent.ring(arrived(network).call, network.now)
    network.run(300)
    assert cast(CallEnded, network.alice.told[-1]).status == 408
    assert "CANCEL" in network.alice.flow()
    assert network.alice.agent.call_count == network.bob.agent.call_count == 0


class Losing:
    """Loses the first messages of a name."""

    def __init__(self, name: str, times: int) -> None:
        self._name, self._left = name, times

    def __call__(self, message: SipMessage) -> bool:
        if named(message) != self._name or not self._left:
            return True
        self._left -= 1
        return False


@pytest.mark.parametrize("lost", ["INVITE", "100", "180", "200", "ACK"])
@pytest.mark.parametrize("times", [1, 3])
def test_whatever_is_lost_is_sent_again(lost: str, times: int) -> None:
    network = SipNetwork(keeps=Losing(lost, times))
    network.call()
    network.run(4)
    theirs = arrived(network).call
    network.bob.agent.ring(theirs, network.now)
    network.settle()
    network.bob.agent.answer(theirs, ANSWER, network.now)
    network.run(40)
    assert network.alice.kinds().count("CallAnswered") == 1
    assert network.bob.kinds().count("CallArrived") == network.bob.kinds().count("CallAcknowledged") == 1


@pytest.mark.parametrize("lost", ["BYE", "200"])
def test_a_lost_bye_is_sent_again(lost: str) -> None:
    network = SipNetwork()
    call, _ = network.connect()
    network.keeps = Losing(lost, 2)
    network.alice.agent.hang_up(call, network.now)
    network.run(70)
    assert network.bob.kinds().count("CallEnded") == 1
    assert network.alice.agent.transaction_count == network.bob.agent.transaction_count == 0


def test_an_answer_that_is_never_acknowledged_ends_the_call() -> None:
    network = SipNetwork(keeps=lambda message: named(message) not in ("ACK", "BYE"))
    network.connect()
    network.run(33)
    ended = cast(CallEnded, network.bob.told[-1])
    assert (ended.status, ended.reason, ended.was_up) == (408, "no ACK", True)
    assert "BYE" in network.bob.flow()


def test_early_media_is_told_with_its_phone() -> None:
    network = SipNetwork()
    network.call()
    network.bob.agent.progress(arrived(network).call, ANSWER, network.now)
    network.settle()
    progressed = cast(CallProgressed, network.alice.told[-1])
    assert (progressed.status, progressed.description) == (183, ANSWER)
    assert progressed.dialog
