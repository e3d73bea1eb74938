"""REFER that comes to us: what of it is followed, and what is told of it (RFC 3515, RFC 4488)."""

from typing import cast

import pytest

from protocol.sip.calls.refer_to import MAX_REFER_TO, MAX_REPLACES, read_refer_to
from protocol.sip.events import CallEnded, TransferAsked, TransferProgressed
from protocol.sip.messages.headers import parse_uri
from protocol.sip.messages.message import (
    HeaderFields,
    RequestMessage,
    ResponseMessage,
    SipError,
    encode,
    parse_datagram,
)
from protocol.sip.transactions.machines import Hop
from tests.support.calls.sip_network import BOB, Party, SipNetwork, named

CAROL = parse_uri("sip:carol@example.com")


def followed() -> tuple[SipNetwork, str, str]:
    """Alice and Bob talk, and Bob follows REFERs."""
    network = SipNetwork(bob=Party(BOB, accepts_refer=True))
    return network, *network.connect()


def notifies(party: Party) -> list[tuple[str, str, str]]:
    """Its NOTIFYs: what they are about, the state of what is told, and what that is."""
    sent = [each for each in party.sent if named(each) == "NOTIFY"]
    assert all(each.headers.has("Contact") for each in sent)
    return [
        (each.headers.get("Event"), each.headers.get("Subscription-State"), each.body.decode().strip()) for each in sent
    ]


def refer(network: SipNetwork, call: str, **changes: str) -> RequestMessage:
    """Alice's REFER, with some header fields changed before it arrives; "" for none."""

    def altered(message: RequestMessage) -> RequestMessage:
        for name, value in changes.items():
            message = message.with_header(name.replace("_", "-"), *filter(None, [value]))
        return message

    kept: list[RequestMessage] = []

    def keeps(message: RequestMessage | ResponseMessage) -> bool:
        if named(message) == "REFER" and not kept:
            kept.append(altered(cast(RequestMessage, message)))
            return False
        return True

    network.keeps = keeps
    network.alice.agent.transfer(call, CAROL, network.now)
    network.settle()
    (made,) = kept
    send(network, made)
    return made


def send(network: SipNetwork, request: RequestMessage) -> None:
    """From Alice to Bob."""
    network.bob.agent.receive(parse_datagram(encode(request)), network.alice.hop, network.now)
    network.settle()


def status_to(network: SipNetwork, method: str) -> int:
    """What Bob has answered last to a request of this method."""
    found = [each for each in network.bob.sent if isinstance(each, ResponseMessage)]
    return [each.status for each in found if each.headers.get("CSeq").endswith(method)][-1]


def test_what_becomes_of_it_is_told_until_it_is_over() -> None:
    network, call, theirs = followed()
    network.alice.agent.transfer(call, CAROL, network.now)
    network.settle()
    network.bob.agent.answer_transfer(theirs, 202, network.now)
    network.run(30)
    for status, reason in ((180, "Ringing"), (180, "Ringing"), (200, "OK"), (200, "OK")):
        network.bob.agent.tell_transfer(theirs, status, reason, network.now)
    network.settle()
    assert notifies(network.bob) == [
        ("refer", "active;expires=240", "SIP/2.0 100 Trying"),
        ("refer", "active;expires=210", "SIP/2.0 180 Ringing"),
        ("refer", "terminated;reason=noresource", "SIP/2.0 200 OK"),
    ]
    told = [event.status for event in network.alice.told if isinstance(event, TransferProgressed)]
    assert told == [202, 100, 180, 200]


def test_the_next_one_is_told_apart() -> None:
    network, call, theirs = followed()
    numbers = []
    for _ in range(2):
        made = refer(network, call)
        numbers.append(made.headers.get("CSeq").split()[0])
        network.bob.agent.answer_transfer(theirs, 202, network.now)
        network.bob.agent.tell_transfer(theirs, 486, "Busy Here", network.now)
        network.settle()
    assert [event for event, _, _ in notifies(network.bob)] == ["refer"] * 2 + [f"refer;id={numbers[1]}"] * 2


def test_who_does_not_want_to_be_told_is_not() -> None:
    network, call, theirs = followed()
    refer(network, call, Refer_Sub="false", Require="norefersub")
    network.bob.agent.answer_transfer(theirs, 202, network.now)
    network.bob.agent.tell_transfer(theirs, 200, "OK", network.now)
    network.settle()
    assert notifies(network.bob) == []
    accepted = [each for each in network.bob.sent if isinstance(each, ResponseMessage) and each.status == 202]
    assert [each.headers.get("Refer-Sub") for each in accepted] == ["false"]
    refer(network, call)  # the first is over
    assert status_to(network, "REFER") == 202
    assert isinstance(network.bob.told[-1], TransferAsked)


def test_a_bye_does_not_end_what_is_told() -> None:
    network, call, theirs = followed()
    refer(network, call)
    network.bob.agent.answer_transfer(theirs, 202, network.now)
    network.settle()
    network.alice.agent.hang_up(call, network.now)
    network.settle()
    assert isinstance(network.bob.told[-1], CallEnded)
    network.bob.agent.tell_transfer(theirs, 503, "Service Unavailable", network.now)
    network.run(40)
    assert notifies(network.bob)[-1][2] == "SIP/2.0 503 Service Unavailable"
    assert network.bob.agent.transaction_count == 0
    assert network.bob.agent.call_count == 0


