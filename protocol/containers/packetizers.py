"""Coded pictures and sound cut into RTP payloads: the way back from containers and other protocols to browsers.

    packetizer(codec, setup).payloads(data) -> the payloads of one access unit, in order; the last one has the marker

H.264 by RFC 6184 in packetization mode 1, VP8 by RFC 7741; of sound only G.711 can be cut (`g711_parts`).
"""

from collections.abc import Iterable, Iterator
from typing import Final, Protocol

from protocol.containers.frames import MAX_FRAME, MAX_UNITS, MalformedPayload

MAX_PAYLOAD: Final = 1188
"""Bytes: with headers, encryption and IPv6 below what any path carries."""
G711_RATE: Final = 8000

_IDR, _SPS, _PPS, _DELIMITER, _FILLER = 5, 7, 8, 9, 12
_LEFT_OUT: Final = frozenset({0, _DELIMITER, 10, 11, _FILLER})
"""Kinds of units that receivers do not need."""
_STAP_A, _FU_A = 24, 28
_START: Final = b"\x00\x00\x01"
_MOST_SETS: Final = 8
_BEGINS, _GOES_ON = b"\x10", b"\x00"
"""Payload descriptors of VP8: the first packet of partition 0, and others."""


class Packetizer(Protocol):
    """Cuts the access units of one track."""

    def payloads(self, data: bytes) -> list[bytes]:
        """The payloads of an access unit; none if nothing of it is for receivers. Raises MalformedPayload."""


def packetizer(codec: str, setup: bytes = b"") -> Packetizer:
    """For a codec by its canonical name. `setup`: what its container keeps beside the frames (extradata)."""
    match codec:
        case "H264":
            return H264Packetizer(setup)
        case "VP8":
            return Vp8Packetizer()
        case _:
            return WholePacketizer()


def g711_parts(data: bytes) -> list[tuple[bytes, float]]:
    """Sound that has a byte for each sample, in parts that fit into packets, and how many seconds after the first.

    Cameras send up to what an Ethernet frame holds, files far more.
    """
    at, found = 0, []
    for part in _cut(data, MAX_PAYLOAD):
        found.append((part, at / G711_RATE))
        at += len(part)
    return found


class WholePacketizer:
    """Sound: a packet is a payload (RFC 7587, RFC 3551)."""

    def payloads(self, data: bytes) -> list[bytes]:
        if len(data) > MAX_PAYLOAD:
            raise MalformedPayload("a packet of sound is too large")
        return [data] if data else []


class Vp8Packetizer:
    """VP8, with the shortest descriptor (RFC 7741 section 4.2)."""

    def payloads(self, data: bytes) -> list[bytes]:
        parts = list(_cut(data, MAX_PAYLOAD - 1))
        return [(_GOES_ON if index else _BEGINS) + part for index, part in enumerate(parts)]


