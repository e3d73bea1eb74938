"""What a push costs its process: `python -m tests.bench.workers.pushes [--seconds 20]`.

A publication of 640x360 at 30 pictures per second and about 1 Mbit/s is pushed in real time to an RTMP server on this
machine: H264 copied, without sound and with Opus that becomes AAC; and VP8 that x264 makes H264 of. Shown is processor
time as a share of one core, after the first five seconds, and memory. Other load does not change it much.
"""

import argparse
import math
import random
import tempfile
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

import trio
from attrs import frozen
from av.audio.codeccontext import AudioCodecContext
from av.audio.frame import AudioFrame
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from actors.workers.pushing.push import Push
from protocol.webrtc.sdp import MediaKind
from tests.bench.workers.worker_starts import memory_of, processor_time
from tests.support.media.plain_media import PlainSource
from tests.support.media.rtp_packets import build_header
from tests.support.workers.push_rig import Studio, studio, taken
from tests.support.workers.rtmp_server import rtmp_server

WIDTH, HEIGHT, RATE, LOOP = 640, 360, 30, 4
"""LOOP: seconds of media that are encoded, and sent again and again."""
MTU = 1150
WARM_UP = 5.0


@frozen
class Media:
    """Payloads of RTP, picture by picture, and packets of sound."""

    codec: str
    pictures: Sequence[Sequence[bytes]]
    sound: Sequence[bytes]


def encoded(name: str, options: dict[str, str]) -> list[bytes]:
    encoder = CodecContext.create(name, "w")
    assert isinstance(encoder, VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    encoder.time_base, encoder.bit_rate, encoder.options = Fraction(1, RATE), 1_000_000, options
    noise = random.Random(1).randbytes(WIDTH * HEIGHT * 2)
    pictures = []
    for number in range(LOOP * RATE):
        frame = VideoFrame(WIDTH, HEIGHT, "yuv420p")
        for plane in frame.planes:
            begin = number * 7 * WIDTH % (WIDTH * HEIGHT)
            plane.update(bytes(128 + (value >> 4) for value in noise[begin : begin + plane.buffer_size]))
        frame.pts = number
        pictures += [bytes(packet) for packet in encoder.encode(frame)]
    return pictures


def h264_payloads(picture: bytes) -> Iterator[bytes]:
    for unit in picture.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1"):
        if len(unit) <= MTU:
            yield from [unit] if unit else []
            continue
        pieces = [unit[at : at + MTU] for at in range(1, len(unit), MTU)]
        for index, piece in enumerate(pieces):
            flags = (0x80 if not index else 0) | (0x40 if index == len(pieces) - 1 else 0)
            yield bytes((unit[0] & 0xE0 | 28, flags | unit[0] & 0x1F)) + piece


def vp8_payloads(picture: bytes) -> Iterator[bytes]:
    for at in range(0, len(picture), MTU):
        yield (b"\0" if at else b"\x10") + picture[at : at + MTU]


def sound() -> list[bytes]:
    encoder = CodecContext.create("libopus", "w")
    assert isinstance(encoder, AudioCodecContext)
    encoder.sample_rate, encoder.format, encoder.layout, encoder.bit_rate = 48_000, "s16", "stereo", 40_000
    packets: list[bytes] = []
    for number in range(LOOP * 50):
        frame = AudioFrame("s16", "stereo", 960)
        frame.sample_rate, frame.pts = 48_000, number * 960
        samples = (int(9000 * math.sin(index * (0.05 + number * 0.0003))) for index in range(960))
        frame.planes[0].update(b"".join(value.to_bytes(2, "little", signed=True) * 2 for value in samples))
        packets += map(bytes, encoder.encode(frame))
    return packets


class Publisher:
    """Sends media in real time, without end."""

    def __init__(self, source: PlainSource, media: Media) -> None:
        self._source, self._media = source, media
        self._sequences = {MediaKind.VIDEO: 0, MediaKind.AUDIO: 0}

    async def run(self) -> None:
        began, number, heard = trio.current_time(), 0, 0
        while True:
            await trio.sleep_until(began + number / RATE)
            picture = self._media.pictures[number % len(self._media.pictures)]
            for index, payload in enumerate(picture):
                self._send(MediaKind.VIDEO, payload, number * 3000, marker=index == len(picture) - 1)
            number += 1
            while self._media.sound and heard / 50 < number / RATE:
                self._send(
                    MediaKind.AUDIO, self._media.sound[heard % len(self._media.sound)], heard * 960, marker=False
                )
                heard += 1

    def _send(self, kind: MediaKind, payload: bytes, timestamp: int, *, marker: bool) -> None:
        sequence = self._sequences[kind]
        self._sequences[kind] += 1
        header = build_header(
            payload_type=0, marker=marker, sequence=sequence & 0xFFFF, timestamp=timestamp & 0xFFFFFFFF, ssrc=1
        )
        self._source.feed(kind, [header + payload])


async def measure(folder: Path, media: Media, what: str, seconds: float) -> None:
    with rtmp_server(folder) as server:
        async with studio(folder, push_transcode=True) as made, trio.open_nursery() as nursery:
            source = made.source(media.codec)
            nursery.start_soon(Publisher(source, media).run)
            push = made.push(source, server.url)
            await taken(push)
            await trio.sleep(WARM_UP)
            await show(made, push, what, seconds)
            nursery.cancel_scope.cancel()


async def show(made: Studio, push: Push, what: str, seconds: float) -> None:
    assert push.pid is not None
    before, began = processor_time(push.pid), trio.current_time()
    await trio.sleep(seconds)
    spent = (processor_time(push.pid) - before) / (trio.current_time() - began) / 10
    memory = ", ".join(f"{kind} {value:.1f} MB" for kind, value in memory_of(push.pid).items())
    print(f"{what:28} {spent:5.2f} % of a core, {memory}; failures {made.failures}", flush=True)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0)
    seconds = parser.parse_args().seconds
    h264 = [list(h264_payloads(each)) for each in encoded("libx264", {"tune": "zerolatency", "g": "60", "bf": "0"})]
    vp8 = [list(vp8_payloads(each)) for each in encoded("libvpx", {"deadline": "realtime", "g": "60"})]
    opus = sound()
    with tempfile.TemporaryDirectory() as folder:
        await measure(Path(folder), Media("H264", h264, ()), "H264 copied, no sound", seconds)
        await measure(Path(folder), Media("H264", h264, opus), "H264 copied, Opus to AAC", seconds)
        await measure(Path(folder), Media("VP8", vp8, opus), "VP8 to H264, Opus to AAC", seconds)


if __name__ == "__main__":
    trio.run(main)
