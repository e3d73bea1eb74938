"""One call at the SIP endpoint, as its owner holds it. Nothing here waits; what comes of it are events."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from protocol.sip.events import CallEvent
from protocol.sip.messages.headers import NameAddress, SipUri
from protocol.sip.user_agent import UserAgent

T = TypeVar("T")
CallListener = Callable[[CallEvent], None]
"""Hears what happens to a call; it must not wait."""


class AgentPort(Protocol):
    """What carries out commands at the user agent, now."""

    def perform(self, action: Callable[[UserAgent, float], T]) -> T: ...
    def forget_call(self, call: str) -> None: ...


class PhoneLine:
    """See above. Session descriptions are bytes; see `protocol.sip.user_agent` for the order of things."""

    def __init__(self, endpoint: AgentPort, call: str) -> None:
        self._endpoint = endpoint
        self.id = call

    def other(self, call: str) -> "PhoneLine":
        """Another call at the same endpoint."""
        return PhoneLine(self._endpoint, call)

    @property
    def is_open(self) -> bool:
        """Whether it is not over."""
        return self._endpoint.perform(lambda agent, now: agent.knows(self.id))

    def ring(self) -> None:
        """180 to the caller."""
        self._endpoint.perform(lambda agent, now: agent.ring(self.id, now))

    def progress(self, description: bytes) -> None:
        """183 to the caller, with early media."""
        self._endpoint.perform(lambda agent, now: agent.progress(self.id, description, now))

    def answer(self, description: bytes) -> None:
        """200 to the caller."""
        self._endpoint.perform(lambda agent, now: agent.answer(self.id, description, now))

    def hang_up(self, status: int = 480) -> None:
        """The end; no event follows. `status` is for a call that has arrived and was not answered."""
        self._endpoint.perform(lambda agent, now: agent.hang_up(self.id, now, status))
        self._endpoint.forget_call(self.id)

    def offer(self, description: bytes) -> None:
        """Re-INVITE."""
        self._endpoint.perform(lambda agent, now: agent.offer(self.id, description, now))

    def accept_offer(self, description: bytes) -> None:
        """Answer an OfferArrived."""
        self._endpoint.perform(lambda agent, now: agent.accept_offer(self.id, description, now))

    def refuse_offer(self, status: int = 488) -> None:
        """Refuse an OfferArrived; the call goes on as it was."""
        self._endpoint.perform(lambda agent, now: agent.refuse_offer(self.id, now, status))

    def send_info(self, content_type: str, body: bytes) -> None:
        """INFO."""
        self._endpoint.perform(lambda agent, now: agent.send_info(self.id, content_type, body, now))

    def transfer(self, target: SipUri, *, replaces: "PhoneLine | None" = None) -> None:
        """REFER; `replaces`: to the other side of that call, which it is to take over."""
        other = None if replaces is None else replaces.id
        self._endpoint.perform(lambda agent, now: agent.transfer(self.id, target, now, replaces=other))

    def answer_transfer(self, status: int) -> None:
        """202 or a refusal for a TransferAsked."""
        self._endpoint.perform(lambda agent, now: agent.answer_transfer(self.id, status, now))

    def tell_transfer(self, status: int, reason: str) -> None:
        """NOTIFY how far a transfer is that is followed; a final status is the last."""
        self._endpoint.perform(lambda agent, now: agent.tell_transfer(self.id, status, reason, now))

    @property
    def remote_party(self) -> NameAddress | None:
        """The other side, once it is known."""
        return self._endpoint.perform(lambda agent, now: agent.remote_party(self.id))
