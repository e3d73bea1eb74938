"""What a user agent counts of its messages."""

from protocol.sip.messages.message import HeaderFields, RequestMessage
from protocol.sip.traffic import SipTraffic
from tests.support.calls.sip_network import SipNetwork


def test_messages_are_counted_by_direction_method_and_class() -> None:
    network = SipNetwork()
    call, _ = network.connect()
    network.alice.agent.hang_up(call, network.now)
    network.run(40)
    ours, theirs = network.alice.agent.traffic, network.bob.agent.traffic
    assert ours.requests == {("out", "INVITE"): 1, ("out", "ACK"): 1, ("out", "BYE"): 1}
    assert ours.responses == {("in", "1xx"): 2, ("in", "2xx"): 2}
    assert {(method, count) for (_, method), count in theirs.requests.items()} == {
        ("INVITE", 1),
        ("ACK", 1),
        ("BYE", 1),
    }
    assert theirs.responses == {("out", "1xx"): 2, ("out", "2xx"): 2}
    assert ours.repeated == theirs.repeated == {}


def test_what_is_sent_again_is_counted_at_both_ends() -> None:
    lost: list[object] = []

    def loses_the_first_answer(message: object) -> bool:
        if isinstance(message, RequestMessage) or len(lost) > 1:
            return True
        lost.append(message)
        return False

    network = SipNetwork(keeps=loses_the_first_answer)
    network.call()
    network.run(2)
    assert network.alice.flow() == ["INVITE", "INVITE", "INVITE"]
    assert network.alice.agent.traffic.repeated == {"out": 2}
    assert network.bob.agent.traffic.repeated["in"] == 2


def test_a_method_that_calls_do_not_have_is_no_label_of_its_own() -> None:
    traffic = SipTraffic()
    for method in ("X" * 99, "OPTIONS"):
        traffic.note("in", RequestMessage(method=method, uri="sip:a@b", headers=HeaderFields()))
    assert traffic.requests == {("in", "other"): 1, ("in", "OPTIONS"): 1}
