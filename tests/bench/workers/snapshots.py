"""How long a picture takes, and what it costs the worker.

    python -m tests.bench.workers.snapshots [--pictures 20]

Each picture is of another publication, which sends its key frame at once, so nothing is shared. Noise is the worst that
a camera can send. Shown are milliseconds from the request to the picture, the processor time of the process, and the
size of the file.
"""

import argparse
import base64
import random
import socket
import statistics
import time
from collections.abc import Callable
from fractions import Fraction

import av
import trio
from attrs import evolve
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from actors.media.events import discard
from actors.media.tap import Tap
from actors.workers.processes.worker import WorkerServices
from actors.workers.snapshots.snapshots import SnapshotRequest, Snapshots
from config.settings import Settings
from protocol.stream.pictures import PictureFormat, PictureSpec
from protocol.webrtc.sdp import MediaKind
from tests.bench.workers.worker_starts import processor_time
from tests.support.media.media_rig import Rig, media_rig
from tests.support.media.plain_media import PlainSource
from tests.support.media.rtp_packets import build_header

SIZES = ((640, 360), (1280, 720), (1920, 1080))
SPECS = (
    PictureSpec(),
    PictureSpec(format=PictureFormat.JPEG),
    PictureSpec(format=PictureFormat.JPEG, width=320),
    PictureSpec(max_bytes=1 << 20),
)
MTU = 1100


def camera_frame(width: int, height: int, noise: int) -> bytes:
    """A VP8 key frame with gradients and noise of so many levels."""
    context = CodecContext.create("libvpx", "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.bit_rate, context.time_base, context.thread_count = 3_000_000, Fraction(1, 30), 1
    context.options = {"deadline": "realtime", "cpu-used": "8"}
    picture, rng = VideoFrame(width, height, "yuv420p"), random.Random(1)
    for plane in picture.planes:
        rows = (
            bytes(
                (x * 200 // plane.line_size + y * 40 // plane.height + rng.randrange(noise + 1)) & 0xFF
                for x in range(plane.line_size)
            )
            for y in range(plane.height)
        )
        plane.update(b"".join(rows))
    picture.pts = 0
    return b"".join(bytes(packet) for packet in (*context.encode(picture), *context.encode(None)))


def publish(rig: Rig, frame: bytes) -> SnapshotRequest:
    """A publication that sends this key frame at once when it is asked for one."""
    source = PlainSource(rig.plane.context, post=discard)
    parts = [frame[at : at + MTU] for at in range(0, len(frame), MTU)]
    packets = []
    for number, part in enumerate(parts):
        last = number == len(parts) - 1
        header = build_header(payload_type=0, marker=last, sequence=number + 1, timestamp=1, ssrc=1)
        packets.append(header + (b"\0" if number else b"\x10") + part)

    def open_tap(channel: socket.socket, on_end: Callable[[], None]) -> Tap:
        tap = Tap(source.publication, rig.plane.context, channel, on_end)
        for at in range(0, len(packets), 20):  # in some wake-ups
            source.feed(MediaKind.VIDEO, packets[at : at + 20])
        return tap

    stream_id = source.publication.stream_id
    return SnapshotRequest(
        publication=stream_id,
        publisher="bench",
        open_tap=open_tap,
        spec=PictureSpec(),
        deadline=trio.current_time() + 30,
    )


async def measure(snapshots: Snapshots, rig: Rig, frame: bytes, spec: PictureSpec, pictures: int) -> str:
    times, size = [], 0
    worker = snapshots._worker
    assert worker is not None
    assert worker.pid is not None
    spent = processor_time(worker.pid)
    for _ in range(pictures):
        request = publish(rig, frame)
        began = time.perf_counter()
        picture = await snapshots.take(evolve(request, spec=spec))
        times.append((time.perf_counter() - began) * 1000)
        size = len(base64.b64decode(picture.data))
    spent = (processor_time(worker.pid) - spent) / pictures
    shown = f"{size / 1024:7.0f} KiB, {picture.width}x{picture.height}"
    return f"p50 {statistics.median(times):6.1f} ms, processor {spent:6.1f} ms, {shown}"


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=20)
    pictures = parser.parse_args().pictures
    async with media_rig() as rig:
        snapshots = Snapshots(Settings(), WorkerServices())
        await rig.nursery.start(snapshots.run)
        warm = publish(rig, camera_frame(320, 180, 0))
        began = time.perf_counter()
        await snapshots.take(warm)
        print(f"the first picture, with the start of the process: {(time.perf_counter() - began) * 1000:.0f} ms")
        for width, height in SIZES:
            for noise in (0, 24):
                frame = camera_frame(width, height, noise)
                for spec in SPECS:
                    name = f"{width}x{height} {'noise' if noise else 'smooth'} {spec.format}"
                    limit = " 1 MiB" if spec.max_bytes < 1 << 24 else ""
                    shown = f"{name}{f' {spec.width} wide' if spec.width else ''}{limit}"
                    print(f"{shown:38}", await measure(snapshots, rig, frame, spec, pictures))


if __name__ == "__main__":
    av.logging.set_level(av.logging.ERROR)
    trio.run(main)
