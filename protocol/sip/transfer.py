"""Transfers: REFER, and the NOTIFYs that tell what became of it (RFC 3515), with Replaces (RFC 3891)."""

from typing import Final
from urllib.parse import quote

from protocol.sip.bodies import status_of_fragment
from protocol.sip.call_port import CallPort
from protocol.sip.dialog import Dialog
from protocol.sip.events import TransferAsked, TransferProgressed
from protocol.sip.headers import SipUri, parse_name_address, printable
from protocol.sip.message import RequestMessage, ResponseMessage, SipError
from protocol.sip.transactions import ServerTransaction

FRAGMENT: Final = "message/sipfrag;version=2.0"


def replaces_of(dialog: Dialog) -> str:
    """The Replaces header that stands for a call of ours, as the transferred side has to send it (RFC 3891)."""
    return f"{dialog.call_id};to-tag={dialog.remote.tag};from-tag={dialog.local.tag}"


class Transfer:
    """Both directions of one call."""

    def __init__(self, call: CallPort) -> None:
        self._call = call
        self._asked: ServerTransaction | None = None

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

    def asked(self, request: RequestMessage, transaction: ServerTransaction, now: float) -> None:
        """A REFER arrives."""
        if not self._call.core.world.accepts_refer or self._asked is not None:
            self._call.respond(transaction, 603, now)
            return
        try:
            target = parse_name_address(request.headers.get("Refer-To")).uri
        except SipError:
            self._call.respond(transaction, 400, now)
            return
        self._asked = transaction
        replaces = next((part[9:] for part in target.headers.split("&") if part.lower().startswith("replaces=")), None)
        self._call.core.emit(TransferAsked(call=self._call.id, target=target, replaces=replaces))

    def answer(self, status: int, now: float) -> None:
        """Accept the REFER that has arrived by 202, or refuse it by another status."""
        transaction, self._asked = self._asked, None
        if transaction is not None:
            self._call.respond(transaction, status, now)

    def tell_progress(self, status: int, reason: str, now: float) -> None:
        """Tell the other side what became of the REFER that was accepted."""
        state = "terminated;reason=noresource" if status >= 200 else "active;expires=60"
        headers = (("Event", "refer"), ("Subscription-State", state))
        body = f"SIP/2.0 {status} {reason}\r\n".encode()
        self._call.request("NOTIFY", now, self._call.end_if_gone, headers=headers, body=body, content_type=FRAGMENT)

    def close(self) -> None:
        """The call is over."""
        self._asked = None