def test_who_refuses_to_be_told_keeps_the_call() -> None:
    network, call, theirs = followed()
    refer(network, call)
    network.alice.agent = Party(network.alice.address).agent  # it has forgotten all about it
    network.bob.agent.answer_transfer(theirs, 202, network.now)
    network.settle()
    network.bob.agent.tell_transfer(theirs, 200, "OK", network.now)
    network.settle()
    assert len(notifies(network.bob)) == 1
    assert not any(isinstance(event, CallEnded) for event in network.bob.told)


def test_one_at_a_time_and_none_before_the_answer() -> None:
    network = SipNetwork(bob=Party(BOB, accepts_refer=True))
    call, theirs = network.connect()
    network.alice.agent.transfer(call, CAROL, network.now)
    network.settle()
    refer(network, call)
    assert status_to(network, "REFER") == 491
    network.bob.agent.answer_transfer(theirs, 202, network.now)
    refer(network, call)
    assert status_to(network, "REFER") == 491
    early = SipNetwork(bob=Party(BOB, accepts_refer=True))
    ringing = early.call()
    arrived = early.bob.told[-1]
    early.bob.agent.ring(arrived.call, early.now)  # type: ignore[union-attr] # the test fails if it is another
    early.settle()
    invited = early.alice.agent._calls.calls[ringing]
    dialog = next(iter(invited._early.values()))  # type: ignore[attr-defined] # as above
    invited.request("REFER", early.now, lambda response, now: None, headers=(("Refer-To", "<sip:c@x>"),), dialog=dialog)
    early.settle()
    assert status_to(early, "REFER") == 491


def test_a_refer_that_comes_again_is_followed_once() -> None:
    network, call, theirs = followed()
    made = refer(network, call)
    network.bob.agent.answer_transfer(theirs, 202, network.now)
    network.bob.agent.tell_transfer(theirs, 200, "OK", network.now)
    network.settle()
    network.forget()
    send(network, made)  # as over a bad line
    assert network.bob.flow() == ["202"]
    via = made.headers.get("Via").replace("branch=z9hG4bK", "branch=z9hG4bKagain")
    send(network, made.with_header("Via", via))  # as by somebody who has seen it
    assert network.bob.flow() == ["202", "500"]
    assert not network.bob.told


def test_a_call_that_ends_leaves_no_question_open() -> None:
    network, call, _ = followed()
    refer(network, call)
    network.alice.agent.hang_up(call, network.now)
    network.settle()
    assert status_to(network, "REFER") == 487
    network.run(40)
    assert network.bob.agent.transaction_count == 0


def test_outside_of_a_call_nobody_is_referred() -> None:
    bob = Party(BOB, accepts_refer=True)
    text = (
        "REFER sip:bob@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKx\r\n"
        "From: <sip:a@x>;tag=1\r\nTo: <sip:bob@x>\r\nCall-ID: stray\r\nCSeq: 1 REFER\r\n"
        "Refer-To: <sip:carol@example.com>\r\nContact: <sip:a@192.0.2.1>\r\n\r\n"
    )
    bob.agent.receive(parse_datagram(text.encode()), Hop(transport="udp", host="192.0.2.1", port=5060), 0.0)
    assert [named(each.message) for each in bob.agent.outbound()] == ["481"]
    assert bob.agent.events() == []


def test_transfers_are_taken_or_not_at_any_time() -> None:
    network, call, _ = followed()
    network.bob.agent.accept_transfers(accepted=False)
    refer(network, call)
    assert status_to(network, "REFER") == 603
    network.bob.agent.accept_transfers(accepted=True)
    refer(network, call)
    assert isinstance(network.bob.told[-1], TransferAsked)


@pytest.mark.parametrize(("accepted", "status"), [(False, "420"), (True, "200")])
def test_who_must_be_able_to_replace_a_phone_is_told_whether_it_is(accepted: bool, status: str) -> None:
    bob = Party(BOB, accepts_refer=accepted)
    for required in ("timer", "replaces"):
        text = (
            f"OPTIONS sip:bob@192.0.2.2 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{required}\r\n"
            f"From: <sip:a@x>;tag=1\r\nTo: <sip:bob@192.0.2.2>\r\nCall-ID: {required}\r\nCSeq: 1 OPTIONS\r\n"
            f"Require: {required}\r\nContent-Length: 0\r\n\r\n"
        )
        bob.agent.receive(parse_datagram(text.encode()), Hop(transport="udp", host="192.0.2.1", port=5060), 0.0)
    plain, replacing = (each.message for each in bob.agent.outbound())
    assert (named(plain), named(replacing)) == ("200", status)
    assert ("replaces" in plain.headers.tokens("Supported")) is accepted
    assert replacing.headers.get("Unsupported") == ("" if accepted else "replaces")


