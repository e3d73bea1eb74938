"""An IP camera: GStreamer's RTSP server, in a process of the system's Python, which plays a file that PyAV makes.

file = make_media(folder / "cam.mkv", video="h264", audio="opus")
async with rtsp_source(file) as camera:
    camera.url                  # rtsp://127.0.0.1:PORT/cam
"""

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cache, partial
from pathlib import Path
from typing import Final

import av
from attrs import frozen

from tests.support.workers.colour_frames import Colour, two_colours

SYSTEM_PYTHON: Final = "/usr/bin/python3"
SIZE: Final = (320, 180)
RATE: Final = 25
GOP: Final = 50
"""Pictures from one key frame to the next: 2 s, as cameras have it."""
G711_RATE: Final = 8000
_VIDEO: Final = {"h264": "libx264", "hevc": "libx265", "vp8": "libvpx"}
_AUDIO: Final = {
    "opus": ("libopus", 48_000),
    "aac": ("aac", 48_000),
    "pcmu": ("pcm_mulaw", G711_RATE),
    "pcma": ("pcm_alaw", G711_RATE),
}

_PROGRAM: Final = """
import json, sys
import gi
gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer

job = json.loads(sys.argv[1])
Gst.init(None)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(str(job["port"]))
factory = GstRtspServer.RTSPMediaFactory()
factory.set_launch(job["launch"])
if job["user"]:
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", "user")
    if job["digest"]:
        auth.set_supported_methods(2)
        auth.add_digest(job["user"], job["password"], token)
    else:
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(job["user"], job["password"]), token)
    server.set_auth(auth)
    permissions = GstRtspServer.RTSPPermissions()
    permissions.add_permission_for_role("user", "media.factory.access", True)
    permissions.add_permission_for_role("user", "media.factory.construct", True)
    factory.set_permissions(permissions)
server.get_mount_points().add_factory("/cam", factory)
server.attach(None)
print(server.get_bound_port(), flush=True)
GLib.MainLoop().run()
"""
_DEMUXERS: Final = {".mkv": "matroskademux", ".mov": "qtdemux", ".avi": "avidemux"}
"""FFmpeg writes no G.711 into Matroska."""
_VIDEO_PAYLOADERS: Final = {
    "h264": "rtph264pay name=pay0 pt=96 config-interval=-1",
    "hevc": "rtph265pay name=pay0 pt=96 config-interval=-1",
    "vp8": "rtpvp8pay name=pay0 pt=96",
}
_AUDIO_PAYLOADERS: Final = {
    "opus": "rtpopuspay name={} pt=97",
    "aac": "aacparse ! rtpmp4gpay name={} pt=97",
    "pcmu": "rtppcmupay name={} pt=0",
    "pcma": "rtppcmapay name={} pt=8",
}


@frozen
class MediaFile:
    """A file, and the codecs in it."""

    path: Path
    video: str | None
    audio: str | None


@frozen
class Camera:
    """A source that runs."""

    port: int
    login: str
    process: "subprocess.Popen[bytes]"

    @property
    def url(self) -> str:
        return self.at("/cam")

    def at(self, path: str, login: str | None = None) -> str:
        return f"rtsp://{self.login if login is None else login}127.0.0.1:{self.port}{path}"


def make_media(
    path: Path,
    *,
    video: str | None = "h264",
    audio: str | None = "opus",
    seconds: int = 20,
    b_frames: int = 0,
    gop: int = GOP,
    halves: tuple[Colour, Colour] | None = None,
    size: tuple[int, int] = SIZE,
) -> MediaFile:
    """A moving picture, or one of two `halves`, and a tone; the container goes by the name."""
    paint = _moving if halves is None else partial(_still, *halves)
    with av.open(str(path), "w") as target:
        streams: list[av.VideoStream | av.AudioStream] = []
        if video is not None:
            streams.append(_add_video(target, video, b_frames, gop, size))
        if audio is not None:
            streams.append(_add_audio(target, audio))
        for second in range(seconds):
            for stream in streams:
                if isinstance(stream, av.VideoStream):
                    _write_pictures(target, stream, second, paint)
                else:
                    _write_sound(target, stream, second)
        for stream in streams:
            target.mux(stream.encode(None))
    return MediaFile(path, video, audio)


