"""The four transaction machines: every row of their tables, by the real classes, and their timers (RFC 3261 17)."""

import math
from enum import Enum
from typing import Any

import pytest
from attrs import define, field

from protocol.common.transitions import Transitions
from protocol.sip.messages.message import HeaderFields, RequestMessage, ResponseMessage, SipMessage
from protocol.sip.transactions.machines import ClientTransaction, Hop, ServerTransaction, cancel_of, server_key_of
from protocol.sip.transactions.states import (
    INVITE_CLIENT,
    INVITE_SERVER,
    OTHER_CLIENT,
    OTHER_SERVER,
    ClientTransactionEvent,
    ClientTransactionState,
    ServerTransactionEvent,
    ServerTransactionState,
)
from protocol.sip.transactions.timers import Timers
from tests.support.calls.sip_network import named

EVER = 1e6
UDP = Hop(transport="udp", host="192.0.2.1", port=5060)
TCP = Hop(transport="tcp", host="192.0.2.1", port=5060)


def request(method: str, branch: str = "z9hG4bK1") -> RequestMessage:
    fields = (
        ("Via", f"SIP/2.0/UDP 192.0.2.9;branch={branch}"),
        ("Route", "<sip:proxy;lr>"),
        ("From", "<sip:a@b>;tag=1"),
        ("To", "<sip:c@d>"),
        ("Call-ID", "x"),
        ("CSeq", f"5 {method}"),
    )
    return RequestMessage(method=method, uri="sip:c@d", headers=HeaderFields(fields))


def response(status: int) -> ResponseMessage:
    return ResponseMessage(status=status, reason="so", headers=HeaderFields((("To", "<sip:c@d>;tag=2"),)))


@define(eq=False)
class Rig:
    """What a transaction is connected to."""

    timers: Timers = field(factory=Timers)
    sent: list[SipMessage] = field(factory=list)
    heard: list[int] = field(factory=list)
    timeouts: list[float] = field(factory=list)
    forgotten: int = 0
    repeated: int = 0

    def transmit(self, message: SipMessage, hop: Hop) -> None:
        self.sent.append(message)

    def repeat(self, message: SipMessage, hop: Hop) -> None:
        self.repeated += 1
        self.transmit(message, hop)

    def forget(self, transaction: ClientTransaction | ServerTransaction) -> None:
        self.forgotten += 1

    def client(self, method: str, hop: Hop = UDP) -> ClientTransaction:
        made = ClientTransaction(
            request(method),
            hop,
            self,
            on_response=lambda response, now: self.heard.append(response.status),
            on_timeout=self.timeouts.append,
        )
        made.start(0.0)
        return made

    def run(self, until: float) -> list[float]:
        """The times at which something was sent."""
        times: list[float] = []
        while (due := self.timers.deadline) <= until:
            before = len(self.sent)
            self.timers.run(due)
            times += [due] * (len(self.sent) - before)
        return times


C, CE, S, SE = ClientTransactionState, ClientTransactionEvent, ServerTransactionState, ServerTransactionEvent
TO_CLIENT_STATE = {C.CALLING: [], C.PROCEEDING: [180], C.ACCEPTED: [200], C.COMPLETED: [486]}
STATUS_OF = {CE.PROVISIONAL: 183, CE.SUCCESS: 200, CE.FAILURE: 486}


def rows(*machines: tuple[str, Transitions[Any, Any]]) -> list[Any]:
    return [
        pytest.param(method, state, event, following, id=f"{method} {state.name} {event.name}")
        for method, table in machines
        for (state, event), following in table.rows.items()
    ]


@pytest.mark.parametrize(
    ("method", "state", "event", "following"), rows(("INVITE", INVITE_CLIENT), ("BYE", OTHER_CLIENT))
)
def test_each_row_of_a_client(method: str, state: Enum, event: Enum, following: Enum) -> None:
    rig = Rig()
    transaction = rig.client(method)
    for status in TO_CLIENT_STATE[state]:  # type: ignore[index] # an Enum that is a ClientTransactionState
        transaction.receive(response(status), 0.0)
    assert transaction.state is state
    if event is CE.LAPSE:
        rig.run(EVER)
    elif event is CE.BREAK:
        transaction.give_up()
    else:
        transaction.receive(response(STATUS_OF[event]), 0.0)  # type: ignore[index] # as above
    assert transaction.state is following
    assert rig.forgotten == (following is C.TERMINATED)
    assert rig.timeouts == ([32.0] if event is CE.LAPSE and state in (C.CALLING, C.PROCEEDING) else [])


