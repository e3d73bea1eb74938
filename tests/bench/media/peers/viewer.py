"""A viewer: counts packets and notes when the kernel took each of them in.

Few are decrypted, to see that they are real. Which packet of the publisher a packet is follows from its sequence
number, once one packet has been decrypted; each packet that is decrypted later must agree.
"""

import struct
import time
from collections.abc import Iterator

import trio

from protocol.sfu.keyframe_detection import key_frame
from protocol.webrtc import rtp
from protocol.webrtc.dtls import DtlsContext
from protocol.webrtc.rtcp import ReportBlock, build_receiver_report, build_remb
from protocol.webrtc.srtp import SrtpError
from tests.bench.media.peers import clip
from tests.bench.media.peers.clocks import ANCILLARY_SIZE, STAMP_SIZE, RealtimeClock
from tests.bench.media.peers.descriptions import play_answer, play_offer
from tests.bench.media.peers.peer import BUFFER, BUFFERS, Peer

SAMPLE = 50
"""One packet of so many is decrypted, once there is a picture."""
REPORT_INTERVAL = 1.0
_SSRC = 1
_ESTIMATE = 5_000_000  # bits per second, told to the server as browsers do


class Viewer(Peer):
    """Counts one VP8 track. Times are CLOCK_MONOTONIC in nanoseconds, 0 for what has not happened."""

    def __init__(self, host: str, context: DtlsContext, clock: RealtimeClock) -> None:
        super().__init__(host, context)
        self.picture = trio.Event()
        self.first_at = self.picture_at = 0
        self.bad = 0  # packets that could not be decrypted, or were not the one that their number says
        self._clock = clock
        self._video_type = -1
        self._stamps = bytearray()
        self._numbers = bytearray()
        self._until_sample = 1
        self._first: tuple[int, int] | None = None  # sequence number and index of the first packet
        self._report_at = 0.0
        self._media_ssrc = 0

    def offer(self) -> str:
        return play_offer(self.local)

    def answer(self, offer: str) -> str:
        """Take the server's offer; the answer to it."""
        self.accept(offer)
        return play_answer(self.local, offer)

    def accept(self, description: str) -> None:
        super().accept(description)
        assert self.remote is not None
        self._video_type = self.remote.video_type

    def drain(self) -> None:
        """As in a peer, with a short way for media: this runs for every packet of every viewer."""
        receive, video_type = self.udp.recvmsg_into, self._video_type
        while True:
            try:
                size, ancillary, _, _ = receive(BUFFERS, ANCILLARY_SIZE)
            except BlockingIOError:
                return
            if BUFFER[1] & 0x7F == video_type and BUFFER[0] & 0xC0 == 0x80:
                self._stamps += ancillary[0][2]
                self._numbers += BUFFER[2:4]
                self._until_sample -= 1
                if not self._until_sample:
                    self._look_inside(bytes(BUFFER[:size]), ancillary[0][2])
            else:
                self.take(bytes(BUFFER[:size]))

    def on_time(self, now: float) -> None:
        super().on_time(now)
        if self._media_ssrc and now >= self._report_at:
            self._report_at = now + REPORT_INTERVAL
            self._send_report()
        if self._media_ssrc:
            self.deadline = min(self.deadline, self._report_at)

    def arrivals(self) -> Iterator[tuple[int, int]]:
        """Index and arrival time of every packet, in the order they came."""
        if self._first is None:
            return
        number, index = self._first
        for at, (received,) in enumerate(struct.iter_unpack("!H", self._numbers)):
            ahead = ((received - number + 0x8000) & 0xFFFF) - 0x8000
            number, index = received, index + ahead
            stamp = bytes(self._stamps[STAMP_SIZE * at : STAMP_SIZE * (at + 1)])
            yield index, self._clock.monotonic_ns(stamp)

    # -- inside --------------------------------------------------------------------------------------------------

    def _look_inside(self, data: bytes, stamp: bytes) -> None:
        self._until_sample = 1
        if self.receiver is None:
            self.bad += 1
            return
        try:
            plain = self.receiver.unprotect(data)
        except SrtpError:
            self.bad += 1
            return
        header = rtp.parse_header(plain)
        payload = rtp.payload(plain, header)
        self._check(header.sequence, clip.index_of(payload))
        if not self.first_at:
            self.first_at = self._clock.monotonic_ns(stamp)
            self._media_ssrc = header.ssrc
            self.deadline = self._report_at = time.monotonic() + REPORT_INTERVAL
        if not self.picture_at and key_frame("VP8", payload):
            self.picture_at = self._clock.monotonic_ns(stamp)
            self.picture.set()
        if self.picture_at:
            self._until_sample = SAMPLE

    def _check(self, number: int, index: int) -> None:
        if self._first is None:
            self._first = number, index
        first_number, first_index = self._first
        if (number - first_number - index + first_index) & 0xFFFF:
            self.bad += 1

    def _send_report(self) -> None:
        """What a browser tells once a second; there is nothing to complain about."""
        block = ReportBlock(
            ssrc=self._media_ssrc,
            fraction_lost=0,
            packets_lost=0,
            highest_sequence=int.from_bytes(self._numbers[-2:], "big"),
            jitter=0,
        )
        report = build_receiver_report(_SSRC, [block]) + build_remb(_SSRC, _ESTIMATE, [self._media_ssrc])
        self.send_rtcp(report)
