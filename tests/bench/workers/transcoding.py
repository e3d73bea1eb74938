"""What it costs to make H264 of a camera's H265, or of B-frames: `python -m tests.bench.workers.transcoding`.

A moving picture with noise, 25 pictures a second, is encoded as cameras and encoders do, and goes through what the
capture's process does with it. Shown is processor time as a share of one core, and the memory of a process at it.
"""

import random
import resource
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from tempfile import TemporaryDirectory

import av
from attrs import frozen
from av.video.frame import VideoFrame

from actors.workers.programs.capturing.picture import CaptureTranscoder

RATE, SECONDS, BIT_RATE = 25, 8, 2_000_000


@frozen
class Source:
    """A camera's picture."""

    title: str
    codec: str
    size: tuple[int, int]
    options: dict[str, str]


_H265 = {"preset": "ultrafast", "x265-params": "log-level=none"}
_H264 = {"preset": "veryfast", "bf": "2"}
SOURCES = (
    Source("H265, 640x360", "libx265", (640, 360), _H265),
    Source("H265, 1280x720", "libx265", (1280, 720), _H265),
    Source("H265, 1920x1080", "libx265", (1920, 1080), _H265),
    Source("H264 with B-frames, 1280x720", "libx264", (1280, 720), _H264),
)


def pictures(width: int, height: int) -> Iterator[VideoFrame]:
    noise = random.Random(1).randbytes(width * height * 2)
    soft = bytes(128 + (value >> 4) for value in noise)
    for number in range(RATE * SECONDS):
        frame = VideoFrame(width, height, "yuv420p")
        for plane in frame.planes:
            begin = number * 7 * width % (width * height // 2)
            plane.update(soft[begin : begin + plane.buffer_size])
        frame.pts, frame.time_base = number, Fraction(1, RATE)
        yield frame


def write(source: Source, path: Path) -> None:
    with av.open(str(path), "w") as target:
        stream = target.add_stream(source.codec, rate=RATE, options=source.options)
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = *source.size, "yuv420p"
        stream.codec_context.gop_size, stream.codec_context.bit_rate = 2 * RATE, BIT_RATE
        for frame in pictures(*source.size):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))


def measure(path: Path) -> tuple[float, int, int]:
    """The share of a core, and how many pictures came, and how many there was no time for."""
    with av.open(str(path)) as opened:
        transcoder = CaptureTranscoder(opened.streams.video[0].codec_context, BIT_RATE)
        began = time.process_time()
        made = [unit for packet in opened.demux(video=0) if packet.size for unit, _ in transcoder.convert(packet)]
        spent = time.process_time() - began
    return spent / SECONDS, len(made), transcoder.left_out


def main() -> None:
    with TemporaryDirectory() as folder:
        for source in SOURCES:
            path = Path(folder) / "camera.mkv"
            write(source, path)
            share, made, left_out = measure(path)
            print(f"{source.title}: {100 * share:.0f} % of a core, {made} pictures, {left_out} left out")
    print(f"at most {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10} MB, what made the sources included")


if __name__ == "__main__":
    main()
