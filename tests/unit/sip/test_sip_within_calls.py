"""New offers, INFO, transfers and session timers within a call, both ways."""

from itertools import count
from typing import cast

import pytest
from attrs import evolve

from protocol.sip.calls.transfer import PATIENCE
from protocol.sip.events import (
    CallEnded,
    InfoAnswered,
    InfoArrived,
    OfferAccepted,
    OfferArrived,
    OfferRefused,
    TransferAsked,
    TransferProgressed,
)
from protocol.sip.messages.headers import parse_uri
from protocol.sip.messages.message import RequestMessage, SipMessage, encode, parse_datagram
from tests.support.calls.sip_network import ANSWER, BOB, OFFER, Party, SipNetwork, named


def test_hold_and_back() -> None:
    network = SipNetwork()
    call, theirs = network.connect()
    for offer in (b"v=0\r\nhold\r\n", b"v=0\r\nback\r\n"):
        network.alice.agent.offer(call, offer, network.now)
        network.settle()
        assert cast(OfferArrived, network.bob.told[-1]).offer == offer
        network.bob.agent.accept_offer(theirs, offer + b"!", network.now)
        network.settle()
        accepted = cast(OfferAccepted, network.alice.told[-1])
        assert (accepted.call, accepted.description) == (call, offer + b"!")
    network.run(40)
    assert network.alice.flow() == ["INVITE", "ACK"] * 3
    assert network.alice.agent.call_count == 1


def test_an_offer_that_is_refused_changes_nothing() -> None:
    network = SipNetwork()
    call, theirs = network.connect()
    network.bob.agent.offer(theirs, OFFER, network.now)
    network.settle()
    network.alice.agent.refuse_offer(call, network.now)
    network.settle()
    assert cast(OfferRefused, network.bob.told[-1]).status == 488
    network.alice.agent.hang_up(call, network.now)
    network.settle()
    assert cast(CallEnded, network.bob.told[-1]).status == 200


def test_an_offer_during_another_waits_and_the_last_one_counts() -> None:
    network = SipNetwork()
    call, theirs = network.connect()
    for name in (b"one", b"two", b"three"):
        network.alice.agent.offer(call, b"v=0\r\n" + name, network.now)
    network.settle()
    network.bob.agent.accept_offer(theirs, ANSWER, network.now)
    network.settle()
    offers = [event.offer for event in network.bob.told if isinstance(event, OfferArrived)]
    assert offers == [b"v=0\r\none", b"v=0\r\nthree"]


def test_offers_that_cross_are_tried_again_the_callers_last() -> None:
    network = SipNetwork()
    call, theirs = network.connect()
    network.forget()
    network.alice.agent.offer(call, b"v=0\r\na", network.now)
    network.bob.agent.offer(theirs, b"v=0\r\nb", network.now)
    network.settle()
    assert (network.alice.flow(), network.bob.flow()) == (["INVITE", "491", "ACK"], ["INVITE", "491", "ACK"])
    network.run(1.5)
    assert cast(OfferArrived, network.alice.told[-1]).offer == b"v=0\r\nb"
    network.alice.agent.accept_offer(call, ANSWER, network.now)
    network.run(3)
    assert cast(OfferArrived, network.bob.told[-1]).offer == b"v=0\r\na"
    network.bob.agent.accept_offer(theirs, ANSWER, network.now)
    network.settle()
    assert isinstance(network.alice.told[-1], OfferAccepted)
    assert any(isinstance(event, OfferAccepted) for event in network.bob.told)


def test_info_both_ways() -> None:
    network = SipNetwork()
    call, theirs = network.connect()
    network.alice.agent.send_info(call, "application/dtmf-relay", b"Signal=5\r\nDuration=100\r\n", network.now)
    network.bob.agent.send_info(theirs, "application/dtmf", b"7", network.now)
    network.settle()
    info = cast(InfoArrived, network.bob.last(InfoArrived))
    assert (info.content_type, info.body) == ("application/dtmf-relay", b"Signal=5\r\nDuration=100\r\n")
    assert cast(InfoAnswered, network.alice.last(InfoAnswered)).status == 200
    assert cast(InfoArrived, network.alice.last(InfoArrived)).body == b"7"


def test_a_transfer_is_followed_and_its_end_is_told() -> None:
    network = SipNetwork(bob=Party(BOB, accepts_refer=True))
    call, theirs = network.connect()
    network.alice.agent.transfer(call, parse_uri("sip:carol@example.com"), network.now)
    network.settle()
    asked = cast(TransferAsked, network.bob.told[-1])
    assert (str(asked.target), asked.replaces) == ("sip:carol@example.com", None)
    network.bob.agent.answer_transfer(theirs, 202, network.now)
    for status in (100, 200):
        network.bob.agent.tell_transfer(theirs, status, "so", network.now)
    network.settle()
    told = [event for event in network.alice.told if isinstance(event, TransferProgressed)]
    assert [(event.status, event.is_final) for event in told] == [(202, False), (100, False), (200, True)]


