"""What the parts of a call need of it."""

from collections.abc import Callable, Iterable
from typing import Protocol

from protocol.sip.calls.dialog import Dialog
from protocol.sip.core import SipCore
from protocol.sip.messages.message import RequestMessage, ResponseMessage
from protocol.sip.pending_request import PendingRequest
from protocol.sip.transactions.machines import Hop, ServerTransaction


class CallPort(Protocol):
    """See `protocol.sip.calls.call.SipCall`."""

    id: str
    core: SipCore
    is_incoming: bool
    is_up: bool
    is_over: bool
    allows: frozenset[str]

    def request(
        self,
        method: str,
        now: float,
        on_response: Callable[[ResponseMessage, float], None],
        *,
        headers: Iterable[tuple[str, str | None]] = (),
        body: bytes = b"",
        content_type: str = "application/sdp",
        dialog: Dialog | None = None,
    ) -> PendingRequest: ...

    def respond(
        self,
        transaction: ServerTransaction,
        status: int,
        now: float,
        *headers: tuple[str, str | None],
        body: bytes | None = None,
    ) -> ResponseMessage: ...

    def known_dialog(self) -> Dialog: ...
    def hop_of(self, dialog: Dialog) -> Hop: ...
    def contact(self, hop: Hop) -> str: ...
    def offer_headers(self, hop: Hop) -> tuple[tuple[str, str | None], ...]: ...
    def acknowledge(self, invite: RequestMessage, dialog: Dialog) -> tuple[RequestMessage, Hop]: ...
    def say_bye(self, dialog: Dialog, now: float) -> None: ...
    def end(self, status: int, reason: str, now: float) -> None: ...
    def end_if_gone(self, response: ResponseMessage, now: float) -> None: ...
