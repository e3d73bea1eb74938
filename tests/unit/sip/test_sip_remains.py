"""Nothing remains of calls and registrations that are over: neither in the agent nor anywhere else."""

import gc
import math
from collections import Counter
from typing import cast

from protocol.sip.events import CallArrived, OfferArrived
from tests.support.calls.sip_network import ANSWER, OFFER, SipNetwork


def cycle(network: SipNetwork) -> None:
    """A call with a hold, one that is refused, one that its caller gives up, and one whose answer is never taken."""
    alice, bob = network.alice.agent, network.bob.agent
    call, theirs = network.connect()
    alice.offer(call, OFFER, network.now)
    network.settle()
    assert isinstance(network.bob.told[-1], OfferArrived)
    bob.accept_offer(theirs, ANSWER, network.now)
    network.settle()
    bob.send_info(theirs, "application/dtmf", b"1", network.now)
    network.settle()
    bob.hang_up(theirs, network.now)
    network.settle()
    network.call()
    bob.hang_up(cast(CallArrived, network.bob.last(CallArrived)).call, network.now, 486)
    given_up = network.call()
    bob.ring(cast(CallArrived, network.bob.last(CallArrived)).call, network.now)
    network.settle()
    alice.hang_up(given_up, network.now)
    network.run(300)
    network.forget()


def of_sip() -> Counter[str]:
    gc.collect()
    return Counter(
        type(each).__qualname__ for each in gc.get_objects() if type(each).__module__.startswith("protocol.sip")
    )


def test_calls_leave_nothing_behind() -> None:
    network = SipNetwork()
    cycle(network)
    before = of_sip()
    for _ in range(5):
        cycle(network)
    assert not of_sip() - before  # what other tests have left may go meanwhile
    for party in (network.alice, network.bob):
        agent = party.agent
        assert (agent.transaction_count, agent.call_count, agent.deadline) == (0, 0, math.inf)
        assert agent._calls.dialog_count == 0
