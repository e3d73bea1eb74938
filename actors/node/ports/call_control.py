"""What the web service needs of calls by SIP."""

from typing import Protocol

from actors.node.ports.refusals import NotHere
from actors.runtime.actor import StopReason
from protocol.calls.description import CallDescription
from protocol.calls.filters import CallFilter
from protocol.rest.paging import Found, Page
from protocol.sip.accounts.account_states import RegistrationDescription


class NoSuchCall(NotHere):
    """No call matches."""


class DigitsNotSent(Exception):
    """`info` says why."""

    def __init__(self, info: str) -> None:
        super().__init__(info)
        self.info = info


class CallControlPort(Protocol):
    """Calls. What acts on them raises NodesSilent if a node of the cluster may have them that does not answer."""

    @property
    def here(self) -> "CallControlPort":
        """Those of this node alone."""

    async def find(self, query: CallFilter, page: Page) -> Found[CallDescription]:
        """The number of those that match, and those on the page, oldest first."""

    async def registrations(self) -> Found[RegistrationDescription]:
        """The registrations; of one node, oldest first."""

    async def terminate(self, query: CallFilter, reason: StopReason, *, deadline: float) -> int:
        """End those that match, and wait until `deadline` for them to end; how many they are."""

    async def send_digits(self, query: CallFilter, digits: str, kind: str) -> None:
        """Send digits to the phone of the call that matches. `kind`: see `protocol.calls.dtmf.KINDS`.

        Raises NoSuchCall or DigitsNotSent.
        """
