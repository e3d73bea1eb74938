"""One published track: decrypted RTP in, canonical packets out, and the figures for receiver reports.

A canonical packet is what every viewer's copy is made from: a 12-byte header without extensions and contributing
sources, the SSRC that the server chose for the track, payload type 0 (each viewer has its own), and the publisher's
sequence number and timestamp untouched. See `outgoing.py` for the copies.

Browsers cut a picture into packets of one size, but for a byte. Packets of exactly one size can leave together, for
much less than each by itself, so those that are a good part of a picture are padded to a multiple of 8 bytes. That is
done here, once and for all: what is sent again is then the same byte for byte.
"""

import math
from struct import Struct
from typing import NamedTuple

from protocol.sfu.keyframe import KeyFrame, key_frame
from protocol.sfu.nack import LossTracker
from protocol.sfu.ring import PacketRing
from protocol.sfu.round_trip import RoundTrip
from protocol.webrtc.rtcp import ReportBlock, SenderReport
from protocol.webrtc.rtp import pad

MAX_BEHIND = 1024  # packets; libsrtp's window: what is older cannot be encrypted for the viewers any more
REPLAY_AGE = 0.5  # seconds; a viewer may start with a key frame as old as this, and is behind by that for a moment
REPLAY_BYTES = 256 << 10  # that come to it at once; more would fill its path
FRESH_AGE = 0.25  # seconds; a younger key frame will still do when a viewer that is on its way has connected
PADDED_TO = 8  # bytes; sizes that differ by one are then the same seven times out of eight
PADDED_FROM, PADDED_UP_TO = 512, 1200  # bytes; less is no part of a larger picture, more might not fit the path

_HEADER = Struct("!BBHII")
_CYCLE = 1 << 16  # added to every extended number, so that a packet from before the first one has no negative number


class MediaPacket(NamedTuple):
    """A packet for the viewers.

    `sequence` is extended to more than 16 bits (RFC 3550 A.1). `key_frame` is set when a key frame begins here and
    viewers that wait may start with it. `data` is the canonical packet.
    """

    sequence: int
    data: bytes
    key_frame: KeyFrame | None

    @property
    def ends_picture(self) -> bool:
        """Whether a video packet is the last one of its picture: it has the marker, whatever the codec."""
        return self.data[1] > 127


class Replay(NamedTuple):
    """Canonical packets from the last key frame to the newest; the first has the extended sequence number `start`."""

    start: int
    packets: list[bytes]


