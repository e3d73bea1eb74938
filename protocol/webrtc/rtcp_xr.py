"""The RTCP extended reports that measure the round trip to a sender (RFC 3611 sections 4.4 and 4.5).

A peer that sends no media has no sender reports for others to refer to. It sends its clock in an extended report
instead; the media sender echoes that clock, with the delay since it arrived. Browsers do so without any negotiation.
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
    """A sender's echo of the clock of `ssrc`: its middle 32 bits, and the sender's `delay` in 65536ths of a second."""

    ssrc: int
    clock: int
    delay: int

    def round_trip(self, now: float) -> float | None:
        """Seconds from sending the clock to `now`, without the delay; None when there was nothing to echo.

        May be slightly negative when the peer's clock runs fast.
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
    """Read the packet after its header; None if it has no echo. Raises ValueError or struct.error."""
    (ssrc,) = _U32.unpack_from(body)
    echoes = tuple(_echoes(body))
    return ExtendedReport(ssrc=ssrc, echoes=echoes) if echoes else None


def build_reference_time(ssrc: int, now: float) -> bytes:
    """Write our clock; `now` is in seconds of the clock that is passed to `ClockEcho.round_trip`."""
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
    """Seconds as 32.32 bits, of any clock: it is only compared with itself."""
    return int(now * (1 << 32)) & 0xFFFFFFFFFFFFFFFF
