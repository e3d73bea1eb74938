"""What a page wants of its call: to hold it, to send digits, to transfer it. The backend is asked first."""

from collections.abc import Callable
from typing import Any, Protocol

from actors.calls.call_messages import DigitsWish, HoldWish, TransferWish
from actors.calls.call_report import CallReport
from actors.calls.media.call_digits import CallDigits
from actors.calls.media.call_exchange import CallExchange
from actors.calls.media.call_injections import NOT_UP
from actors.calls.transfers.call_transfer import CallTransfer
from actors.runtime.logs import get_logger
from protocol.calls.info_texts import CallRefused
from protocol.hooks import HookMethod

log = get_logger("calls")


class Allowed(Protocol):
    """Asks the backend; a refusal has been told."""

    async def __call__(self, method: HookMethod, **fields: Any) -> bool: ...


class CallWishes:
    """See above. What is refused or impossible is told to the page, and changes nothing."""

    def __init__(
        self, exchange: CallExchange, report: CallReport, send_digits: Callable[[str, str], str | None]
    ) -> None:
        self.transfers = CallTransfer(exchange, report)
        self._exchange, self._report, self._send_digits = exchange, report, send_digits

    async def take(self, wish: HoldWish | DigitsWish | TransferWish, allowed: Allowed) -> None:
        """The page wants something."""
        match wish:
            case HoldWish():
                await self._hold(wish, allowed)
            case DigitsWish():
                await self._digits(wish, allowed)
            case TransferWish():
                await self._transfer(wish, allowed)

    def drop_references(self) -> None:
        """The call is gone."""
        self._send_digits = _nothing

    async def _hold(self, wish: HoldWish, allowed: Allowed) -> None:
        method = HookMethod.HOLD if wish.held else HookMethod.UNHOLD
        if not self._report.is_up:
            self._report.warn(method, NOT_UP)
        elif await allowed(method, holdForTransfer=wish.held and wish.for_transfer):
            self._report.is_held_for_transfer = wish.held and wish.for_transfer
            self._exchange.hold(held=wish.held)

    async def _digits(self, wish: DigitsWish, allowed: Allowed) -> None:
        fault = CallDigits.fault(wish.digits) if self._report.is_up else NOT_UP
        if fault is None and await allowed(HookMethod.SEND_DTMF, dtmf=wish.digits, type=wish.kind):
            fault = self._send_digits(wish.digits, wish.kind)
        if fault is not None:
            self._report.warn(HookMethod.SEND_DTMF, fault)

    async def _transfer(self, wish: TransferWish, allowed: Allowed) -> None:
        fault = self.transfers.fault
        if fault is None:
            if not await allowed(HookMethod.TRANSFER, target=wish.target):
                self._report.refuse_transfer(None)
                return
            try:
                fault = self.transfers.begin(wish)
            except CallRefused as refused:
                log.info("a transfer was refused", info=refused.info, detail=refused.detail)
                fault = refused.info
        if fault is not None:
            self._report.refuse_transfer(fault)


def _nothing(digits: str, kind: str) -> str | None:
    return NOT_UP