class IncomingTrack:
    """The media of one remote SSRC.

    Feed it every authenticated packet of the track by `receive`, or `receive_rtx` for its retransmission stream.
    `now` is monotonic seconds. `nack`: the publisher takes NACKs, see `wanted`. `ring` keeps what viewers may ask for
    again. `round_trip` is the publisher's, which answers to NACKs help to measure.
    """

    def __init__(
        self, *, codec: str, clock_rate: int, ssrc: int, nack: bool, ring: PacketRing, round_trip: RoundTrip
    ) -> None:
        self.codec = codec
        self.ssrc = ssrc  # towards the viewers
        self.packets = 0
        self.bytes = 0
        self.duplicates = 0
        self.highest = -1  # extended sequence number of the newest packet; -1 before the first
        self.repaired = 0
        self.ring = ring
        self.losses = LossTracker(round_trip)
        self.key_frame_needed = False  # set when a hole will not be filled; the reader resets it
        self._nack = nack
        self._first = -1
        self._whole_from = -1  # holes before this are none of ours: a key frame came since, or was asked for
        self._key_frame_timestamp = -1
        self._key_frame = (-1, -math.inf)  # where the last one began, and when it came
        self._jitter = _Jitter(clock_rate)
        self._reported = (0, 0)  # expected, received at the last report
        self._sender_report: tuple[int, float] | None = None  # middle 32 bits of NTP time, arrival

    def receive(self, sequence: int, timestamp: int, marker: bool, payload: bytes, now: float) -> MediaPacket | None:
        """The packet to forward; None for a duplicate and for what is too old.

        A packet of nothing but padding has an empty payload and is forwarded too: dropping it would leave a hole in the
        sequence that viewers ask for in vain.
        """
        extended = self._extend(sequence)
        newest = extended > self.highest
        if newest:
            self._advance(extended, now)
            self._jitter.update(timestamp, now)
        elif self._is_stale(extended):
            self.duplicates += 1
            return None
        else:
            self.losses.arrived(extended)
        data = _HEADER.pack(0x80, marker << 7, sequence, timestamp, self.ssrc) + payload
        self.packets += 1
        self.bytes += len(data)
        if PADDED_FROM <= len(data) <= PADDED_UP_TO:
            data = pad(data, PADDED_TO)
        self.ring.put(extended, data, now)
        return MediaPacket(extended, data, self._find_key_frame(extended, payload, timestamp, now) if newest else None)

    def receive_rtx(self, timestamp: int, marker: bool, payload: bytes, now: float) -> MediaPacket | None:
        """The original packet inside a retransmission (RFC 4588 section 4), if it was missing.

        Browsers send bandwidth probes here: repeats of what has come, and padding.
        """
        if len(payload) <= 2 or self.highest < 0:
            return None
        sequence = payload[0] << 8 | payload[1]
        self.losses.answered(self._extend(sequence), now)
        packet = self.receive(sequence, timestamp, marker, payload[2:], now)
        self.repaired += packet is not None
        return packet

    def wanted(self, now: float) -> list[int]:
        """The packets to ask for now, by extended sequence number. What is given up makes a key frame necessary.

        Viewers cannot decode beyond a hole; they would notice only after seconds. A key frame that came since has
        already helped them.
        """
        wanted = self.losses.due(now)
        if self.losses.given_up > self._whole_from:
            self._whole_from = self.losses.given_up
            self.key_frame_needed = True
        return wanted

    def has_fresh_key_frame(self, now: float) -> bool:
        """Whether a viewer that connects in a moment will find a key frame to start with."""
        return now - self._key_frame[1] <= FRESH_AGE

    def replay(self, now: float) -> Replay | None:
        """What a viewer starts with that comes in now; None when it has to wait for the next key frame.

        Only a whole stretch of packets is any use to it: a hole would have to be asked for, and may never be filled.
        """
        first, came = self._key_frame
        if now - came > REPLAY_AGE:
            return None
        room, packets = REPLAY_BYTES, []
        for sequence in range(first, self.highest + 1):
            packet = self.ring.get(sequence)
            if packet is None or len(packet) > room:
                return None
            room -= len(packet)
            packets.append(packet)
        return Replay(first, packets)

    def take_sender_report(self, report: SenderReport, now: float) -> None:
        """Note when the publisher's sender report came; the next report block refers to it."""
        self._sender_report = report.lsr, now

    def report(self, remote_ssrc: int, now: float) -> ReportBlock | None:
        """The report block on what came since the last one; None before the first packet.

        What came by RTX counts as lost, as RFC 4588 has it: a retransmission stream is one of its own. Publishers
        control their bitrate by this figure, and a path that needs repair is full.
        """
        if self.highest < 0:
            return None
        expected, received = self.highest - self._first + 1, self.packets - self.repaired
        expected_before, received_before = self._reported
        self._reported = expected, received
        interval_expected = expected - expected_before
        interval_lost = interval_expected - (received - received_before)
        fraction = (interval_lost << 8) // interval_expected if interval_lost > 0 and interval_expected > 0 else 0
        lsr, arrived = self._sender_report or (0, now)
        return ReportBlock(
            ssrc=remote_ssrc,
            fraction_lost=min(fraction, 255),
            packets_lost=max(expected - received, 0),
            highest_sequence=self.highest - _CYCLE,
            jitter=self._jitter.value,
            lsr=lsr,
            dlsr=min(int((now - arrived) * 65536), 0xFFFFFFFF),
        )

    @property
    def lost(self) -> int:
        """Packets that never came, not even by retransmission."""
        return max(0, self.highest - self._first + 1 - self.packets) if self.highest >= 0 else 0

    def _extend(self, sequence: int) -> int:
        if self.highest < 0:
            return sequence + _CYCLE
        ahead = (sequence - self.highest) & 0xFFFF
        return self.highest + ahead - (_CYCLE if ahead >= 0x8000 else 0)

    def _advance(self, extended: int, now: float) -> None:
        if self.highest < 0:
            self._first = extended
        elif extended > self.highest + 1 and self._nack and not self.losses.lost(self.highest + 1, extended, now):
            self.key_frame_needed = True
        self.highest = extended

    def _is_stale(self, extended: int) -> bool:
        """Had already, or too old to be of use or even to tell."""
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
        return found


class _Jitter:
    """Interarrival jitter in timestamp units (RFC 3550 A.8)."""

    def __init__(self, clock_rate: int) -> None:
        self._clock_rate = clock_rate
        self._estimate = 0.0
        self._last: tuple[int, float] | None = None

    @property
    def value(self) -> int:
        return min(int(self._estimate), 0xFFFFFFFF)

    def update(self, timestamp: int, now: float) -> None:
        if self._last is not None:
            last_timestamp, last_now = self._last
            if timestamp == last_timestamp:
                return  # the packets of one picture leave together; only the first tells the path's delay
            step = ((timestamp - last_timestamp + 0x80000000) & 0xFFFFFFFF) - 0x80000000
            difference = abs((now - last_now) * self._clock_rate - step)
            self._estimate += (difference - self._estimate) / 16
        self._last = timestamp, now
