"""Transfers that we order: REFER, and the NOTIFYs that tell what became of it (RFC 3515), with Replaces (RFC 3891).

Some phones accept a REFER and tell nothing more: it has failed after a while, so that another one may follow.
"""

from typing import Final
from urllib.parse import quote

from protocol.sip.calls.call_port import CallPort
from protocol.sip.calls.dialog import Dialog
from protocol.sip.events import TransferProgressed
from protocol.sip.messages.bodies import status_of_fragment
from protocol.sip.messages.headers import SipUri, printable
from protocol.sip.messages.message import RequestMessage, ResponseMessage
from protocol.sip.transactions.machines import ServerTransaction
from protocol.sip.transactions.timers import Timer

FRAGMENT: Final = "message/sipfrag;version=2.0"
PATIENCE: Final = 240.0
"""Seconds without a word about a REFER that was accepted: longer than a phone may ring."""
_UNKNOWN: Final = 408


def replaces_of(dialog: Dialog) -> str:
    """The Replaces header that stands for a call of ours, as the transferred side has to send it (RFC 3891)."""
    return f"{dialog.call_id};to-tag={dialog.remote.tag};from-tag={dialog.local.tag}"


class Transfer:
    """Those of one call."""

    def __init__(self, call: CallPort) -> None:
        self._call = call
        self._patience: Timer | None = None

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
        if not response.is_final:
            return
        is_accepted = response.status < 300
        if is_accepted:
            self._call.known_dialog().refresh_target(response)
        self._tell(response.status, response.reason, is_final=not is_accepted)
        self._call.end_if_gone(response, now)
        if is_accepted and self._call.is_up:
            self._wait(now)

    def notified(self, request: RequestMessage, dialog: Dialog, transaction: ServerTransaction, now: float) -> None:
        """A NOTIFY arrives."""
        if request.headers.get("Event").partition(";")[0].strip().lower() != "refer":
            self._call.respond(transaction, 489, now)
            return
        dialog.refresh_target(request)
        self._call.respond(transaction, 200, now)
        is_over = request.headers.get("Subscription-State").partition(";")[0].strip().lower() == "terminated"
        found = status_of_fragment(request.body.lstrip())
        if found is None and is_over and self._patience is not None:
            found = _UNKNOWN, "nothing was told"
        if found is None:
            return
        is_final = is_over or found[0] >= 200
        if is_final:
            self.close()
        elif self._patience is not None:
            self._wait(now)
        self._tell(*found, is_final=is_final)

    def close(self) -> None:
        """Nothing more is to be told of it."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _wait(self, now: float) -> None:
        self.close()
        self._patience = self._call.core.timers.at(now + PATIENCE, self._unheard)

    def _unheard(self, now: float) -> None:
        self.close()
        self._tell(_UNKNOWN, "nothing was told", is_final=True)

    def _tell(self, status: int, reason: str, *, is_final: bool) -> None:
        told = TransferProgressed(call=self._call.id, status=status, reason=printable(reason), is_final=is_final)
        self._call.core.emit(told)
