"""A 2xx to INVITE, which the callee repeats until its ACK comes (RFC 3261 13.3.1.4)."""

from collections.abc import Callable

from protocol.sip.messages.message import ResponseMessage
from protocol.sip.transactions.machines import T1, T2, TIMEOUT, ServerTransaction, TransactionPort
from protocol.sip.transactions.timers import Timer, Timers


class RepeatedAnswer:
    """See above; it begins with the repetitions. `on_lost` is called if no ACK comes in 32 s."""

    def __init__(
        self,
        port: TransactionPort,
        transaction: ServerTransaction,
        response: ResponseMessage,
        now: float,
        on_lost: Callable[[float], None],
    ) -> None:
        self.number = response.headers.get("CSeq").partition(" ")[0]
        """What its ACK has for CSeq."""
        self._port, self._hop, self._response = port, transaction.hop, response
        self._on_lost = on_lost
        self._until = now + TIMEOUT
        self._interval = T1
        self._timer: Timer = self._timers.at(now + T1, self._repeat)

    @property
    def _timers(self) -> Timers:
        return self._port.timers

    def stop(self) -> None:
        """The ACK has come, or nobody waits for it."""
        self._timer.cancel()

    def _repeat(self, now: float) -> None:
        if now >= self._until:
            self._on_lost(now)
            return
        self._port.repeat(self._response, self._hop)
        self._interval = min(T2, self._interval * 2)
        self._timer = self._timers.at(min(self._until, now + self._interval), self._repeat)
