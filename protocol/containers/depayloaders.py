"""From the payloads of one track's packets to whole frames, as containers hold them.

A depayloader gets the payloads of one frame after the other, in order and without holes: `add` for each, `finish` at
the end of the frame, `reset` where packets are missing. What is no frame is dropped, not repaired.
"""

from typing import Final, NamedTuple, Protocol

from protocol.containers.av1_units import Av1Depayloader
from protocol.containers.frames import Frame, MalformedPayload
from protocol.containers.h264_units import H264Depayloader
from protocol.sfu.frame_size import UNKNOWN, vp9_size

__all__ = ["CALL_CODECS", "Depayloader", "Frame", "MalformedPayload", "can_be_kept", "depayloader"]


CALL_CODECS: Final = "codecs_exclude_sip"
"""The setting by which calls, as streams, are of a codec that can be kept."""


class Depayloader(Protocol):
    """See above. `add` and `finish` raise MalformedPayload for what is no payload of the codec."""

    def add(self, payload: bytes) -> None: ...
    def finish(self) -> Frame | None:
        """The frame of the payloads since the last one; None if they are none."""

    def reset(self) -> None: ...


def can_be_kept(codec: str) -> bool:
    """Whether containers hold frames of the codec with this canonical name; of G722 they do not here."""
    return codec in _KINDS


def depayloader(codec: str) -> Depayloader:
    """For a codec by its canonical name."""
    return _KINDS[codec]()


class AudioDepayloader:
    """Opus (RFC 7587) and G.711 (RFC 3551): each packet is a frame."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def add(self, payload: bytes) -> None:
        self._parts.append(payload)

    def finish(self) -> Frame | None:
        data = b"".join(self._parts)
        self.reset()
        return Frame(data, is_key=True) if data else None

    def reset(self) -> None:
        self._parts.clear()


class Vp8Depayloader:
    """RFC 7741: a descriptor before each part of a frame; the frame's first byte tells a key frame."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def add(self, payload: bytes) -> None:
        begins = payload[:1] and payload[0] & 0x17 == 0x10
        if begins:
            self._parts.clear()
        elif not self._parts:
            raise MalformedPayload("a VP8 frame without its beginning")
        self._parts.append(payload[vp8_descriptor_size(payload) :])

    def finish(self) -> Frame | None:
        data = b"".join(self._parts)
        self.reset()
        if len(data) < 3:
            return None
        if data[0] & 1:
            return Frame(data)
        if len(data) < 10 or data[3:6] != b"\x9d\x01\x2a":
            return None
        width = int.from_bytes(data[6:8], "little") & 0x3FFF
        height = int.from_bytes(data[8:10], "little") & 0x3FFF
        return Frame(data, is_key=True, width=width, height=height)

    def reset(self) -> None:
        self._parts.clear()


def vp8_descriptor_size(payload: bytes) -> int:
    """Bytes of the descriptor in front of a payload (RFC 7741 section 4.2). Raises MalformedPayload."""
    size = 1
    if len(payload) > 1 and payload[0] & 0x80:
        flags = payload[1]
        size = 2
        if flags & 0x80:
            size += 2 if len(payload) > 2 and payload[2] & 0x80 else 1
        size += (flags >> 6 & 1) + (1 if flags & 0x30 else 0)
    if size >= len(payload):
        raise MalformedPayload("a VP8 payload without content")
    return size


class Vp9Depayloader:
    """RFC 9628: as VP8, but a picture may have several layers, and the header of the frame tells a key frame."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def add(self, payload: bytes) -> None:
        descriptor = read_vp9_descriptor(payload)
        if not self._parts and not descriptor.begins:
            raise MalformedPayload("a VP9 frame without its beginning")
        self._parts.append(payload[descriptor.size :])

    def finish(self) -> Frame | None:
        data = b"".join(self._parts)
        self.reset()
        if not data:
            return None
        try:
            width, height = vp9_size(data)
        except IndexError:
            return None
        is_key = (width, height) != UNKNOWN
        return Frame(data, is_key=is_key, width=width, height=height)

    def reset(self) -> None:
        self._parts.clear()


class Vp9Descriptor(NamedTuple):
    """What a VP9 payload descriptor tells that matters here."""

    size: int
    begins: bool


def read_vp9_descriptor(payload: bytes) -> Vp9Descriptor:
    """RFC 9628 section 4.2. Raises MalformedPayload."""
    try:
        size = _vp9_descriptor_size(payload)
    except IndexError:
        raise MalformedPayload("a VP9 descriptor is cut short") from None
    if size >= len(payload):
        raise MalformedPayload("a VP9 payload without content")
    return Vp9Descriptor(size, bool(payload[0] & 0x08))


def _vp9_descriptor_size(payload: bytes) -> int:
    flags, at = payload[0], 1
    flexible = flags & 0x10
    if flags & 0x80:
        at += 2 if payload[at] & 0x80 else 1
    if flags & 0x20:
        at += 1 if flexible else 2
    if flags & 0x40 and flexible:
        for _ in range(3):
            more = payload[at] & 1
            at += 1
            if not more:
                break
    return _vp9_structure_end(payload, at) if flags & 0x02 else at


def _vp9_structure_end(payload: bytes, at: int) -> int:
    head = payload[at]
    at += 1
    if head & 0x10:
        at += 4 * ((head >> 5) + 1)
    if head & 0x08:
        pictures = payload[at]
        at += 1
        for _ in range(pictures):
            at += 1 + (payload[at] >> 2 & 3)
    return at


_KINDS: Final[dict[str, type[Depayloader]]] = {
    "OPUS": AudioDepayloader,
    "PCMU": AudioDepayloader,
    "PCMA": AudioDepayloader,
    "VP8": Vp8Depayloader,
    "VP9": Vp9Depayloader,
    "H264": H264Depayloader,
    "AV1": Av1Depayloader,
}