# --- Refer-To -------------------------------------------------------------------------------------------------------

EARLY = "a;to-tag=t;from-tag=f;early-only"
REPLACES = "Replaces=abc%40192.0.2.9%3Bto-tag%3Dt1%3Bfrom-tag%3Df1"


def read(*values: str) -> tuple[str, str | None]:
    target = read_refer_to(HeaderFields(tuple(("Refer-To", value) for value in values)))
    return str(target.uri), target.replaces


@pytest.mark.parametrize(
    ("text", "uri", "replaces"),
    [
        ("<sip:2000@pbx.example.com>", "sip:2000@pbx.example.com", None),
        ("sip:2000@pbx.example.com", "sip:2000@pbx.example.com", None),
        ('"Carol" <sips:carol@x:5061;transport=tcp;maddr=10.0.0.1>;tag=1', "sips:carol@x:5061", None),
        ("<sip:c@x;method=invite>", "sip:c@x", None),
        (f"<sip:c@x?{REPLACES}>", "sip:c@x", "abc@192.0.2.9;to-tag=t1;from-tag=f1"),
        ("<sip:c@x?Require=replaces&Replaces=a%3Bto-tag%3Dt%3Bearly-only%3Bfrom-tag%3Df>", "sip:c@x", EARLY),
        ("<sip:c@x?Replaces=a%3Bfrom-tag%3Df%3Bto-tag%3Dt%3Bodd%3D1>", "sip:c@x", "a;to-tag=t;from-tag=f"),
    ],
)  # fmt: skip
def test_only_user_host_and_replaces_are_read(text: str, uri: str, replaces: str | None) -> None:
    assert read(text) == (uri, replaces)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("<tel:+49301234>", 416),
        ("<http://example.com/>", 416),
        ("<sip:pbx.example.com>", 400),
        ("<sip:c@x;method=BYE>", 603),
        ("<sip:c@x?Subject=hello>", 400),
        (f"<sip:c@x?{REPLACES}&Route=%3Csip:10.0.0.1%3E>", 400),
        (f"<sip:c@x?{REPLACES}&{REPLACES}>", 400),
        ("<sip:c@x?body=v%3D0>", 400),
        ("<sip:c@x?Replaces=abc>", 400),
        ("<sip:c@x?Replaces=a%3Bto-tag%3Dt%0D%0AX%3A1%3Bfrom-tag%3Df>", 400),
        ("<sip:c@x?Replaces=a%20b%3Bto-tag%3Dt%3Bfrom-tag%3Df>", 400),
        (f"<sip:c@x?Replaces={'a' * MAX_REPLACES}%3Bto-tag%3Dt%3Bfrom-tag%3Df>", 400),
        (f"<sip:{'1' * MAX_REFER_TO}@x>", 400),
        ("<sip:c@x", 400),
        ("<sip:c@x>, <sip:d@y>", 400),
        ("", 400),
    ],
)
def test_anything_else_is_refused(text: str, status: int) -> None:
    with pytest.raises(SipError) as refused:
        read(text)
    assert refused.value.status_hint == status


def test_there_must_be_one() -> None:
    for values in ((), ("<sip:a@x>", "<sip:b@x>")):
        with pytest.raises(SipError):
            read(*values)


def test_a_phone_that_has_moved_is_found_where_its_refer_says() -> None:
    network, call, theirs = followed()
    refer(network, call, Contact="<sip:alice@192.0.2.1:5099>")
    network.bob.agent.hang_up(theirs, network.now)
    network.settle()
    assert ":5060" in last_bye(network.bob).uri, "it was not accepted"
    network, call, theirs = followed()
    refer(network, call, Contact="<sip:alice@192.0.2.1:5099>")
    network.bob.agent.answer_transfer(theirs, 202, network.now)
    network.bob.agent.hang_up(theirs, network.now)
    network.settle()
    assert last_bye(network.bob).uri == "sip:alice@192.0.2.1:5099"


def last_bye(party: Party) -> RequestMessage:
    return next(each for each in reversed(party.sent) if isinstance(each, RequestMessage) and each.method == "BYE")


@pytest.mark.parametrize("told_by", ["202", "NOTIFY"])
def test_a_phone_that_has_moved_is_found_where_what_it_sends_about_our_refer_says(told_by: str) -> None:
    network, call, theirs = followed()
    moved: list[str] = []

    def keeps(message: RequestMessage | ResponseMessage) -> bool:
        if named(message) != told_by or moved:
            return named(message) != "NOTIFY"
        moved.append(told_by)
        there = message.with_header("Contact", f"<sip:bob@{BOB}:5077>")
        network.alice.agent.receive(parse_datagram(encode(there)), network.bob.hop, network.now)
        return False

    network.keeps = keeps
    network.alice.agent.transfer(call, CAROL, network.now)
    network.settle()
    network.bob.agent.answer_transfer(theirs, 202, network.now)
    network.settle()
    assert moved == [told_by]
    network.alice.agent.hang_up(call, network.now)
    network.settle()
    assert last_bye(network.alice).uri == f"sip:bob@{BOB}:5077"
