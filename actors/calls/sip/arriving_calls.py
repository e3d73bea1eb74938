"""Calls that come to the SIP endpoint: which registration each is for, and how many of them wait there."""

from collections import Counter
from collections.abc import Mapping
from typing import Final, Protocol

import trio
from attrs import frozen

from actors.calls.sip.phone_line import CallListener, PhoneLine
from actors.runtime.actor import crash_guard
from actors.runtime.logs import RateLimitedLog, get_logger
from protocol.sip.events import CallArrived, RegistrationEvent
from protocol.sip.transactions.machines import Hop

MAX_UNANSWERED: Final = 8
"""Calls that have come for one registration and have not been answered yet."""
_UNKNOWN, _BUSY, _CRASHED = 404, 486, 500

log = get_logger("sip")


class RegistrationHolder(Protocol):
    """Who registers. Neither method may wait."""

    def registration_event(self, event: RegistrationEvent) -> None:
        """What the registrar has said."""

    def call_arrived(self, event: CallArrived, line: PhoneLine) -> CallListener | int:
        """A call for this registration: who hears about it, or the status to refuse it with."""


@frozen(kw_only=True)
class HeldRegistration:
    """A registration and its holder. `token` and `user` are those of its Contact, `hops` its servers."""

    holder: RegistrationHolder
    token: str
    user: str
    hops: tuple[Hop, ...]


class ArrivingCalls:
    """See above. `registrations` by their ids; they come and go meanwhile."""

    def __init__(self, registrations: Mapping[str, HeldRegistration]) -> None:
        self.arrived = self.refused = 0
        self._registrations = registrations
        self._unanswered: Counter[str] = Counter()
        self._arrived_for: dict[str, str] = {}
        self._log = RateLimitedLog(log, clock=trio.current_time)

    def take(self, event: CallArrived, line: PhoneLine) -> CallListener | None:
        """Who hears about the call; None: it is refused, or is over already. Nothing that happens here leaves it."""
        self.arrived += 1
        taken: CallListener | int = _CRASHED
        with crash_guard(lambda error: log.error("owner of a SIP registration crashed", crash=error)):
            taken = self._offer(event, line)
        if isinstance(taken, int):
            self.refused += 1
            self._log.info("call is refused", status=taken, source=event.source.host)
            line.hang_up(taken)
            return None
        return taken if event.call in self._arrived_for else None

    def answered(self, call: str) -> None:
        """The call waits no more: something has happened to it, or it is over."""
        registration = self._arrived_for.pop(call, None)
        if registration is not None and self._unanswered[registration] > 0:
            self._unanswered[registration] -= 1

    def forget(self, registration: str) -> None:
        """It is no more."""
        self._unanswered.pop(registration, None)

    def _offer(self, event: CallArrived, line: PhoneLine) -> CallListener | int:
        found = self._registration_for(event)
        if found is None:
            return _UNKNOWN
        registration, held = found
        self._unanswered[registration] += 1
        self._arrived_for[event.call] = registration
        if self._unanswered[registration] > MAX_UNANSWERED:
            return _BUSY
        return held.holder.call_arrived(event, line)

    def _registration_for(self, event: CallArrived) -> tuple[str, HeldRegistration] | None:
        """By what our Contact said, else by its user part and the server that the call comes from."""
        for registration, held in self._registrations.items():
            if held.token == event.contact_token:
                return registration, held
        for registration, held in self._registrations.items():
            if held.user == event.callee.user and any(hop.host == event.source.host for hop in held.hops):
                return registration, held
        return None
