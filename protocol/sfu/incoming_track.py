"""One published track: decrypted RTP in, canonical packets out, and the figures for receiver reports.

Every viewer's copy is made from a canonical packet: a 12-byte header without extensions or contributing sources, the
SSRC that the server chose for the track, payload type 0 (each viewer has its own), and the publisher's sequence number
and timestamp. See `outgoing_track.py` for the copies.

Sequence numbers and timestamps stay the publisher's until its numbers jump (RFC 3550 A.1), another SSRC takes over, or
a stretch is left out. What follows is then joined to what came before, with the next number and a timestamp that fits
the elapsed time: viewers see one SSRC with continuous numbers, as their decryption requires (RFC 3711 section 3.3.1).
Video is joined at a key frame.

**The short way.** Nearly every packet simply follows the one before, which its header tells before it is decrypted
(`next_number`). `take_runs` does for many of them what `receive` does for each, but only what such packets need, and in
the memory that they came in. `receive` is the meaning of both; tests hold them equal.

Browsers cut a picture into packets whose sizes differ by at most a byte. Packets of exactly one size can be sent
together, at a much lower cost than one by one. So while `pads` is set, packets that carry a good part of a picture are
padded to a multiple of 8 bytes. This happens once, here, so that resent packets are identical byte for byte.
"""

import math
from collections.abc import Iterator, Sequence
from struct import Struct
from typing import NamedTuple

from attrs import evolve

from protocol.sfu.keyframe_detection import KeyFrame, has_key_frames, key_frame
from protocol.sfu.late_join import LastKeyFrame, Replay, replay_from
from protocol.sfu.nack import NackGenerator
from protocol.sfu.packet_history import PacketHistory, ReplayLimits
from protocol.sfu.reception import Reception
from protocol.sfu.rtt import RttEstimator
from protocol.webrtc.rtcp import ReportBlock, SenderReport
from protocol.webrtc.rtp import HEADER_SIZE, pad

MAX_BEHIND = 1024  # packets; libsrtp's window: older packets can no longer be encrypted for the viewers
FRESH_AGE = 0.25  # seconds; a key frame no older than this is still good when a connecting viewer is ready
TIMESTAMP_LEAP = 10.0  # seconds a timestamp may deviate from what the elapsed time suggests before it is shifted
PADDED_TO = 8  # bytes; sizes that differ by one become equal seven times out of eight
PADDED_FROM, PADDED_UP_TO = 512, 1200  # bytes; smaller: not part of a large picture; larger: might not fit the path

_HEADER = Struct("!BBHII")


class MediaPacket(NamedTuple):
    """A packet for the viewers.

    `sequence` is extended to more than 16 bits (RFC 3550 A.1). `key_frame` is set when a key frame begins here and
    waiting viewers may start with it. `data` is the canonical packet.
    """

    sequence: int
    data: bytes
    key_frame: KeyFrame | None

    @property
    def ends_picture(self) -> bool:
        """Whether this video packet is the last of its picture: with every codec, it has the marker bit."""
        return self.data[1] > 127


class MediaRun(NamedTuple):
    """Packets for the viewers that follow each other without a gap, as `MediaPacket` has one.

    `sequence` is the first one's, `arrivals` are in seconds. `key_frame` begins in the last packet, none in another.
    """

    sequence: int
    packets: list[bytes]
    arrivals: list[float]
    key_frame: KeyFrame | None

    @property
    def ends_picture(self) -> bool:
        """As `MediaPacket.ends_picture`, of the last one."""
        return self.packets[-1][1] > 127

    def singly(self) -> Iterator[tuple[MediaPacket, float]]:
        """Each packet, and when it came."""
        last = len(self.packets) - 1
        for index, (data, arrival) in enumerate(zip(self.packets, self.arrivals, strict=True)):
            yield MediaPacket(self.sequence + index, data, self.key_frame if index == last else None), arrival


