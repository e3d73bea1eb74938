"""Tapes of RTP, as FFmpeg's packetizers sent them, and what a tap makes of them.

Each holds two seconds of 160x96 at 15 frames per second, with key frames at 0 and 1 s; `frames.json` has of each frame
that FFmpeg sent a digest, its size, and whether it is a key frame.
"""

import hashlib
import json
import random
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from protocol.containers.recording_file import FileOutput
from protocol.containers.recording_series import NEVER, RecordingSeries
from protocol.stream.rotation import Rotation
from protocol.taps import TrackFormat, end_record, info_record, report_record, rtp_record
from protocol.webrtc.rtcp import SenderReport
from tests.support.media.rtp_packets import build_header

TAPES = Path(__file__).resolve().parents[2] / "fixtures" / "tapes"
VIDEO_CODECS = ("VP8", "VP9", "H264", "AV1")
RATE = 90_000
OPUS_SILENCE = b"\xfc\xff\xfe"
STARTED = 1000.0
"""Seconds on the plane's clock when the first packet came."""


class Arrived(NamedTuple):
    sequence: int
    time: float
    packet: bytes


@cache
def tape(codec: str) -> tuple[bytes, ...]:
    """The packets of one codec."""
    data, at, packets = (TAPES / f"{codec.lower()}.rtp").read_bytes(), 0, []
    while at < len(data):
        length = int.from_bytes(data[at : at + 2], "big")
        packets.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    return tuple(packets)


@cache
def sent_frames(codec: str) -> tuple[tuple[str, int, bool], ...]:
    """Digest, size and kind of what the encoder made."""
    frames: dict[str, Any] = json.loads((TAPES / "frames.json").read_text())
    return tuple((digest, size, key) for digest, size, key in frames[codec.lower()])


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:16]


def arrivals(codec: str) -> list[Arrived]:
    """The packets of a tape as the plane gets them, paced by their timestamps, whose first is 0."""
    packets = tape(codec)
    first = int.from_bytes(packets[0][4:8], "big")
    begin = int.from_bytes(packets[0][2:4], "big")
    found = []
    for packet in packets:
        ticks = (int.from_bytes(packet[4:8], "big") - first) & 0xFFFFFFFF
        number = (int.from_bytes(packet[2:4], "big") - begin) & 0xFFFF
        canonical = bytes((0x80, packet[1] & 0x80)) + packet[2:4] + ticks.to_bytes(4, "big") + packet[8:]
        found.append(Arrived(70_000 + number, STARTED + ticks / RATE, canonical))
    return found


def opus_arrivals(seconds: float, *, late: float = 0.0) -> list[Arrived]:
    """Packets of silence, 20 ms each, that come `late` seconds after they were taken."""
    found = []
    for number in range(round(seconds * 50)):
        header = build_header(payload_type=0, marker=False, sequence=number, timestamp=number * 960, ssrc=1)
        found.append(Arrived(number, STARTED + number / 50 + late, header + OPUS_SILENCE))
    return found


class TapeRecorder:
    """Plays tapes to a `RecordingSeries`, and has the files that come of it."""

    def __init__(self, *tracks: TrackFormat, rotation: Rotation = NEVER) -> None:
        self.recording = RecordingSeries(rotation)
        self.files = [bytearray()]
        self.ended: list[FileOutput] = []
        self.has_next = True
        """Whether the next file is there when it is wanted."""
        self.feed(info_record(tracks, STARTED))

    @property
    def file(self) -> bytearray:
        """The one that is being written."""
        return self.files[-1]

    def feed(self, *records: bytes) -> None:
        self.recording.feed(memoryview(b"".join(records)))

    def report(self, track: int, timestamp: int, ntp: float, now: float = STARTED) -> None:
        """A sender report: `timestamp` was at `ntp` seconds of the publisher's clock."""
        report = SenderReport(
            ssrc=1, ntp_timestamp=int(ntp * (1 << 32)), rtp_timestamp=timestamp, packet_count=0, octet_count=0
        )
        self.feed(report_record(track, now, report))

    def play(self, *tracks: Sequence[Arrived], flush_every: int = 20) -> None:
        """All packets in the order in which they came; `tracks` by their places in INFO."""
        merged = sorted(
            ((arrived.time, number, arrived) for number, packets in enumerate(tracks) for arrived in packets),
            key=lambda each: each[:2],
        )
        for count, (time, number, arrived) in enumerate(merged, 1):
            self.feed(rtp_record(number, arrived.sequence, time, arrived.packet))
            if not count % flush_every:
                self.flush(time)

    def flush(self, now: float) -> None:
        self._write(self.recording.flush(now, has_next=self.has_next and self.recording.wants_next))

    def finish(self) -> bytes:
        """The last file."""
        self.feed(end_record(STARTED + 60))
        self._write(self.recording.finish(has_next=self.has_next and self.recording.wants_next))
        if len(self.files) > 1 and not self.file:
            self.files.pop()
        return bytes(self.file)

    def _write(self, outputs: Sequence[FileOutput]) -> None:
        for output in outputs:
            self.file.extend(output.data)
            for offset, patch in output.patches:
                self.file[offset : offset + len(patch)] = patch
            if output.ends:
                self.ended.append(output)
                self.files.append(bytearray())


def shuffled(packets: Sequence[Arrived], *, seed: int, by: int) -> Iterator[Arrived]:
    """The packets in a changed order, each at most `by` places from its own; the times stay in order."""
    chance = random.Random(seed)
    order = sorted(range(len(packets)), key=lambda index: index + chance.random() * by)
    for place, index in enumerate(order):
        yield packets[index]._replace(time=packets[place].time)
