"""RTCP extended reports, as far as they measure the round trip to a sender (RFC 3611 sections 4.4 and 4.5).

Who sends no media has no sender reports for others to refer to. It sends its clock in an extended report instead; the
sender of the media echoes that, together with how long it kept it. Browsers do so without any negotiation.
"""

from collections.abc import Iterator
from struct import Struct

from attrs import frozen

PACKET_TYPE = 207

_REFERENCE_TIME, _ECHO = 4, 5
_FRACTIONS = 1 << 16  # of a second, in 32-bit times

_CLOCK = Struct("!BBHIBBHQ")
_BLOCK = Struct("!BxH")
_U32 = Struct("!I")
_ITEM = Struct("!III")


@frozen(kw_only=True)
class ClockEcho:
    """What a sender says of the clock of `ssrc`: its middle 32 bits, and its `delay` there in 65536ths of a second."""

    ssrc: int
    clock: int
    delay: int

    def round_trip(self, now: float) -> float | None:
        """Seconds from the sending of the clock to `now`, without the delay; None when there was nothing to echo.

        A little below 0 when the peer's clock runs fast.
        """
        if not self.clock:
            return None
        passed = (_ntp(now) >> 16) - self.clock - self.delay & 0xFFFFFFFF
        return ((passed ^ 0x80000000) - 0x80000000) / _FRACTIONS


@frozen(kw_only=True)
class ExtendedReport:
    """The echoes in one extended report from `ssrc`."""

    ssrc: int
    echoes: tuple[ClockEcho, ...]


def parse_extended_report(body: bytes) -> ExtendedReport | None:
    """Read the packet behind its header; None without an echo in it. Raises ValueError or struct.error."""
    (ssrc,) = _U32.unpack_from(body)
    echoes = tuple(_echoes(body))
    return ExtendedReport(ssrc=ssrc, echoes=echoes) if echoes else None


def build_reference_time(ssrc: int, now: float) -> bytes:
    """Send our clock; `now` is seconds on the clock that `ClockEcho.round_trip` is asked with."""
    return _CLOCK.pack(0x80, PACKET_TYPE, _CLOCK.size // 4 - 1, ssrc, _REFERENCE_TIME, 0, 2, _ntp(now))


def _echoes(body: bytes) -> Iterator[ClockEcho]:
    position = _U32.size
    while position < len(body):
        kind, words = _BLOCK.unpack_from(body, position)
        start = position + _BLOCK.size
        position = start + words * 4
        if position > len(body):
            raise ValueError("block of an extended report is truncated")
        if kind == _ECHO:
            for ssrc, clock, delay in _ITEM.iter_unpack(body[start:position]):
                yield ClockEcho(ssrc=ssrc, clock=clock, delay=delay)


def _ntp(now: float) -> int:
    """Seconds as 32.32 bits; of any clock, for it is only compared with itself."""
    return int(now * (1 << 32)) & 0xFFFFFFFFFFFFFFFF
