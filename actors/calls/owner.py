"""A call's owner, as the call sees it: a page's session, or REST.

All methods are called on the server's event loop. They must not raise or wait.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from actors.hooks.lanes.lane import HookLane
from protocol.access.kicks import Subject
from protocol.calls.description import CallDescription
from protocol.calls.statuses import TransferStatus
from protocol.hooks import HookContext, HookMethod


class CallOwner(Protocol):
    """See above; each method says which call it is about."""

    @property
    def context(self) -> HookContext:
        """Node, application and session, for hooks and REST."""

    @property
    def lane(self) -> HookLane:
        """The lane for the hooks of all its calls, in order."""

    @property
    def subject(self) -> Subject:
        """Who it is, for bans of streams."""

    @property
    def is_away(self) -> bool:
        """The page is not there for a while: what answers its offer can wait, and is asked for by `tell_again`."""

    def call_answered(self, call_id: str, sdp: str) -> None:
        """`sdp` answers the page's offer. Once for each call that the page makes, unless the call ends first."""

    def call_rings(self, call_id: str, sdp: str, shown: Mapping[str, Any]) -> None:
        """A phone calls: `sdp` is the offer to the page, `shown` the call."""

    def call_status(self, call: CallDescription, shown: Mapping[str, Any]) -> None:
        """A call has a new status. `shown` is the call as the backend may have overwritten it."""

    def call_warning(self, call_id: str, method: HookMethod, info: str) -> None:
        """Something that was wanted of the call is refused or impossible; the call goes on."""

    def call_transfer(self, call_id: str, status: TransferStatus) -> None:
        """How far the transfer of a call is that the page has ordered."""

    def call_over(self, call_id: str) -> None:
        """The call has released everything and accepts no more. Called once."""