class H264Packetizer:
    """H.264: single units, FU-A, and the parameter sets as STAP-A before each IDR picture, wherever they came from.

    `setup` is an `avcC` record (ISO/IEC 14496-15 section 5.3.3), in which case units have their length in front, or
    parameter sets in Annex B form, as the units then are, or empty.
    """

    def __init__(self, setup: bytes = b"") -> None:
        self._sets: dict[tuple[int, bytes], bytes] = {}
        self._length_size = 0
        units: Iterable[bytes] = ()
        if setup[:1] == b"\x01":
            self._length_size, units = _read_record(setup)
        elif setup:
            units = annex_b_units(setup)
        for unit in units:
            self._keep(unit)

    @property
    def profile(self) -> str:
        """`profile-level-id` of the newest sequence parameter set; empty before the first."""
        sets = [unit for (kind, _), unit in self._sets.items() if kind == _SPS]
        return sets[-1][1:4].hex() if sets else ""

    def payloads(self, data: bytes) -> list[bytes]:
        if len(data) > MAX_FRAME:
            raise MalformedPayload("a picture is too large")
        units = sized_units(data, self._length_size) if self._length_size else annex_b_units(data)
        pictures: list[bytes] = []
        is_key = False
        for unit in units:
            kind = unit[0] & 0x1F
            if kind in (_SPS, _PPS):
                self._keep(unit)
            elif kind not in _LEFT_OUT:
                is_key |= kind == _IDR
                pictures.append(unit)
        found = list(self._parameter_sets()) if is_key else []
        for unit in pictures:
            found += _unit_payloads(unit)
        return found

    def _keep(self, unit: bytes) -> None:
        """The newest of each parameter set, by the bytes that tell them apart: few senders have more than one."""
        kind = unit[0] & 0x1F
        if kind not in (_SPS, _PPS) or not 4 <= len(unit) <= MAX_PAYLOAD // 2:
            return
        key = kind, b"" if kind == _SPS else unit[1:2]
        self._sets.pop(key, None)
        if len(self._sets) < _MOST_SETS:
            self._sets[key] = unit

    def _parameter_sets(self) -> Iterator[bytes]:
        aggregate = bytearray((_STAP_A | 0x60,))
        for unit in sorted(self._sets.values(), key=lambda unit: unit[0] & 0x1F):
            if len(aggregate) + 2 + len(unit) > MAX_PAYLOAD:
                yield bytes(aggregate)
                aggregate = bytearray((_STAP_A | 0x60,))
            aggregate += len(unit).to_bytes(2, "big") + unit
        if len(aggregate) > 1:
            yield bytes(aggregate)


def annex_b_units(data: bytes) -> list[bytes]:
    """The units between start codes (ITU-T H.264 annex B)."""
    units = []
    begin = data.find(_START)
    while begin >= 0:
        following = data.find(_START, begin + 3)
        unit = data[begin + 3 : following if following >= 0 else len(data)].rstrip(b"\x00")
        if unit:
            units.append(unit)
        if len(units) > MAX_UNITS:
            raise MalformedPayload("a picture has too many units")
        begin = following
    return units


def sized_units(data: bytes, size: int) -> list[bytes]:
    """The units with their lengths, of `size` bytes each, in front. Raises MalformedPayload."""
    units: list[bytes] = []
    at = 0
    while at < len(data):
        begin = at + size
        at = begin + int.from_bytes(data[at:begin], "big")
        if at > len(data) or len(units) > MAX_UNITS:
            raise MalformedPayload("a unit is cut short")
        if at > begin:
            units.append(data[begin:at])
    return units


def _read_record(record: bytes) -> tuple[int, list[bytes]]:
    """The size of lengths, and the parameter sets, of an `avcC` record. Raises MalformedPayload."""
    if len(record) < 7:
        raise MalformedPayload("the decoder configuration is cut short")
    units, at = [], 5
    for mask in (0x1F, 0xFF):
        count, at = record[at] & mask if at < len(record) else 0, at + 1
        for _ in range(count):
            begin = at + 2
            at = begin + int.from_bytes(record[at:begin], "big")
            if not begin < at <= len(record):
                raise MalformedPayload("the decoder configuration is cut short")
            units.append(record[begin:at])
    return (record[4] & 3) + 1, units


def _unit_payloads(unit: bytes) -> Iterator[bytes]:
    if len(unit) <= MAX_PAYLOAD:
        yield unit
        return
    indicator, kind = unit[0] & 0xE0 | _FU_A, unit[0] & 0x1F
    parts = list(_cut(unit[1:], MAX_PAYLOAD - 2))
    for index, part in enumerate(parts):
        flags = (0x80 if index == 0 else 0) | (0x40 if index == len(parts) - 1 else 0)
        yield bytes((indicator, flags | kind)) + part


def _cut(data: bytes, size: int) -> Iterator[bytes]:
    """Parts of nearly one size, so that none is tiny."""
    count = -(-len(data) // size)
    for index in range(count):
        yield data[len(data) * index // count : len(data) * (index + 1) // count]
