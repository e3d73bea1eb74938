"""Digits of a call in three forms: within the voice (RFC 4733), or by INFO in two kinds of bodies, one by one."""

from collections import deque
from collections.abc import Callable

from actors.media.call.leg import RtpLeg
from protocol.calls.dtmf import (
    INFO,
    KINDS,
    MAX_QUEUE,
    RFC2833,
    DigitsRefused,
    checked_digits,
    info_body,
    info_relay_body,
)


class CallDigits:
    """`send_info(content_type, body)` sends an INFO; `answered` is to be called when it is answered."""

    def __init__(self, send_info: Callable[[str, bytes], None]) -> None:
        self._send_info = send_info
        self._waiting: deque[tuple[str, bytes]] = deque()
        self._is_sending = False

    @staticmethod
    def fault(digits: str) -> str | None:
        """Why these are no digits; None if they are."""
        try:
            checked_digits(digits)
        except DigitsRefused as refused:
            return refused.message
        return None

    def send(self, digits: str, kind: str, leg: RtpLeg) -> str | None:
        """Send digits; None, or why they are not sent. A phone without telephone events gets INFO_RELAY instead."""
        try:
            wanted = checked_digits(digits)
            if kind == RFC2833 and leg.takes_events:
                leg.send_digits(wanted)
                return None
        except DigitsRefused as refused:
            return refused.message
        if kind not in KINDS:
            return f"type is one of {', '.join(KINDS)}"
        if len(self._waiting) + len(wanted) > MAX_QUEUE:
            return f"more than {MAX_QUEUE} digits are waiting"
        for digit in wanted:
            is_plain = kind == INFO
            body = info_body(digit) if is_plain else info_relay_body(digit)
            self._waiting.append(("application/dtmf" if is_plain else "application/dtmf-relay", body))
        if not self._is_sending:
            self.answered()
        return None

    def stop(self) -> None:
        """The call is over."""
        self._waiting.clear()
        self._send_info = _nobody

    def start_anew(self) -> None:
        """The phone is another one: what waits is not for it."""
        self._waiting.clear()
        self._is_sending = False

    def answered(self) -> None:
        """The INFO before has been answered: the next one may leave."""
        self._is_sending = bool(self._waiting)
        if self._waiting:
            self._send_info(*self._waiting.popleft())


def _nobody(content_type: str, body: bytes) -> None:
    """There is no call any more."""
