"""One published track: decrypted RTP in, canonical packets out, and the figures for receiver reports.

Every viewer's copy is made from a canonical packet: a 12-byte header without extensions or contributing sources, the
SSRC that the server chose for the track, payload type 0 (each viewer has its own), and the publisher's sequence number
and timestamp. See `outgoing_track.py` for the copies.

Sequence numbers and timestamps stay the publisher's until its numbers jump (RFC 3550 A.1), another SSRC takes over, or
a stretch is left out. What follows is then joined to what came before, with the next number and a timestamp that fits
the elapsed time: viewers see one SSRC with continuous numbers, as their decryption requires (RFC 3711 section 3.3.1).
Video is joined at a key frame.

**The short way.** Nearly every packet simply follows the one before. `continues` tells so by its header, before it is
decrypted, and `take_next` does for it what `receive` does, but only what such a packet needs, and in the memory that
it came in. `receive` is the meaning of both; tests hold them equal.

Browsers cut a picture into packets whose sizes differ by at most a byte. Packets of exactly one size can be sent
together, at a much lower cost than one by one. So while `pads` is set, packets that carry a good part of a picture are
padded to a multiple of 8 bytes. This happens once, here, so that resent packets are identical byte for byte.
"""

import math
from struct import Struct
from typing import NamedTuple

from attrs import evolve

from protocol.sfu.keyframe_detection import KeyFrame, has_key_frames, key_frame, may_begin_key_frame
from protocol.sfu.late_join import Replay, replay_from
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
        self._may_begin = may_begin_key_frame(codec)
        self._reception = Reception(clock_rate)
        self._lost_before = 0  # in runs of numbers that have ended
        self._jump_to = -1  # the number that would follow an outlier
        self._shift = 0  # from the publisher's numbers to the viewers'
        self._timestamp_shift = 0
        self._first = -1  # packets below this number cannot be told from those before the join
        self._newest = (0, -math.inf)  # timestamp and arrival of the newest packet
        self._whole_from = -1  # holes before this no longer matter: a key frame has come since, or was requested
        self._key_frame_timestamp = -1
        self._key_frame = (-1, -math.inf)  # where the last one began, and when it came

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

    def continues(self, sequence: int) -> bool:
        """Whether a packet of this number follows the newest, so that `take_next` may take it."""
        reception = self._reception
        return (
            sequence == (reception.highest + 1) & 0xFFFF
            and not self.is_apart
            and reception.highest + self._shift == self.highest >= 0
        )

    def take_next(
        self, memory: memoryview, start: int, end: int, timestamp: int, marker: int, now: float
    ) -> MediaPacket:
        """As `receive`, for a packet that `continues` and has a payload, `start` to `end`; `marker` is 0x80 or 0.

        The packet's header in `memory`, before the payload, is written over.
        """
        reception = self._reception
        reception.received += 1
        if timestamp == reception.timestamp:
            reception.highest += 1
        else:
            reception.advance(reception.highest + 1, timestamp, now)
        self.heard_at = now
        self.highest = extended = self.highest + 1
        timestamp = timestamp + self._timestamp_shift & 0xFFFFFFFF
        self._newest = timestamp, now
        begin, size = start - HEADER_SIZE, end - start + HEADER_SIZE
        _HEADER.pack_into(memory, begin, 0x80, marker, extended & 0xFFFF, timestamp, self.ssrc)
        data = bytes(memory[begin:end])
        self.packets, self.bytes = self.packets + 1, self.bytes + size
        may_begin = self._may_begin[data[HEADER_SIZE]]
        found = self._find_key_frame(extended, data[HEADER_SIZE:], timestamp, now) if may_begin else None
        if self.pads and PADDED_FROM <= size <= PADDED_UP_TO:
            data = pad(data, PADDED_TO)
        self.ring.put(extended, data, now)
        return MediaPacket(extended, data, found)

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
        first, quiet, limits = self._key_frame[0], now - self._newest[1], limits or self.ring.replay_limits
        return replay_from(self.ring, first, self.highest, behind=self._behind, quiet=quiet, limits=limits)

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
        return self._newest[1] - self._key_frame[1] if self._key_frame[0] >= 0 else math.inf

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
        if self.pads and PADDED_FROM <= len(data) <= PADDED_UP_TO:
            data = pad(data, PADDED_TO)
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
        """Only the first packet of a key frame counts: H.264 shows one in the parameter sets and again in the slice."""
        found = key_frame(self.codec, payload)
        if found is None or timestamp == self._key_frame_timestamp:
            return None
        self._key_frame_timestamp = timestamp
        self._key_frame = extended, now
        self._whole_from = extended
        self.key_frame_needed = False
        return found


def _timestamp_delta(newer: int, older: int) -> int:
    """How far one timestamp is ahead of another on the 32-bit circle."""
    return ((newer - older + 0x80000000) & 0xFFFFFFFF) - 0x80000000
