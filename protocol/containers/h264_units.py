"""H.264 out of RTP (RFC 6184) into the form of Matroska and MP4: units with their length in front.

Parameter sets stay in the stream, where decoders accept changes of the picture's size, and the first ones also become
the `avcC` record (ISO/IEC 14496-15 section 5.3.3).
"""

import re
from typing import Final

from protocol.containers.frames import MAX_FRAME, MAX_UNITS, Frame, MalformedPayload
from protocol.sfu.frame_size import UNKNOWN, Size, h264_size

_IDR, _SPS, _PPS, _DELIMITER, _STAP_A, _FU_A = 5, 7, 8, 9, 24, 28
_START_CODE: Final = re.compile(rb"\x00{2,}\x01")
_PROFILES_WITH_CHROMA: Final = frozenset({100, 110, 122, 144})
_MOST_SETS: Final = 8
_LONGEST_SET: Final = 0xFFFF
"""Bytes of a parameter set, whose length has two bytes in the record."""


class H264Depayloader:
    """A `Depayloader`. A key frame is an IDR picture whose parameter sets are known."""

    def __init__(self) -> None:
        self._units: list[bytes] = []
        self._fragment: bytearray | None = None
        self._sps = b""
        self._pps: dict[bytes, None] = {}

    def add(self, payload: bytes) -> None:
        if not payload:
            raise MalformedPayload("an empty H.264 payload")
        kind = payload[0] & 0x1F
        if kind == _FU_A:
            self._add_fragment(payload)
        elif kind == _STAP_A:
            self._add_aggregate(payload)
        elif 0 < kind < _STAP_A:
            self._add_unit(payload)
        else:
            raise MalformedPayload("an H.264 packetization that was not agreed on")

    def finish(self) -> Frame | None:
        units, whole = self._units, self._fragment is None
        self.reset()
        if not whole or not units:
            return None
        data = b"".join([len(unit).to_bytes(4, "big") + unit for unit in units])
        is_key = any(unit[0] & 0x1F == _IDR for unit in units) and bool(self._sps and self._pps)
        if not is_key:
            return Frame(data)
        width, height = _size(self._sps)
        return Frame(data, is_key=True, width=width, height=height, setup=avc_record(self._sps, tuple(self._pps)))

    def reset(self) -> None:
        self._units, self._fragment = [], None

    def _add_unit(self, unit: bytes) -> None:
        kind = unit[0] & 0x1F
        if kind in (_SPS, _PPS) and len(unit) > _LONGEST_SET:
            raise MalformedPayload("an H.264 parameter set is too large")
        if len(self._units) >= MAX_UNITS:
            raise MalformedPayload("too many H.264 units in a frame")
        if kind == _SPS and len(unit) >= 4:
            if unit != self._sps:
                self._sps = unit
                self._pps.clear()
        elif kind == _PPS and len(self._pps) < _MOST_SETS:
            self._pps[unit] = None
        if kind != _DELIMITER:
            self._units.append(unit)

    def _add_aggregate(self, payload: bytes) -> None:
        at = 1
        while at < len(payload):
            length = int.from_bytes(payload[at : at + 2], "big")
            unit = payload[at + 2 : at + 2 + length]
            if not length or len(unit) < length:
                raise MalformedPayload("a unit of an H.264 aggregate is cut short")
            self._add_unit(unit)
            at += 2 + length

    def _add_fragment(self, payload: bytes) -> None:
        if len(payload) < 3:
            raise MalformedPayload("an H.264 fragment without content")
        head, starts, ends = payload[1], payload[1] & 0x80, payload[1] & 0x40
        if starts:
            self._fragment = bytearray((payload[0] & 0xE0 | head & 0x1F,))
        elif self._fragment is None:
            raise MalformedPayload("an H.264 fragment without its beginning")
        self._fragment += payload[2:]
        if len(self._fragment) > MAX_FRAME:
            raise MalformedPayload("an H.264 unit is too large")
        if ends:
            unit, self._fragment = bytes(self._fragment), None
            self._add_unit(unit)


def avc_record(sps: bytes, pps: tuple[bytes, ...]) -> bytes:
    """The AVCDecoderConfigurationRecord for units whose length has four bytes."""
    head = bytes((1, sps[1], sps[2], sps[3], 0xFF, 0xE1))
    record = head + len(sps).to_bytes(2, "big") + sps + bytes((len(pps),))
    record += b"".join([len(unit).to_bytes(2, "big") + unit for unit in pps])
    if sps[1] in _PROFILES_WITH_CHROMA:
        record += bytes((0xFD, 0xF8, 0xF8, 0))  # 4:2:0 in 8 bits, the only kind that browsers send
    return record


def from_annex_b(data: bytes) -> Frame | None:
    """A frame with start codes, as an encoder gives it, with lengths in their place. Raises MalformedPayload."""
    units = H264Depayloader()
    for unit in _START_CODE.split(data):
        if unit:
            units.add(unit)
    return units.finish()


def _size(sps: bytes) -> Size:
    try:
        return h264_size(sps)
    except IndexError:
        return UNKNOWN
