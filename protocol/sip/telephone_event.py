"""Digits within the voice stream: telephone-event of RFC 4733, payloads only.

    0                   1                   2                   3
    |     event     |E|R| volume    |          duration             |

A digit is several packets with the timestamp of its beginning, whose duration grows; the last one comes three times.
"""

import struct
from collections.abc import Iterator
from typing import Final

from attrs import frozen

DIGITS: Final = "0123456789*#ABCD"
VOLUME: Final = 10
"""Power of the tone, in dBm0 below zero."""
TONE: Final = 100
"""Milliseconds that a digit sounds."""
GAP: Final = 50
"""Milliseconds until the next one begins."""
PACKET: Final = 10
"""Milliseconds that each packet of a digit adds."""
END_REPETITIONS: Final = 3
_FORM = struct.Struct("!BBH")


@frozen(kw_only=True)
class TelephoneEvent:
    """One packet: `duration` in units of the clock, so far."""

    event: int
    is_end: bool
    volume: int
    duration: int

    @property
    def digit(self) -> str | None:
        """The key that was pressed; None for events that are no keys."""
        return DIGITS[self.event] if self.event < len(DIGITS) else None


@frozen(kw_only=True)
class EventPacket:
    """One packet that is to be sent: `at` milliseconds after the digit began."""

    at: int
    payload: bytes
    marker: bool


def parse_event(payload: bytes) -> TelephoneEvent | None:
    """Read a packet's payload (its first event); None if it is too short."""
    if len(payload) < _FORM.size:
        return None
    event, flags, duration = _FORM.unpack_from(payload)
    return TelephoneEvent(event=event, is_end=bool(flags & 0x80), volume=flags & 0x3F, duration=duration)


def write_event(event: TelephoneEvent) -> bytes:
    """A packet's payload."""
    return _FORM.pack(event.event, (0x80 if event.is_end else 0) | event.volume, event.duration)


def event_packets(digit: str, clock_rate: int) -> Iterator[EventPacket]:
    """The packets of one digit, in order; all with the RTP timestamp of its beginning. ValueError: no digit."""
    number = event_of(digit)
    for at in range(PACKET, TONE + 1, PACKET):
        is_end = at == TONE
        event = TelephoneEvent(event=number, is_end=is_end, volume=VOLUME, duration=at * clock_rate // 1000)
        for _ in range(END_REPETITIONS if is_end else 1):
            yield EventPacket(at=at, payload=write_event(event), marker=at == PACKET)


def event_of(digit: str) -> int:
    """The number of a key. ValueError: there is no such key."""
    place = DIGITS.find(digit.upper()) if len(digit) == 1 else -1
    if place < 0:
        raise ValueError(f"{digit!r} is no key of a phone")
    return place


def dtmf_relay(digit: str, duration: int = TONE) -> bytes:
    """The body of an INFO of application/dtmf-relay; `duration` in ms. ValueError: no digit."""
    event_of(digit)
    return f"Signal={digit.upper()}\r\nDuration={duration}\r\n".encode()


def dtmf_info(digit: str) -> bytes:
    """The body of an INFO of application/dtmf. ValueError: no digit."""
    event_of(digit)
    return digit.upper().encode()
