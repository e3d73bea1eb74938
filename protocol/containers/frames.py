"""A frame as containers hold it."""

from typing import Final, NamedTuple

from protocol.common.errors import ProtocolError

MAX_FRAME: Final = 8 << 20
"""Bytes of one frame; a larger one is dropped."""
MAX_UNITS: Final = 16_384
"""Units (H.264's, or AV1's OBUs) of one frame; memory for each of them counts too."""


class MalformedPayload(ProtocolError):
    """The bytes are no payload of this codec, or not the one that should come now."""


class Frame(NamedTuple):
    """One coded frame, or one packet of sound.

    `width` and `height` in pixels are known of key frames, else 0. `setup` is what a decoder needs before the first
    key frame, in the form that Matroska calls CodecPrivate; empty where the frames themselves have it.
    """

    data: bytes
    is_key: bool = False
    width: int = 0
    height: int = 0
    setup: bytes = b""
