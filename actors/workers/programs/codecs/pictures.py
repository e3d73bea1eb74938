"""From one key frame to a picture: decoded, scaled, and written as PNG or JPEG. PyAV does the work."""

import math
from collections.abc import Mapping
from fractions import Fraction
from typing import Final

import av
from av.codec.context import CodecContext
from av.error import FFmpegError
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame

from protocol.containers.frames import Frame
from protocol.stream.pictures import MAX_PIXELS, PictureFormat, PictureSpec, fitted

DECODERS: Final[Mapping[str, str]] = {"VP8": "vp8", "VP9": "vp9", "H264": "h264", "AV1": "libdav1d"}
"""By codec. FFmpeg's decoder that is called `av1` is for hardware only."""
_ENCODERS: Final = {PictureFormat.PNG: ("png", "rgb24"), PictureFormat.JPEG: ("mjpeg", "yuvj420p")}
JPEG_QUALITY: Final = 4
"""The quantizer, 1 (best) to 31."""
PNG_EFFORT: Final = {"compression_level": "1", "pred": "up"}
"""A fifth of the work that FFmpeg does otherwise, for a tenth more bytes."""
SMALLEST: Final = 64
"""Pixels of width below which a picture is not scaled down further."""


class NoPicture(Exception):
    """The frame cannot be made into a picture."""


class TooLarge(NoPicture):
    """It has more than MAX_PIXELS."""


def make_picture(codec: str, frame: Frame, spec: PictureSpec) -> tuple[bytes, int, int]:
    """The file, its width and height. Raises NoPicture."""
    if frame.width * frame.height > MAX_PIXELS:
        raise TooLarge("the picture has too many pixels")
    try:
        decoded = decode(codec, frame)
        if decoded.width * decoded.height > MAX_PIXELS:
            raise TooLarge("the picture has too many pixels")
        width, height = fitted(decoded.width, decoded.height, spec.width)
        data = encode(decoded, width, height, spec.format)
        while len(data) > spec.max_bytes and width > SMALLEST:
            share = min(0.9, math.sqrt(spec.max_bytes / len(data)))
            width, height = fitted(decoded.width, decoded.height, max(SMALLEST, int(width * share)))
            data = encode(decoded, width, height, spec.format)
    except (FFmpegError, ValueError, MemoryError) as error:
        raise NoPicture(str(error)) from None
    if len(data) > spec.max_bytes:
        raise NoPicture("the picture has too many bytes")
    return data, width, height


def decode(codec: str, frame: Frame) -> VideoFrame:
    """The picture of a key frame. Raises FFmpegError or NoPicture."""
    context = CodecContext.create(DECODERS[codec], "r")
    assert isinstance(context, VideoCodecContext)  # noqa: S101 - what its name says
    context.thread_count = 1
    context.options = {"max_pixels": str(MAX_PIXELS)}
    if frame.setup and codec == "H264":
        context.extradata = frame.setup
    for decoded in (*context.decode(av.Packet(frame.data)), *context.decode(None)):
        return decoded
    raise NoPicture("the frame shows nothing")


def encode(picture: VideoFrame, width: int, height: int, form: PictureFormat) -> bytes:
    """A file of this size. Raises FFmpegError."""
    name, pixels = _ENCODERS[form]
    context = CodecContext.create(name, "w")
    assert isinstance(context, VideoCodecContext)  # noqa: S101 - what its name says
    context.width, context.height, context.pix_fmt = width, height, pixels
    context.time_base, context.thread_count = Fraction(1), 1
    if form is PictureFormat.JPEG:
        context.qmin = context.qmax = JPEG_QUALITY
        scaled = picture.reformat(width, height, pixels, dst_colorspace="ITU601", dst_color_range="JPEG", threads=1)
    else:
        context.options = PNG_EFFORT
        scaled = picture.reformat(width, height, pixels, threads=1)
    scaled.pts = 0
    return b"".join(bytes(packet) for packet in (*context.encode(scaled), *context.encode(None)))


def warm_up() -> None:
    """Have everything loaded that will be needed, while files can still be read."""
    for form in PictureFormat:
        encode(VideoFrame(16, 16, "yuv420p"), 16, 16, form)
    for decoder in DECODERS.values():
        CodecContext.create(decoder, "r")
