"""Key frames of two colours side by side, as publishers send them, and the colours of a picture."""

import io
from collections.abc import Iterator
from fractions import Fraction
from typing import Final

import av
from av.codec.context import CodecContext
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

Colour = tuple[int, int, int]

RED: Final[Colour] = (200, 30, 40)
BLUE: Final[Colour] = (30, 60, 190)
GREEN: Final[Colour] = (40, 180, 60)
WIDTH, HEIGHT = 160, 96
MTU: Final = 1000
NEAR: Final = 14
"""How far a colour may be off: codecs keep colours at half the size, in few steps."""

_ENCODERS: Final = {
    "VP8": ("libvpx", {"deadline": "realtime"}),
    "VP9": ("libvpx-vp9", {"deadline": "realtime"}),
    "H264": ("libx264", {"preset": "ultrafast", "tune": "zerolatency"}),
}
_AV1: Final = bytes.fromhex(
    "12000a0a00000003b4fdf12be401325810008b0081450820403c800095d381f66cea8eb68d2174c6ab1b2b586d24adc58ea09c782eb73b482b"
    "e7bd490f978a8bbea7ccb48709c0f53a2c4e7b394f6d27fb0bd0b3838c5fbd6bdb8e0112195a4bc14ff4ed41b695a0"
)
"""Red and blue, by SVT-AV1, which takes long to start and writes to standard error."""


def key_frame(codec: str, left: Colour, right: Colour, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    """What the encoder makes of the two colours; of AV1 there is one frame, red and blue."""
    if codec == "AV1":
        assert (left, right, width, height) == (RED, BLUE, WIDTH, HEIGHT)
        return _AV1
    name, options = _ENCODERS[codec]
    context = CodecContext.create(name, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.thread_count, context.options = Fraction(1, 15), 1, options
    frame = two_colours(left, right, width, height)
    frame.pts = 0
    return b"".join(bytes(packet) for packet in (*context.encode(frame), *context.encode(None)))


def two_colours(left: Colour, right: Colour, width: int, height: int) -> VideoFrame:
    """A picture that no encoder has seen."""
    picture = VideoFrame(width, height, "rgb24")
    line = bytes(left) * (width // 2) + bytes(right) * (width - width // 2)
    padded = line.ljust(picture.planes[0].line_size, b"\0")
    picture.planes[0].update(padded * height)
    return picture.reformat(format="yuv420p")


def payloads(codec: str, left: Colour, right: Colour, width: int = WIDTH, height: int = HEIGHT) -> list[bytes]:
    """The payloads of the packets of a key frame; the last one has the marker."""
    data = key_frame(codec, left, right, width, height)
    match codec:
        case "VP8":
            return [bytes((0x10 if first else 0,)) + part for first, _, part in _parts(data)]
        case "VP9":
            return [bytes((first << 3 | last << 2,)) + part for first, last, part in _parts(data)]
        case "H264":
            return [payload for unit in _h264_units(data) for payload in _h264_payloads(unit)]
    return [b"\0" + b"".join(bytes((len(unit),)) + unit for unit in _obus(data))]


def _parts(data: bytes) -> Iterator[tuple[bool, bool, bytes]]:
    for at in range(0, len(data), MTU):
        yield at == 0, at + MTU >= len(data), data[at : at + MTU]


def _h264_units(data: bytes) -> list[bytes]:
    return [unit.rstrip(b"\0") for unit in data.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if unit]


def _h264_payloads(unit: bytes) -> list[bytes]:
    if len(unit) <= MTU:
        return [unit]
    head, kind = unit[0] & 0xE0 | 28, unit[0] & 0x1F
    return [bytes((head, first << 7 | last << 6 | kind)) + part for first, last, part in _parts(unit[1:])]


def colours(picture: bytes) -> tuple[int, int, Colour, Colour]:
    """Width and height of a picture, and its colours in the middle of the left half and of the right one."""
    with av.open(io.BytesIO(picture), "r") as opened:
        (frame,) = list(opened.decode(video=0))
    shown = frame.reformat(format="rgb24")
    plane, row = bytes(shown.planes[0]), shown.planes[0].line_size

    def at(x: int) -> Colour:
        place = row * (shown.height // 2) + 3 * x
        red, green, blue = plane[place : place + 3]
        return red, green, blue

    return shown.width, shown.height, at(shown.width // 4), at(shown.width * 3 // 4)


def is_near(one: Colour, other: Colour) -> bool:
    return all(abs(a - b) <= NEAR for a, b in zip(one, other, strict=True))


def _obus(data: bytes) -> list[bytes]:
    """The OBUs, without their sizes, after the temporal delimiter. They are as short as such pictures are."""
    units, at = [], 0
    while at < len(data):
        size = data[at + 1]
        assert size < 0x80, "a frame of two colours is short"
        units.append(bytes((data[at] & ~0x02,)) + data[at + 2 : at + 2 + size])
        at += 2 + size
    return units[1:]