Opened = tuple[int, int, int, int, float]
"""A decrypted packet in memory: where its payload begins and ends, the timestamp, 0x80 for a marker, the arrival."""


class IncomingTrack:
    """The media of one published track, whatever its current SSRC.

    Pass every authenticated packet of the track to `receive`, or `receive_rtx` for its retransmission stream.
    `now` is monotonic seconds. `nack`: the publisher accepts NACKs, see `wanted`. `ring` keeps the packets that viewers
    may request again. `round_trip` is the publisher's; answers to NACKs help to measure it.
    """

    def __init__(
        self, *, codec: str, clock_rate: int, ssrc: int, nack: bool, ring: PacketHistory, round_trip: RttEstimator
    ) -> None:
        self.codec = codec
        self.ssrc = ssrc  # towards the viewers
        self.packets = 0
        self.bytes = 0
        self.highest = -1  # extended sequence number of the newest packet, as viewers count; -1 before the first
        self.pads = False
        self.heard_at = -math.inf  # when anything came
        self.is_apart = False  # what comes has yet to be joined to what came before
        self.ring = ring
        self.losses = NackGenerator(round_trip, asks=nack)
        self.key_frame_needed = False  # set when a hole will not be filled; the reader resets it
        self._clock_rate = clock_rate
        self._has_key_frames = has_key_frames(codec)
        self._reception = Reception(clock_rate)
        self._lost_before = 0  # in runs of numbers that have ended
        self._jump_to = -1  # the number that would follow an outlier
        self._shift = 0  # from the publisher's numbers to the viewers'
        self._timestamp_shift = 0
        self._first = -1  # packets below this number cannot be told from those before the join
        self._newest = (0, -math.inf)  # timestamp and arrival of the newest packet
        self._whole_from = -1  # holes before this no longer matter: a key frame has come since, or was requested
        self._last = LastKeyFrame(codec)

    def receive(self, sequence: int, timestamp: int, marker: bool, payload: bytes, now: float) -> MediaPacket | None:
        """The packet to forward; None for a duplicate, a packet that is too old, or one that cannot be joined yet.

        A packet that is all padding has an empty payload and is forwarded too: dropping it would leave a hole in the
        sequence, and viewers would request it in vain.
        """
        self.heard_at = now
        number = self._place(sequence)
        if number is None:
            return None
        reception = self._reception
        is_newest = number > reception.highest
        if is_newest:
            reception.advance(number, timestamp, now)
        if self.is_apart and not (is_newest and self._join(number, timestamp, payload, now)):
            reception.received += is_newest
            return None
        packet = self._take(number, timestamp, marker, payload, now)
        reception.received += packet is not None
        return packet

    @property
    def next_number(self) -> int:
        """The 16-bit number of the packet that follows the newest, for `take_runs`; -1 if none is taken that way."""
        highest = self._reception.highest
        follows = not self.is_apart and highest + self._shift == self.highest >= 0
        return (highest + 1) & 0xFFFF if follows else -1

    def take_runs(self, memory: memoryview, opened: Sequence[Opened]) -> Iterator[MediaRun]:
        """As `receive` for each of these; the first has `next_number`, the others follow it, and all have a payload.

        Their headers in `memory`, before the payloads, are written over. A run ends where a key frame begins.
        """
        reception, may_begin, shift, ssrc = self._reception, self._last.may_begin, self._timestamp_shift, self.ssrc
        number, extended, stamp = reception.highest, self.highest, 0
        packets, arrivals = list[bytes](), list[float]()
        for start, end, timestamp, marker, now in opened:
            number, extended = number + 1, extended + 1
            if timestamp != reception.timestamp:
                reception.advance(number, timestamp, now)
            begin, stamp = start - HEADER_SIZE, timestamp + shift & 0xFFFFFFFF
            _HEADER.pack_into(memory, begin, 0x80, marker, extended & 0xFFFF, stamp, ssrc)
            packet = bytes(memory[begin:end])
            packets.append(packet)
            arrivals.append(now)
            if not may_begin[packet[HEADER_SIZE]]:
                continue
            found = self._find_key_frame(extended, packet[HEADER_SIZE:], stamp, now)
            if found is not None:
                yield self._end_run(packets, arrivals, stamp, found)
                packets, arrivals = [], []
        if packets:
            yield self._end_run(packets, arrivals, stamp, None)

    def _end_run(self, packets: list[bytes], arrivals: list[float], timestamp: int, found: KeyFrame | None) -> MediaRun:
        reception, count, now, first = self._reception, len(packets), arrivals[-1], self.highest + 1
        reception.highest = self.highest + count - self._shift
        reception.received += count
        self.packets, self.bytes = self.packets + count, self.bytes + sum(map(len, packets))
        self.highest, self.heard_at, self._newest = first + count - 1, now, (timestamp, now)
        if self.pads:
            packets = list(map(_padded, packets))
        self.ring.put_run(first, packets, arrivals)
        return MediaRun(first, packets, arrivals, found)

    def receive_rtx(self, timestamp: int, marker: bool, payload: bytes, now: float) -> MediaPacket | None:
        """The original packet inside a retransmission (RFC 4588 section 4), if it was missing.

        Browsers send bandwidth probes here: repeats of received packets, and padding.
        """
        reception = self._reception
        if len(payload) <= 2 or reception.highest < 0 or self.is_apart:
            return None
        number = reception.extend(payload[0] << 8 | payload[1])
        self.losses.answered(number + self._shift, now)
        if number > reception.highest:
            reception.advance(number, timestamp, now)
        packet = self._take(number, timestamp, marker, payload[2:], now)
        reception.repaired += packet is not None
        return packet

    def restart(self) -> None:
        """The publisher starts over: its new numbers and timestamps are unrelated to the old ones."""
        self._lost_before += self._reception.lost
        self._reception = Reception(self._clock_rate)
        self._skip()

    def leave_out(self, sequence: int, timestamp: int, now: float) -> None:
        """Skip a packet that is too old for viewers: they resume with the next key frame, or the next audio."""
        self.heard_at = now
        number = self._place(sequence)
        self._skip()
        if number is not None and number > self._reception.highest:
            self._reception.advance(number, timestamp, now)
            self._reception.received += 1

    def _skip(self) -> None:
        """Join whatever comes next to what came before."""
        if self.highest >= 0 and not self.is_apart:
            self.is_apart = True
            self.losses.clear()
            self.key_frame_needed = self._has_key_frames

    def wanted(self, now: float) -> list[int]:
        """The packets to request now, by the publisher's extended number. Giving one up makes a key frame necessary.

        Viewers cannot decode past a hole, and would notice only after seconds. If a key frame has come since, they have
        already recovered.
        """
        wanted = self.losses.due(now)
        if self.losses.given_up > self._whole_from:
            self._whole_from = self.losses.given_up
            self.key_frame_needed = True
        return [sequence - self._shift for sequence in wanted]

    @property
    def has_fresh_key_frame(self) -> bool:
        """Whether a viewer about to connect will find a key frame to start with."""
        return self._behind <= FRESH_AGE

    def replay(self, now: float, limits: ReplayLimits | None = None) -> Replay | None:
        """What a viewer that joins now starts with, by the ring's limits or others; None: with the next key frame."""
        quiet, limits = now - self._newest[1], limits or self.ring.replay_limits
        return replay_from(self.ring, self._last.start, self.highest, behind=self._behind, quiet=quiet, limits=limits)

    def take_sender_report(self, report: SenderReport, now: float) -> SenderReport | None:
        """Note when the publisher's sender report came, and translate it to the timestamps that viewers get.

        None while the packets it refers to are not yet joined to those before.
        """
        self._reception.take_sender_report(report, now)
        if self.is_apart:
            return None
        shift = self._timestamp_shift
        return evolve(report, rtp_timestamp=report.rtp_timestamp + shift & 0xFFFFFFFF) if shift else report

    def report(self, remote_ssrc: int, now: float) -> ReportBlock | None:
        """The report block for the packets since the last one; None before the first packet."""
        return self._reception.report(remote_ssrc, now)

    @property
    def lost(self) -> int:
        """Packets that never came, not even by retransmission."""
        return self._lost_before + self._reception.lost

    @property
    def _behind(self) -> float:
        """Seconds from the last key frame to the newest packet; math.inf without a key frame."""
        return self._newest[1] - self._last.came if self._last.start >= 0 else math.inf

    def _place(self, sequence: int) -> int | None:
        """The publisher's extended number of a packet; None for an outlier.

        An outlier is a stray packet, or the first after a jump. Two consecutive ones prove the jump (RFC 3550 A.1).
        """
        number = self._reception.extend(sequence)
        if number > self._reception.highest - MAX_BEHIND:
            return number
        if sequence != self._jump_to:
            self._jump_to = (sequence + 1) & 0xFFFF
            return None
        self.restart()
        return self._reception.extend(sequence)

    def _join(self, number: int, timestamp: int, payload: bytes, now: float) -> bool:
        """Join the packets that begin here to those before, if viewers can continue with them."""
        if self._has_key_frames and key_frame(self.codec, payload) is None:
            return False
        self._shift = self.highest + 1 - number
        self._first = self.highest + 1
        newest, came = self._newest
        expected = newest + int((now - came) * self._clock_rate)
        missed = _timestamp_delta(timestamp + self._timestamp_shift, expected)
        if abs(missed) > TIMESTAMP_LEAP * self._clock_rate:
            self._timestamp_shift = expected - timestamp
        self.is_apart = False
        return True

    def _take(self, number: int, timestamp: int, marker: bool, payload: bytes, now: float) -> MediaPacket | None:
        """Make the packet for viewers from one with the publisher's number and timestamp."""
        extended, timestamp = number + self._shift, timestamp + self._timestamp_shift & 0xFFFFFFFF
        is_newest = extended > self.highest
        if is_newest:
            self._advance(extended, now)
            self._newest = timestamp, now
        elif self._is_stale(extended):
            return None
        else:
            self.losses.arrived(extended)
        data = _HEADER.pack(0x80, marker << 7, extended & 0xFFFF, timestamp, self.ssrc) + payload
        self.packets += 1
        self.bytes += len(data)
        if self.pads:
            data = _padded(data)
        self.ring.put(extended, data, now)
        found = self._find_key_frame(extended, payload, timestamp, now) if is_newest else None
        return MediaPacket(extended, data, found)

    def _advance(self, extended: int, now: float) -> None:
        if self.highest < 0:
            self._first = extended
        elif extended > self.highest + 1 and self._has_key_frames:
            self.key_frame_needed |= not self.losses.lost(self.highest + 1, extended, now)
        self.highest = extended

    def _is_stale(self, extended: int) -> bool:
        """A duplicate, or too old to be useful or even to be told from a duplicate."""
        too_old = extended < self._first or extended <= max(self.highest - MAX_BEHIND, self.ring.forgotten)
        return too_old or extended in self.ring

    def _find_key_frame(self, extended: int, payload: bytes, timestamp: int, now: float) -> KeyFrame | None:
        found = self._last.find(extended, payload, timestamp, now)
        if found is not None:
            self._whole_from = extended
            self.key_frame_needed = False
        return found


def _padded(packet: bytes) -> bytes:
    """A canonical packet as viewers get it while `pads` is set."""
    return pad(packet, PADDED_TO) if PADDED_FROM <= len(packet) <= PADDED_UP_TO else packet


def _timestamp_delta(newer: int, older: int) -> int:
    """How far one timestamp is ahead of another on the 32-bit circle."""
    return ((newer - older + 0x80000000) & 0xFFFFFFFF) - 0x80000000
