"""What the web service needs of calls by SIP."""

from typing import Protocol

from actors.runtime.actor import StopReason
from protocol.calls.description import CallDescription
from protocol.calls.filters import CallFilter
from protocol.sip.account_states import RegistrationDescription


class NoSuchCall(Exception):
    """No call matches."""


class DigitsNotSent(Exception):
    """`info` says why."""

    def __init__(self, info: str) -> None:
        super().__init__(info)
        self.info = info


class CallControlPort(Protocol):
    """The calls of this node."""

    def find(self, query: CallFilter) -> tuple[CallDescription, ...]:
        """Those that match, oldest first."""

    def registrations(self) -> tuple[RegistrationDescription, ...]:
        """The registrations of this node, oldest first."""

    async def terminate(self, query: CallFilter, reason: StopReason, *, deadline: float) -> int:
        """End those that match, and wait until `deadline` for them to end; how many they are."""

    def send_digits(self, query: CallFilter, digits: str, kind: str) -> None:
        """Send digits to the phone of the call that matches. `kind`: see `protocol.calls.dtmf.KINDS`.

        Raises NoSuchCall or DigitsNotSent.
        """