@contextmanager
def rtsp_source(
    media: MediaFile, *, user: str = "", password: str = "", digest: bool = False, port: int = 0
) -> Iterator[Camera]:
    """Serve the file, from its begin for each client that comes when there is none."""
    with launched_camera(
        _launch(media), media.path.parent, user=user, password=password, digest=digest, port=port
    ) as camera:
        yield camera


@contextmanager
def launched_camera(
    launch: str, home: Path, *, user: str = "", password: str = "", digest: bool = False, port: int = 0
) -> Iterator[Camera]:
    """Serve what GStreamer launches for this."""
    job = {"launch": launch, "user": user, "password": password, "digest": digest, "port": port}
    process = subprocess.Popen(
        [SYSTEM_PYTHON, "-c", _PROGRAM, json.dumps(job)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "HOME": str(home)},
    )
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, "the RTSP server did not start"
            yield Camera(int(line), f"{user}:{password}@" if user else "", process)
        finally:
            process.kill()


def _launch(media: MediaFile) -> str:
    parts = [f"( filesrc location={media.path} ! {_DEMUXERS[media.path.suffix]} name=demux"]
    if media.video is not None:
        parts.append(f"demux. ! queue ! {_VIDEO_PAYLOADERS[media.video]}")
    if media.audio is not None:
        name = "pay0" if media.video is None else "pay1"
        parts.append(f"demux. ! queue ! {_AUDIO_PAYLOADERS[media.audio].format(name)}")
    return " ".join([*parts, ")"])


def _add_video(
    target: "av.container.OutputContainer", codec: str, b_frames: int, gop: int, size: tuple[int, int]
) -> av.VideoStream:
    stream = target.add_stream(_VIDEO[codec], rate=RATE)
    assert isinstance(stream, av.VideoStream)
    stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
    stream.codec_context.gop_size, stream.codec_context.thread_count = gop, 1
    match codec:
        case "vp8":
            stream.options = {"deadline": "realtime", "cpu-used": "8"}
        case "h264":
            stream.options = {"preset": "veryfast", "profile": "high", "bf": str(b_frames), "sc_threshold": "0"}
        case _:
            stream.options = {"preset": "ultrafast", "x265-params": "log-level=none"}
    return stream


def _add_audio(target: "av.container.OutputContainer", codec: str) -> av.AudioStream:
    name, rate = _AUDIO[codec]
    stream = target.add_stream(name, rate=rate, layout="mono" if rate == G711_RATE else "stereo")
    assert isinstance(stream, av.AudioStream)
    return stream


def _write_pictures(
    target: "av.container.OutputContainer", stream: av.VideoStream, second: int, paint: Callable[[int], av.VideoFrame]
) -> None:
    for index in range(second * RATE, (second + 1) * RATE):
        frame = paint(index).reformat(stream.width, stream.height)
        frame.pts, frame.time_base = index, Fraction(1, RATE)
        target.mux(stream.encode(frame))


def _moving(index: int) -> av.VideoFrame:
    frame = av.VideoFrame(*SIZE, "yuv420p")
    for plane in frame.planes:
        line = bytes((x + index * 3) & 0xFF for x in range(plane.line_size))
        plane.update(line * (plane.buffer_size // plane.line_size))
    return frame


def _still(left: Colour, right: Colour, _: int) -> av.VideoFrame:
    return two_colours(left, right, *SIZE)


def _write_sound(target: "av.container.OutputContainer", stream: av.AudioStream, second: int) -> None:
    rate = stream.rate
    samples = rate // 50
    layout = stream.layout.name
    resampler = av.AudioResampler(format=stream.format.name, layout=layout, rate=rate)
    for index in range(50):
        frame = av.AudioFrame("s16", layout, samples)
        for plane in frame.planes:
            plane.update(_tone(plane.buffer_size))
        frame.sample_rate, frame.pts = rate, (second * 50 + index) * samples
        frame.time_base = Fraction(1, rate)
        for even in resampler.resample(frame):
            target.mux(stream.encode(even))


@cache
def _tone(size: int) -> bytes:
    return bytes((value * 8) & 0x7F for value in range(size))
