"""One SSRC with continuous numbers towards one side of a call, whatever the packets come from.

A receiver takes an SSRC that changes, or numbers that jump, for another source or for loss. Phones and gateways differ
in how they bear it, so each side sees one source for the whole call. Losses and reordering on the way in stay visible.
"""

from struct import Struct
from typing import Final, NamedTuple

from protocol.webrtc.rtp import RtpHeader

_HEADER: Final = Struct("!BBHII")
_VERSION: Final = 0x80
_MARKER: Final = 0x80
_LEAP: Final = 3_000  # RFC 3550 A.1, MAX_DROPOUT: beyond it the source has begun anew
_LEAP_SECONDS: Final = 10.0  # between what timestamps say has passed, and what has
_SILENT_SECONDS: Final = 0.2  # without a packet, after which voice begins with the marker (RFC 3551 section 4.1)
_FRAME_SECONDS: Final = 0.02


class _Joint(NamedTuple):
    """Where a stretch of one source joins what was sent before."""

    ssrc: int
    clock_rate: int
    sequence: int  # of its first packet, as it came
    sent_sequence: int
    timestamp: int
    sent_timestamp: int


class RtpRewriter:
    """What is sent to one side. `packets` and `octets` of payload are counted for sender reports."""

    def __init__(self, *, ssrc: int, sequence: int, timestamp: int) -> None:
        self.ssrc = ssrc
        self.packets = 0
        self.octets = 0
        self._next = sequence & 0xFFFF
        self._joint: _Joint | None = None
        self._timestamp = timestamp & 0xFFFFFFFF  # of the newest packet sent
        self._sent_at = 0.0
        self._clock_rate = 0

    def rewrite(
        self, header: RtpHeader, payload: bytes, *, payload_type: int, clock_rate: int, now: float
    ) -> bytes | None:
        """A packet of the source that is being heard; None if it is older than the joint to what was sent before."""
        joint = self._joint
        if joint is None or not self._continues(joint, header, clock_rate, now):
            joint = self._join(header, clock_rate, now)
        ahead = _signed16(header.sequence - joint.sequence)
        if ahead < 0:
            return None
        sequence = (joint.sent_sequence + ahead) & 0xFFFF
        timestamp = (joint.sent_timestamp + header.timestamp - joint.timestamp) & 0xFFFFFFFF
        begins = header.marker or not ahead or now - self._sent_at > _SILENT_SECONDS
        if _signed16(sequence - self._next) >= 0:
            self._next, self._timestamp = (sequence + 1) & 0xFFFF, timestamp
            self._sent_at = now
        return self._write(payload_type, begins, sequence, timestamp, payload)

    def insert(
        self, payload: bytes, *, payload_type: int, clock_rate: int, marker: bool, timestamp: int, now: float
    ) -> bytes:
        """A packet of our own, after which voice joins anew. `timestamp` is one that `timestamp_at` has given."""
        sequence = self._next
        self._next = (sequence + 1) & 0xFFFF
        self._joint = None
        self._timestamp, self._sent_at, self._clock_rate = timestamp, now, clock_rate
        return self._write(payload_type, marker, sequence, timestamp, payload)

    def pause(self) -> None:
        """The source is not heard for a while: what comes afterwards joins anew, without a gap in the numbers."""
        self._joint = None

    def timestamp_at(self, now: float, clock_rate: int) -> int:
        """What a packet sent now has as its timestamp."""
        if not self._clock_rate:
            return self._timestamp
        passed = max(now - self._sent_at, _FRAME_SECONDS)
        return (self._timestamp + int(passed * clock_rate)) & 0xFFFFFFFF

    # -- inside --------------------------------------------------------------------------------------------------

    def _continues(self, joint: _Joint, header: RtpHeader, clock_rate: int, now: float) -> bool:
        if header.ssrc != joint.ssrc or clock_rate != joint.clock_rate:
            return False
        expected = self._next - joint.sent_sequence + joint.sequence
        timestamp = joint.sent_timestamp + header.timestamp - joint.timestamp
        passed = _signed32(timestamp - self._timestamp) / clock_rate
        return (
            abs(_signed16(header.sequence - expected)) < _LEAP and abs(passed - (now - self._sent_at)) < _LEAP_SECONDS
        )

    def _join(self, header: RtpHeader, clock_rate: int, now: float) -> _Joint:
        sent_timestamp = self.timestamp_at(now, clock_rate)
        self._clock_rate = clock_rate
        self._joint = _Joint(header.ssrc, clock_rate, header.sequence, self._next, header.timestamp, sent_timestamp)
        return self._joint

    def _write(self, payload_type: int, marker: bool, sequence: int, timestamp: int, payload: bytes) -> bytes:
        self.packets += 1
        self.octets += len(payload)
        second = payload_type | (_MARKER if marker else 0)
        return _HEADER.pack(_VERSION, second, sequence, timestamp, self.ssrc) + payload


def _signed16(number: int) -> int:
    return (number + 0x8000 & 0xFFFF) - 0x8000


def _signed32(number: int) -> int:
    return (number + 0x8000_0000 & 0xFFFF_FFFF) - 0x8000_0000
