"""Transfers that we order: REFER, and the NOTIFYs that tell what became of it (RFC 3515), with Replaces (RFC 3891)."""

from typing import Final
from urllib.parse import quote

from protocol.sip.calls.call_port import CallPort
from protocol.sip.calls.dialog import Dialog
from protocol.sip.events import TransferProgressed
from protocol.sip.messages.bodies import status_of_fragment
from protocol.sip.messages.headers import SipUri, printable
from protocol.sip.messages.message import RequestMessage, ResponseMessage
from protocol.sip.transactions.machines import ServerTransaction

FRAGMENT: Final = "message/sipfrag;version=2.0"


def replaces_of(dialog: Dialog) -> str:
    """The Replaces header that stands for a call of ours, as the transferred side has to send it (RFC 3891)."""
    return f"{dialog.call_id};to-tag={dialog.remote.tag};from-tag={dialog.local.tag}"


class Transfer:
    """Those of one call."""

    def __init__(self, call: CallPort) -> None:
        self._call = call

    def refer(self, target: SipUri, replaces: Dialog | None, now: float) -> None:
        """Ask the other side to call `target`, in the place of the call of another dialog if there is one."""
        question = "" if replaces is None else f"?Replaces={quote(replaces_of(replaces), safe='')}"
        headers = (
            *self._call.offer_headers(self._call.hop_of(self._call.known_dialog()))[:1],
            ("Refer-To", f"<{target}{question}>"),
            ("Referred-By", f"<{self._call.known_dialog().local.uri}>"),
        )
        self._call.request("REFER", now, self._referred, headers=headers)

    def _referred(self, response: ResponseMessage, now: float) -> None:
        if response.is_final:
            self._tell(response.status, response.reason, is_final=response.status >= 300)
            self._call.end_if_gone(response, now)

    def notified(self, request: RequestMessage, transaction: ServerTransaction, now: float) -> None:
        """A NOTIFY arrives."""
        if request.headers.get("Event").partition(";")[0].strip().lower() != "refer":
            self._call.respond(transaction, 489, now)
            return
        self._call.respond(transaction, 200, now)
        found = status_of_fragment(request.body.lstrip())
        if found is not None:
            state = request.headers.get("Subscription-State").partition(";")[0].strip().lower()
            self._tell(*found, is_final=found[0] >= 200 or state == "terminated")

    def _tell(self, status: int, reason: str, *, is_final: bool) -> None:
        told = TransferProgressed(call=self._call.id, status=status, reason=printable(reason), is_final=is_final)
        self._call.core.emit(told)
