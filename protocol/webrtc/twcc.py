"""Transport-wide congestion control feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01).

The publisher numbers all its packets on a transport; we report when each of them arrived, and it estimates its
bandwidth from that. Without this feedback a browser needs half a minute to find its bitrate.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from operator import sub
from struct import Struct

TICK_US = 250
"""The unit of arrivals in microseconds."""
_REFERENCE_BITS = 8  # the unit of the reference time is 256 ticks

_RTPFB = 205
_FORMAT = 15
_NOT_RECEIVED, _SMALL_DELTA, _LARGE_DELTA = 0, 1, 2
_MAX_RUN = 0x1FFF
_VECTOR_SIZE = 7
_VECTOR = 0xC000
_WINDOW = 4096
_BACK_WINDOW = 500_000 // TICK_US
_MAX_DELTAS = 400
"""Limits a feedback packet: 400 arrivals need at most 800 bytes of deltas and, with 4096 states, 1170 of chunks."""

_HEAD = Struct("!BBHIIHHI")
_Gathered = tuple[bytes, bytes, int]

_U16 = Struct("!H")
_S16 = Struct("!h")


class TwccRecorder:
    """Records the arrivals on one transport and writes feedback.

    Call `record` for each packet and, every 50 to 100 ms, `build_feedback` until it returns None.
    A late packet is reported together with everything after it, once more. `record` runs for every packet, so it only
    makes a note; what the notes mean is worked out for many together.
    """

    def __init__(self) -> None:
        self._notes: list[tuple[int, int]] = []
        self._arrivals: dict[int, int] = {}  # in ticks, in the order of arrival
        self._newest = 0
        self._next = 0  # the first number yet to be reported
        self._end = -1  # one beyond the highest number so far; -1 before the first
        self._count = 0

    def record(self, sequence: int, arrival_us: int) -> None:
        """Note that packet `sequence` (16 bits) arrived at `arrival_us` (microseconds, any monotonic clock).

        The first arrival of a repeated packet counts. Packets 4096 numbers behind the newest are not reported.
        """
        self.record_all(((sequence, arrival_us // TICK_US),))

    def record_all(self, arrivals: Sequence[tuple[int, int]]) -> None:
        """The same for several packets, each by its number and its arrival in units of TICK_US."""
        self._notes += arrivals
        if len(self._notes) > _WINDOW:
            self._settle()

    def build_feedback(self, *, sender_ssrc: int, media_ssrc: int) -> bytes | None:
        """One feedback packet (RTCP, unencrypted, at most 1200 bytes); None when nothing is left to report.

        `sender_ssrc` is ours, `media_ssrc` any of the publisher's. A packet ends when it is full or a delta does not
        fit into 16 bits; the next call continues from there.
        """
        if self._notes:
            self._settle()
        if self._next >= self._end:
            return None
        base = self._next
        statuses, deltas, reference = self._gather(base)
        self._next = base + len(statuses)
        self._forget()
        body = b"".join(_chunks(statuses)) + deltas
        count, self._count = self._count, self._count + 1 & 0xFF
        return _packet(sender_ssrc, media_ssrc, base, len(statuses), reference << 8 | count, body)

    def _settle(self) -> None:
        """Enter the noted arrivals under their extended numbers (as RFC 3550 section 6.4.1 has them)."""
        if self._end < 0:
            self._next = self._end = self._notes[0][0]
        end, first, arrivals = self._end, self._next, self._arrivals
        for sequence, arrival in self._notes:
            if sequence != end & 0xFFFF:  # it does not follow the highest number, which is end - 1
                number = end - 1 + ((sequence - end + 0x8001) & 0xFFFF) - 0x8000
                if number < end - _WINDOW or number in arrivals:
                    continue
                first, end = min(first, number), max(end, number + 1)
                arrivals[number] = arrival
            else:
                arrivals[end] = arrival
                end += 1
            self._newest = arrival
        self._notes.clear()
        self._end, self._next = end, max(first, end - _WINDOW)
        if len(arrivals) > 2 * _WINDOW:
            self._forget()

    def _forget(self) -> None:
        """Drop arrivals outside the window, and reported ones older than half a second, the oldest first.

        Newer ones are reported again when a late packet makes us go back.
        """
        floor, young = self._end - _WINDOW, self._newest - _BACK_WINDOW
        old = []
        for number, arrival in self._arrivals.items():
            if number >= floor and (number >= self._next or arrival >= young):
                break
            old.append(number)
        for number in old:
            del self._arrivals[number]

    def _gather(self, base: int) -> _Gathered:
        """Collect as many states and deltas from `base` on as fit into one packet, and the reference time."""
        arrivals = list(map(self._arrivals.get, range(base, self._end)))
        return _small_steps(arrivals) or _steps(arrivals)


def _small_steps(arrivals: Sequence[int | None]) -> _Gathered | None:
    """As `_steps`, where all have come, in their order and soon after each other, as nearly always; else None."""
    known = [arrival for arrival in arrivals if arrival is not None]
    if len(known) < len(arrivals) or len(known) > _MAX_DELTAS:
        return None
    reference = known[0] >> _REFERENCE_BITS
    try:
        deltas = bytes(map(sub, known, chain((reference << _REFERENCE_BITS,), known)))
    except ValueError:  # one is not from 0 to 255
        return None
    return bytes((_SMALL_DELTA,)) * len(known), deltas, reference & 0xFFFFFF


def _steps(arrivals: Iterable[int | None]) -> _Gathered:
    """The states and deltas of as many packets as one feedback has room for, and the reference time."""
    statuses, deltas = bytearray(), bytearray()
    reference = last = count = 0
    for arrival in arrivals:
        if arrival is None:
            statuses.append(_NOT_RECEIVED)
            continue
        if not count:
            reference = arrival >> _REFERENCE_BITS
            last = reference << _REFERENCE_BITS
        ticks = arrival - last
        if 0 <= ticks <= 0xFF and count < _MAX_DELTAS:
            statuses.append(_SMALL_DELTA)
            deltas.append(ticks)
        elif not -0x8000 <= ticks <= 0x7FFF or count == _MAX_DELTAS:
            break
        else:
            statuses.append(_LARGE_DELTA)
            deltas += _S16.pack(ticks)
        last = arrival
        count += 1
    return bytes(statuses), bytes(deltas), reference & 0xFFFFFF


def _packet(sender_ssrc: int, media_ssrc: int, base: int, count: int, reference: int, body: bytes) -> bytes:
    padding = -len(body) % 4
    if padding:
        body += bytes(padding - 1) + bytes((padding,))
    first = 0xA0 if padding else 0x80
    words = (_HEAD.size + len(body)) // 4 - 1
    head = _HEAD.pack(first | _FORMAT, _RTPFB, words, sender_ssrc, media_ssrc, base & 0xFFFF, count, reference)
    return head + body


def _chunks(statuses: bytes) -> Iterator[bytes]:
    """Encode seven or more equal states as a run length, others as vectors of seven 2-bit symbols."""
    position, end = 0, len(statuses)
    while position < end:
        run = _run_length(statuses, position)
        if run >= _VECTOR_SIZE or position + run == end:
            yield _U16.pack(statuses[position] << 13 | run)
            position += run
        else:
            yield _U16.pack(_vector(statuses[position : position + _VECTOR_SIZE]))
            position += _VECTOR_SIZE


def _run_length(statuses: bytes, start: int) -> int:
    rest = statuses[start : start + _MAX_RUN]
    return len(rest) - len(rest.lstrip(rest[:1]))


def _vector(statuses: bytes) -> int:
    chunk = _VECTOR
    for index, status in enumerate(statuses):
        chunk |= status << 2 * (_VECTOR_SIZE - 1 - index)
    return chunk