@pytest.mark.parametrize(
    ("method", "state", "event", "following"), rows(("INVITE", INVITE_SERVER), ("BYE", OTHER_SERVER))
)
def test_each_row_of_a_server(method: str, state: Enum, event: Enum, following: Enum) -> None:
    rig = Rig()
    transaction = ServerTransaction(request(method), UDP, rig)
    status = {S.PROCEEDING: 0, S.ACCEPTED: 200, S.COMPLETED: 486, S.CONFIRMED: 486}[state]  # type: ignore[index]
    if status:
        transaction.respond(response(status), 0.0)
    if state is S.CONFIRMED:
        transaction.receive(request("ACK"), 0.0)
    assert transaction.state is state
    if event is SE.LAPSE:
        rig.run(EVER)
    elif event is SE.BREAK:
        transaction.give_up()
    elif event is SE.ACK:
        transaction.receive(request("ACK"), 0.0)
    else:
        transaction.respond(response(200 if event is SE.SUCCESS else 486), 0.0)
    assert transaction.state is following
    assert rig.forgotten == (following is S.TERMINATED)


@pytest.mark.parametrize(
    ("method", "times"),
    [
        ("INVITE", [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]),
        ("BYE", [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]),
    ],
)
def test_a_request_is_repeated_over_udp_only(method: str, times: list[float]) -> None:
    rig = Rig()
    rig.client(method)
    assert rig.run(EVER) == times
    assert rig.timeouts == [32.0]
    rig = Rig()
    rig.client(method, TCP)
    assert rig.run(EVER) == []
    assert rig.timeouts == [32.0]


def test_repetitions_end_or_slow_down_with_a_provisional_response() -> None:
    rig = Rig()
    rig.client("INVITE").receive(response(100), 0.1)
    assert rig.run(1000) == []
    assert rig.timeouts == []
    rig = Rig()
    rig.client("BYE").receive(response(100), 0.1)
    assert rig.run(9) == [0.5, 4.5, 8.5]


def test_each_failure_of_an_invite_is_acknowledged_and_heard_once() -> None:
    rig = Rig()
    transaction = rig.client("INVITE")
    for _ in range(3):
        transaction.receive(response(486), 0.0)
    assert rig.heard == [486]
    assert [named(message) for message in rig.sent] == ["INVITE", "ACK", "ACK", "ACK"]
    ack = rig.sent[-1]
    assert (ack.headers.get("CSeq"), ack.headers.get("To")) == ("5 ACK", "<sip:c@d>;tag=2")
    assert ack.headers.get("Via") == rig.sent[0].headers.get("Via")
    assert ack.headers.get("Route") == "<sip:proxy;lr>"


def test_further_successes_of_an_invite_are_heard() -> None:
    rig = Rig()
    transaction = rig.client("INVITE")
    for status in (200, 200, 486, 180):
        transaction.receive(response(status), 0.0)
    assert rig.heard == [200, 200]
    assert len(rig.sent) == 1


def test_a_refusal_of_an_invite_is_repeated_until_its_ack() -> None:
    rig = Rig()
    transaction = ServerTransaction(request("INVITE"), UDP, rig)
    transaction.respond(response(486), 0.0)
    assert rig.run(10) == [0.5, 1.5, 3.5, 7.5]
    transaction.receive(request("ACK"), 10.0)
    assert rig.run(EVER) == []
    assert transaction.state is S.TERMINATED


def test_a_request_that_comes_again_is_answered_as_before() -> None:
    rig = Rig()
    transaction = ServerTransaction(request("BYE"), UDP, rig)
    transaction.receive(request("BYE"), 0.0)
    assert rig.sent == []
    transaction.respond(response(200), 0.0)
    transaction.respond(response(500), 0.0)
    transaction.receive(request("BYE"), 0.1)
    assert [named(message) for message in rig.sent] == ["200", "200"]


def test_a_request_that_cannot_be_sent_has_no_answer() -> None:
    rig = Rig()
    transaction = rig.client("INVITE")
    transaction.broken(0.0)
    transaction.broken(0.0)
    assert rig.timeouts == [0.0]
    assert rig.timers.deadline == math.inf


def test_a_cancel_shares_the_branch_of_its_invite() -> None:
    invite = request("INVITE")
    cancel = cancel_of(invite)
    assert cancel.headers.get("Via") == invite.headers.get("Via")
    assert (cancel.headers.get("CSeq"), cancel.headers.get("To")) == ("5 CANCEL", "<sip:c@d>")


def test_requests_of_old_clients_are_told_apart_without_the_cookie() -> None:
    assert server_key_of(request("INVITE", "1")) != server_key_of(request("INVITE", "1").with_header("Call-ID", "y"))
    assert server_key_of(request("ACK", "1")) == server_key_of(request("INVITE", "1"))
    assert server_key_of(request("INVITE")) == server_key_of(request("INVITE").with_header("Call-ID", "y"))


def test_timers_that_are_cancelled_do_not_pile_up() -> None:
    timers = Timers()
    fired: list[float] = []
    kept = timers.at(5.0, fired.append)
    for when in range(1000):
        timers.at(float(when), fired.append).cancel()
    assert len(timers) < 200
    assert timers.deadline == 5.0
    timers.run(7.0)
    kept.cancel()
    assert (fired, timers.deadline) == ([7.0], math.inf)