def accepted_transfer() -> tuple[SipNetwork, str, str]:
    """Bob has accepted Alice's REFER."""
    network = SipNetwork(bob=Party(BOB, accepts_refer=True))
    call, theirs = network.connect()
    network.alice.agent.transfer(call, parse_uri("sip:carol@example.com"), network.now)
    network.settle()
    network.bob.agent.answer_transfer(theirs, 202, network.now)
    network.settle()
    network.alice.told.clear()
    return network, call, theirs


def transfer_told(network: SipNetwork) -> list[tuple[int, bool]]:
    return [(event.status, event.is_final) for event in network.alice.told if isinstance(event, TransferProgressed)]


def test_a_transfer_of_which_nothing_more_is_told_has_failed() -> None:
    network, _, theirs = accepted_transfer()
    network.run(PATIENCE - 60)
    network.bob.agent.tell_transfer(theirs, 180, "Ringing", network.now)
    network.run(PATIENCE - 60)
    assert transfer_told(network) == [(180, False)]
    network.run(61)
    assert transfer_told(network) == [(180, False), (408, True)]
    network.run(2 * PATIENCE)
    assert len(transfer_told(network)) == 2


def test_a_transfer_is_not_waited_for_once_it_or_the_call_is_over() -> None:
    network, _, theirs = accepted_transfer()
    network.bob.agent.tell_transfer(theirs, 200, "OK", network.now)
    network.run(2 * PATIENCE)
    assert transfer_told(network) == [(200, True)]
    network, call, _ = accepted_transfer()
    network.alice.agent.hang_up(call, network.now)
    network.run(2 * PATIENCE)
    assert transfer_told(network) == []


def test_a_transfer_of_which_the_phone_says_no_more_than_that_it_is_over_has_failed() -> None:
    network, _, theirs = accepted_transfer()
    silent: list[RequestMessage] = []

    def keeps(message: SipMessage) -> bool:
        if named(message) == "NOTIFY" and not silent:
            silent.append(evolve(cast(RequestMessage, message), body=b""))
            return False
        return True

    network.keeps = keeps
    network.bob.agent.tell_transfer(theirs, 486, "Busy Here", network.now)
    network.settle()
    network.alice.agent.receive(parse_datagram(encode(silent[0])), network.bob.hop, network.now)
    network.settle()
    assert transfer_told(network) == [(408, True)]


def test_a_transfer_is_refused_by_default() -> None:
    network = SipNetwork()
    call, _ = network.connect()
    network.alice.agent.transfer(call, parse_uri("sip:carol@example.com"), network.now)
    network.settle()
    told = cast(TransferProgressed, network.alice.told[-1])
    assert (told.status, told.is_final) == (603, True)


def test_an_attended_transfer_names_the_other_call() -> None:
    network = SipNetwork(bob=Party(BOB, accepts_refer=True))
    first, _ = network.connect()
    second, _ = network.connect()
    network.alice.agent.transfer(first, parse_uri("sip:bob@example.com"), network.now, replaces=second)
    network.settle()
    asked = cast(TransferAsked, network.bob.told[-1])
    assert asked.replaces is not None
    assert ";to-tag=" in asked.replaces
    assert ";from-tag=" in asked.replaces


def test_a_call_that_the_other_side_has_forgotten_ends() -> None:
    network = SipNetwork()
    call, _ = network.connect()
    network.bob = Party(BOB)
    network.alice.agent.offer(call, OFFER, network.now)
    network.settle()
    assert network.bob.flow() == ["481"]
    ended = cast(CallEnded, network.alice.told[-1])
    assert (ended.status, ended.was_up) == (481, True)


def test_a_session_is_refreshed_at_half_its_time_and_outlives_it() -> None:
    network = SipNetwork()
    network.connect()
    network.forget()
    network.run(4000)
    assert network.alice.flow() == ["UPDATE"] * 4
    assert network.alice.told == network.bob.told == []


def test_a_call_of_two_hours_outlives_a_network_that_loses_every_third_message() -> None:
    network, numbers = SipNetwork(), count()
    call, theirs = network.connect()
    network.forget()
    network.keeps = lambda message: next(numbers) % 3 != 2
    for offer in (b"v=0\r\nhold\r\n", b"v=0\r\nback\r\n"):
        network.run(3600)
        network.alice.agent.offer(call, offer, network.now)
        network.run(10)
        network.bob.agent.accept_offer(theirs, ANSWER, network.now)
        network.run(40)
    numbers_of_updates = {message.headers.get("CSeq") for message in network.alice.sent if named(message) == "UPDATE"}
    assert len(numbers_of_updates) == 7  # one in 15 minutes; the offer after the first hour was as good as one
    assert not any(isinstance(event, CallEnded) for event in network.alice.told + network.bob.told)
    network.alice.agent.hang_up(call, network.now)
    network.run(40)
    assert cast(CallEnded, network.bob.told[-1]).status == 200
    assert network.alice.agent.call_count == network.bob.agent.call_count == 0


@pytest.mark.parametrize("is_cut", [True, False])
def test_a_session_that_is_not_refreshed_ends(*, is_cut: bool) -> None:
    network = SipNetwork()
    network.connect()
    network.keeps = lambda message: not is_cut
    network.run(1790)
    assert any(isinstance(event, CallEnded) for event in network.bob.told) is is_cut
    assert any(isinstance(event, CallEnded) for event in network.alice.told) is is_cut
