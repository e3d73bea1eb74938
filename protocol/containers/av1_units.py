"""AV1 out of RTP (the AOM's RTP payload format) into the low-overhead form of Matroska and MP4.

OBUs that were cut are joined (Z and Y), every one gets its size, and temporal delimiters are left out.
"""

from typing import Final

from protocol.containers.frames import MAX_FRAME, MAX_UNITS, Frame, MalformedPayload
from protocol.sfu.frame_size import UNKNOWN, Size, av1_size

_SEQUENCE_HEADER, _DELIMITER, _TILE_LIST, _PADDING = 1, 2, 8, 15
_LEFT_OUT: Final = frozenset({_DELIMITER, _TILE_LIST, _PADDING})


class Av1Depayloader:
    """A `Depayloader`. A key frame is a temporal unit that begins with a sequence header."""

    def __init__(self) -> None:
        self._units: list[bytes] = []
        self._open = bytearray()  # an OBU that goes on in the next packet

    def add(self, payload: bytes) -> None:
        if len(payload) < 2:
            raise MalformedPayload("an AV1 payload without content")
        head = payload[0]
        elements = _elements(payload, head >> 4 & 3)
        continues, goes_on = head & 0x80, head & 0x40
        if bool(continues) != bool(self._open):
            raise MalformedPayload("an AV1 unit without its beginning or its end")
        self._open += elements.pop(0)
        if elements or not goes_on:
            elements.insert(0, bytes(self._open))
            self._open = bytearray(elements.pop() if goes_on else b"")
        if len(self._open) > MAX_FRAME:
            raise MalformedPayload("an AV1 unit is too large")
        self._units += [unit for unit in elements if unit]
        if len(self._units) > MAX_UNITS:
            raise MalformedPayload("too many AV1 units in a frame")

    def finish(self) -> Frame | None:
        units, whole = self._units, not self._open
        self.reset()
        if not whole:
            return None
        kept = [unit for unit in units if unit[0] >> 3 & 0x0F not in _LEFT_OUT]
        if not kept:
            return None
        sized = list(map(_with_size, kept))
        data = b"".join(sized)
        header = _content(kept[0])
        if kept[0][0] >> 3 & 0x0F != _SEQUENCE_HEADER or not header:
            return Frame(data)
        width, height = _size(header)
        return Frame(data, is_key=True, width=width, height=height, setup=av1_record(header, sized[0]))

    def reset(self) -> None:
        self._units, self._open = [], bytearray()


def av1_record(sequence_header: bytes, unit: bytes) -> bytes:
    """The AV1CodecConfigurationRecord (`av1C`): the header's content in short, and its whole OBU.

    Only profile and level are read out of it. The rest is as browsers send it: 8 bits, and 4:2:0 in the main profile.
    """
    profile = sequence_header[0] >> 5
    level = _level(sequence_header)
    subsampling = 0x0C if profile == 0 else 0
    return bytes((0x81, profile << 5 | level, subsampling, 0)) + unit


def _level(header: bytes) -> int:
    """seq_level_idx[0] where nothing comes before it (AV1 section 5.5.1); else 31, which means no limit."""
    value = int.from_bytes(header[:4].ljust(4, b"\0"), "big")
    if value >> 27 & 1:  # reduced_still_picture_header
        return value >> 22 & 0x1F
    if value >> 26 & 1:  # timing_info_present_flag
        return 31
    # initial_display_delay_present_flag, five bits of a count, twelve of the first operating point
    return value >> 3 & 0x1F


def _elements(payload: bytes, count: int) -> list[bytes]:
    """The OBUs, or parts of them, in a packet; `count` 0: each has its length in front."""
    elements: list[bytes] = []
    at = 1
    while at < len(payload):
        is_last = count and len(elements) == count - 1
        length = len(payload) - at
        if not is_last:
            length, at = _leb128(payload, at)
        if at + length > len(payload):
            raise MalformedPayload("an AV1 unit is cut short")
        elements.append(payload[at : at + length])
        at += length
        if is_last:
            break
    if not elements:
        raise MalformedPayload("an AV1 payload without units")
    return elements


def _with_size(unit: bytes) -> bytes:
    content = _content(unit)
    head = bytes((unit[0] | 0x02,)) + (unit[1:2] if unit[0] & 0x04 else b"")
    return head + _to_leb128(len(content)) + content


def _content(unit: bytes) -> bytes:
    """What follows an OBU's header, extension and size."""
    at = 2 if unit[0] & 0x04 else 1
    if not unit[0] & 0x02:
        return unit[at:]
    length, at = _leb128(unit, at)
    return unit[at : at + length]


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 56, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
    raise MalformedPayload("an AV1 length that does not end")


def _to_leb128(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _size(header: bytes) -> Size:
    try:
        return av1_size(header)
    except IndexError:
        return UNKNOWN
