"""A picture of a stream: what may be asked for, and what it is."""

import string
from enum import StrEnum
from functools import cached_property
from typing import Final

from attrs import field, frozen

MAX_WIDTH: Final = 4096
"""Pixels of a picture's width and height, at the most; larger ones are scaled down."""
MAX_PIXELS: Final = 4096 * 2304
"""Pixels of a frame that is decoded for it, at the most: what cameras send. Larger ones would take too long."""
MIN_WIDTH: Final = 16
MAX_BYTES: Final = 16 << 20
"""Bytes of a picture, at the most; a larger one is scaled down."""

_BASE64: Final = string.ascii_letters.encode() + string.digits.encode() + b"+/="


class PictureFormat(StrEnum):
    """How a picture is written."""

    PNG = "png"
    JPEG = "jpeg"


@frozen(kw_only=True)
class PictureSpec:
    """What picture is wanted. `width` in pixels, 0: that of the stream; a picture is never enlarged.

    `max_bytes` of the file; a picture that would have more is scaled down.
    """

    format: PictureFormat = PictureFormat.PNG
    width: int = 0
    max_bytes: int = MAX_BYTES

    @property
    def max_text(self) -> int:
        """The same limit for its base64 form."""
        return (self.max_bytes + 2) // 3 * 4


@frozen(kw_only=True, slots=False)
class Picture:
    """A picture: a file in base64, and its size in pixels."""

    data: bytes = field(repr=False)
    width: int
    height: int

    @cached_property
    def text(self) -> str:
        """Its base64 form as text, which is made once."""
        return self.data.decode("ascii")


def is_base64(data: bytes) -> bool:
    """Whether these can be the bytes of a base64 text, which needs no escaping in JSON."""
    return bool(data) and not data.translate(None, _BASE64)


def fitted(width: int, height: int, wanted: int) -> tuple[int, int]:
    """The size of a picture of a frame that has this size: as wide as wanted, but never larger than the frame."""
    longest = max(width, height)
    scale = min(1.0, MAX_WIDTH / longest, wanted / width if wanted else 1.0)
    return max(1, round(width * scale)), max(1, round(height * scale))
