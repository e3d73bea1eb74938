"""Find the first packet of a key frame, for each video codec that is forwarded.

A viewer's video must start with such a packet: nothing before it can be decoded. A detector looks at one RTP payload
and keeps no state. It must detect *every* key frame (else a viewer waits forever) and nothing but key frames (else a
viewer sees a grey or broken picture).
"""

from collections.abc import Callable, Sequence

from attrs import frozen

from protocol.sfu.frame_size import UNKNOWN, Size, av1_size, h264_size, vp9_size

_H264_SPS, _H264_IDR, _H264_STAP_A, _H264_FU_A = 7, 5, 24, 28
_AV1_SEQUENCE_HEADER, _AV1_TEMPORAL_DELIMITER = 1, 2


@frozen
class KeyFrame:
    """A key frame begins in this packet. `width` and `height` in pixels, both 0 where the packet does not tell them."""

    width: int = 0
    height: int = 0


Detector = Callable[[bytes], KeyFrame | None]


def has_key_frames(codec: str) -> bool:
    """Whether media of this codec needs a key frame to start and breaks when packets are missing, as video does."""
    return codec in _DETECTORS


def key_frame(codec: str, payload: bytes) -> KeyFrame | None:
    """The key frame that begins in this RTP payload, if one does.

    `codec` is the canonical name: VP8, H264, VP9 or AV1; other codecs are audio, which has no key frames. Any bytes are
    accepted; a truncated or invalid payload is not a key frame.
    """
    detector = _DETECTORS.get(codec)
    if detector is None:
        return None
    try:
        return detector(payload)
    except IndexError:
        return None


def may_begin_key_frame(codec: str) -> Sequence[bool]:
    """By the first byte of a payload: may a key frame begin in it? What says no spares a closer look."""
    test = _MAY_BEGIN.get(codec)
    return tuple(test is not None and test(first) for first in range(256))


def _vp8(payload: bytes) -> KeyFrame | None:
    """RFC 7741: first packet (S=1, PID=0) of a frame whose header has P=0; the size follows the start code."""
    first = payload[0]
    if first & 0x17 != 0x10:
        return None
    at = 1
    if first & 0x80:
        at = 2 + _vp8_extension_length(payload[1], payload[2])
    if payload[at] & 1 or payload[at + 3 : at + 6] != b"\x9d\x01\x2a":
        return None
    width = int.from_bytes(payload[at + 6 : at + 8], "little") & 0x3FFF
    height = int.from_bytes(payload[at + 8 : at + 10], "little") & 0x3FFF
    return KeyFrame(width, height)


def _vp8_extension_length(flags: int, picture_id: int) -> int:
    length = 0
    if flags & 0x80:
        length += 2 if picture_id & 0x80 else 1
    if flags & 0x40:
        length += 1
    if flags & 0x30:
        length += 1
    return length


def _h264(payload: bytes) -> KeyFrame | None:
    """RFC 6184: the sequence parameter set that leads a key frame, or an IDR slice that comes without one."""
    kind = payload[0] & 0x1F
    if kind == _H264_STAP_A:
        return _h264_aggregate(payload)
    if kind == _H264_FU_A:
        starts, fragment_kind = payload[1] & 0x80, payload[1] & 0x1F
        return KeyFrame() if starts and fragment_kind in (_H264_SPS, _H264_IDR) else None
    return _h264_unit(payload)


def _h264_unit(unit: bytes) -> KeyFrame | None:
    kind = unit[0] & 0x1F
    if kind == _H264_SPS:
        return KeyFrame(*_size_or_unknown(h264_size, unit))
    return KeyFrame() if kind == _H264_IDR else None


def _h264_aggregate(payload: bytes) -> KeyFrame | None:
    found = None
    at = 1
    while at + 2 < len(payload):
        length = payload[at] << 8 | payload[at + 1]
        unit = payload[at + 2 : at + 2 + length]
        if unit:
            found = found or _h264_unit(unit)
        at += 2 + length
    return found


def _vp9(payload: bytes) -> KeyFrame | None:
    """RFC 9628: start of a frame (B=1) that is not predicted from another picture (P=0), on the base spatial layer."""
    flags = payload[0]
    if flags & 0x48 != 0x08:
        return None
    at = 1
    if flags & 0x80:
        at += 2 if payload[1] & 0x80 else 1
    if flags & 0x20:
        if payload[at] & 0x0E:
            return None
        at += 1 if flags & 0x10 else 2
    size = UNKNOWN
    if flags & 0x02:
        at, size = _vp9_structure(payload, at)
    if size == UNKNOWN:
        size = _size_or_unknown(vp9_size, payload[at:])
    return KeyFrame(*size)


def _vp9_structure(payload: bytes, at: int) -> tuple[int, Size]:
    """Skip the scalability structure; also returns the size of its highest layer, which is what a viewer sees."""
    head = payload[at]
    at += 1
    size = UNKNOWN
    if head & 0x10:
        layers = (head >> 5) + 1
        at += 4 * layers
        last = payload[at - 4 : at]
        size = int.from_bytes(last[:2], "big"), int.from_bytes(last[2:], "big")
    if head & 0x08:
        pictures = payload[at]
        at += 1
        for _ in range(pictures):
            at += 1 + (payload[at] >> 2 & 3)
    return at, size


def _av1(payload: bytes) -> KeyFrame | None:
    """AV1 RTP payload format 4.4: N=1 marks the first packet of a coded video sequence.

    A sequence header at the start of a packet counts as well, for senders that forget N.
    """
    aggregation = payload[0]
    continues_unit, starts_sequence = aggregation & 0x80, aggregation & 0x08
    if continues_unit:
        return None
    header = _av1_sequence_header(payload, aggregation >> 4 & 3)
    if header is not None:
        return KeyFrame(*_size_or_unknown(av1_size, header))
    return KeyFrame() if starts_sequence else None


def _av1_sequence_header(payload: bytes, count: int) -> bytes | None:
    """The payload of a sequence header OBU that comes first, or right after a temporal delimiter."""
    at = 1
    for index in range(1, 3):
        length = len(payload) - at
        if count != index:
            length, at = _leb128(payload, at)
        unit = payload[at : at + length]
        kind = unit[0] >> 3 & 0x0F
        if kind == _AV1_SEQUENCE_HEADER:
            return _av1_unit_payload(unit)
        if kind != _AV1_TEMPORAL_DELIMITER or count == index:
            return None
        at += length
    return None


def _av1_unit_payload(unit: bytes) -> bytes:
    at = 2 if unit[0] & 0x04 else 1
    if unit[0] & 0x02:
        _, at = _leb128(unit, at)
    return unit[at:]


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    """A little-endian base 128 number (AV1 section 4.10.5) and the position after it."""
    value = 0
    for shift in range(0, 56, 7):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
    raise IndexError("no length is that long")


def _size_or_unknown(parse: Callable[[bytes], Size], header: bytes) -> Size:
    """A key frame whose size cannot be read is still a key frame."""
    try:
        return parse(header)
    except IndexError:
        return UNKNOWN


_DETECTORS: dict[str, Detector] = {"VP8": _vp8, "H264": _h264, "VP9": _vp9, "AV1": _av1}
_MAY_BEGIN: dict[str, Callable[[int], bool]] = {
    "VP8": lambda first: first & 0x17 == 0x10,
    "H264": lambda first: first & 0x1F in (_H264_SPS, _H264_IDR, _H264_STAP_A, _H264_FU_A),
    "VP9": lambda first: first & 0x48 == 0x08,
    "AV1": lambda first: not first & 0x80,
}
