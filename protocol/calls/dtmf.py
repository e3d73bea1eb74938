"""Digits of a phone: as telephone events (RFC 4733), one after another, and as bodies of INFO."""

import math
from collections import deque
from struct import Struct
from typing import Final

from attrs import frozen

from protocol.common.errors import ProtocolError

RFC2833: Final = "RFC2833"
INFO: Final = "INFO"
INFO_RELAY: Final = "INFO_RELAY"
KINDS: Final = (RFC2833, INFO, INFO_RELAY)
"""How digits are sent, as the WebSDK names it."""
DIGITS: Final = "0123456789*#ABCD"
"""What a phone has, in the order of RFC 4733 section 3.2."""
MAX_QUEUE: Final = 32
"""Digits that may wait."""
DURATION: Final = 0.1
"""Seconds that a digit lasts."""
GAP: Final = 0.05
"""Seconds from the end of a digit to the next."""
INTERVAL: Final = 0.02
"""Seconds between the packets of one event, and between the three that end it."""

_EVENT: Final = Struct("!BBH")
_VOLUME: Final = 10  # dBm0 below zero
_END: Final = 0x80
_REPEATS: Final = 3  # RFC 4733 section 2.5.1.4
_UPDATES: Final = round(DURATION / INTERVAL)


class DigitsRefused(ProtocolError):
    """These digits cannot be sent; the message says why, and has none of them."""


@frozen(kw_only=True)
class DigitPacket:
    """One packet of an event. `begins`: its first, whose time is that of all of them."""

    payload: bytes
    begins: bool


def checked_digits(text: str) -> str:
    """Digits as they are sent, in upper case. Raises DigitsRefused."""
    digits = text.upper()
    if not digits or any(digit not in DIGITS for digit in digits):
        raise DigitsRefused(f"digits are {DIGITS}")
    if len(digits) > MAX_QUEUE:
        raise DigitsRefused(f"at most {MAX_QUEUE} digits at once")
    return digits


def info_body(digit: str) -> bytes:
    """Of application/dtmf."""
    return digit.encode()


def info_relay_body(digit: str) -> bytes:
    """Of application/dtmf-relay, which has the duration in milliseconds."""
    return f"Signal={digit}\r\nDuration={round(DURATION * 1000)}\r\n".encode()


class DigitSender:
    """The events of one call, as packets in their time."""

    def __init__(self) -> None:
        self.deadline = math.inf
        """When `packet` is due, in the clock of its `now`."""
        self._queue: deque[str] = deque()
        self._digit = ""
        self._step = 0
        self._began = 0.0

    @property
    def is_busy(self) -> bool:
        """An event is being sent: voice is not, meanwhile."""
        return bool(self._digit)

    def add(self, text: str, now: float) -> None:
        """Send these after those that wait. Raises DigitsRefused, and then sends none of them."""
        digits = checked_digits(text)
        if len(self._queue) + len(digits) > MAX_QUEUE:
            raise DigitsRefused(f"more than {MAX_QUEUE} digits are waiting")
        self._queue.extend(digits)
        if self.deadline == math.inf:
            self.deadline = now

    def packet(self, now: float, clock_rate: int) -> DigitPacket | None:
        """What is to be sent now; None if there is nothing."""
        if now < self.deadline:
            return None
        if not self._digit:
            if not self._queue:
                self.deadline = math.inf
                return None
            self._digit, self._step, self._began = self._queue.popleft(), 0, max(now, self.deadline)
        payload, begins = self._payload(clock_rate), not self._step
        self._advance()
        return DigitPacket(payload=payload, begins=begins)

    def clear(self) -> None:
        """Nothing is sent any more."""
        self._queue.clear()
        self._digit, self.deadline = "", math.inf

    def _payload(self, clock_rate: int) -> bytes:
        is_end = self._step >= _UPDATES
        duration = min(self._step + 1, _UPDATES) * INTERVAL if not is_end else DURATION
        flags = _VOLUME | (_END if is_end else 0)
        return _EVENT.pack(DIGITS.index(self._digit), flags, min(round(duration * clock_rate), 0xFFFF))

    def _advance(self) -> None:
        self._step += 1
        if self._step < _UPDATES + _REPEATS:
            self.deadline = self._began + self._step * INTERVAL
        else:
            self._digit = ""
            self.deadline = self._began + DURATION + GAP
