"""FFmpeg's own WHIP muxer, in a process of its own, as it blocks: publishes H264 and Opus until its input ends.

python -m tests.support.web.ffmpeg_whip URL TOKEN [KEY_FILE CERT_FILE]
"""

import select
import sys
import time
from fractions import Fraction

import av
from av.audio.frame import AudioFrame
from av.video.frame import VideoFrame

RATE, SOUND_RATE, SAMPLES = 25, 48_000, 960


def main(url: str, token: str, *certificate: str) -> None:
    """Publish a grey picture and silence."""
    files = dict(zip(("key_file", "cert_file"), certificate, strict=False))
    with av.open(url, "w", format="whip", options={"authorization": token, **files}) as output:
        video = output.add_stream(
            "libx264", rate=RATE, options={"profile": "baseline", "tune": "zerolatency", "bf": "0"}
        )
        video.width, video.height, video.pix_fmt = 320, 240, "yuv420p"
        audio = output.add_stream("libopus", rate=SOUND_RATE)
        audio.layout = "stereo"
        began, number, sent = time.monotonic(), 0, 0
        while not _has_input_ended(max(0.0, began + number / RATE - time.monotonic())):
            output.mux(video.encode(_picture(number)))
            number += 1
            while sent < number * SOUND_RATE // RATE:
                output.mux(audio.encode(_silence(sent)))
                sent += SAMPLES


def _has_input_ended(within: float) -> bool:
    return bool(select.select([sys.stdin], [], [], within)[0])


def _picture(number: int) -> VideoFrame:
    frame = VideoFrame(320, 240, "yuv420p")
    for plane in frame.planes:
        plane.update(bytes([number % 255]) * plane.buffer_size)
    frame.pts, frame.time_base = number, Fraction(1, RATE)
    return frame


def _silence(position: int) -> AudioFrame:
    frame = AudioFrame(format="s16", layout="stereo", samples=SAMPLES)
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    frame.sample_rate, frame.pts, frame.time_base = SOUND_RATE, position, Fraction(1, SOUND_RATE)
    return frame


if __name__ == "__main__":
    main(*sys.argv[1:])
