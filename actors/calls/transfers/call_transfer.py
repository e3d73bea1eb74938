"""A transfer that the page orders: REFER to the phone, and what the phone tells of it (RFC 3515, RFC 5589)."""

from typing import Final

from actors.calls.call_messages import TransferWish
from actors.calls.call_report import CallReport
from actors.calls.media.call_exchange import CallExchange
from actors.calls.media.call_injections import NOT_UP
from protocol.calls.statuses import TransferStatus
from protocol.hooks import HookMethod
from protocol.sip.events import TransferProgressed

OTHER_NOT_UP: Final = "the other call is not up"


class CallTransfer:
    """See above; one at a time, those that phones order included."""

    def __init__(self, exchange: CallExchange, report: CallReport) -> None:
        self._exchange, self._report = exchange, report
        self._target: str | None = None
        self._status: TransferStatus | None = None
        self.is_by_phone = False
        """The phone has ordered one, which is under way."""

    @property
    def fault(self) -> str | None:
        """Why no transfer can begin now."""
        if not self._report.is_up:
            return NOT_UP
        return "a transfer is under way" if self.is_by_phone or self._target is not None else None

    def begin(self, wish: TransferWish) -> str | None:
        """Have the phone call somebody else; None, or why that is not done. Raises CallRefused for the callee."""
        phone, other = self._exchange.phone, wish.other
        if self.fault is not None or phone is None:
            return self.fault
        party = None if other is None else other.remote_party
        if other is not None and party is None:
            return OTHER_NOT_UP
        target = wish.dialer.callee(wish.target) if party is None else wish.dialer.party(party.uri)
        self._target = wish.target
        phone.transfer(target, replaces=other)
        return None

    def take(self, event: TransferProgressed) -> bool:
        """The phone tells how far it is; true once it has called the target, which ends this call."""
        if self._target is None:
            return False
        status = _status_of(event)
        if status is not self._status:
            self._status = status
            self._report.transfer(status, target=self._target, sip_status=event.status, reason=event.reason)
        if event.is_final:
            self._target = self._status = None
        if status is TransferStatus.FAILED:
            self._report.warn(HookMethod.TRANSFER, f"{event.status} {event.reason}".strip())
        return status is TransferStatus.COMPLETED


def _status_of(event: TransferProgressed) -> TransferStatus:
    """A 202 says only that the phone will try."""
    if not event.is_final:
        return TransferStatus.TRYING
    return TransferStatus.COMPLETED if 200 <= event.status < 300 else TransferStatus.FAILED
