"""The picture size in the headers of H.264, VP9 and AV1 (VP8 has it in plain bytes, see keyframe.py).

Each function returns (width, height) in pixels, or (0, 0) when the header is invalid, and raises IndexError when the
header is cut short. It parses no further than the size requires.
"""

from protocol.sfu.bits import BitReader

Size = tuple[int, int]
UNKNOWN: Size = (0, 0)

_PROFILES_WITH_CHROMA = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})
_HEADER_BYTES = 96  # the size never comes later than this; a longer, hostile header is not worth reading


def h264_size(sps: bytes) -> Size:
    """From a sequence parameter set NAL unit, its header byte included (ITU-T H.264 section 7.3.2.1.1)."""
    bits = BitReader(sps[1:_HEADER_BYTES].replace(b"\0\0\3", b"\0\0"))
    profile = bits.read(8)
    bits.skip(16)
    bits.unsigned_golomb()
    chroma_format = _skip_h264_chroma(bits) if profile in _PROFILES_WITH_CHROMA else 1
    bits.unsigned_golomb()
    _skip_h264_order_count(bits)
    bits.unsigned_golomb()
    bits.skip(1)
    width = (bits.unsigned_golomb() + 1) * 16
    map_units = bits.unsigned_golomb() + 1
    fields = 1 if bits.flag() else 2
    if fields == 2:
        bits.skip(1)
    height = map_units * 16 * fields
    bits.skip(1)
    if not bits.flag():
        return _plausible(width, height)
    left, right, top, bottom = (bits.unsigned_golomb() for _ in range(4))
    unit_x = 2 if chroma_format in (1, 2) else 1
    unit_y = (2 if chroma_format == 1 else 1) * fields
    return _plausible(width - (left + right) * unit_x, height - (top + bottom) * unit_y)


def _skip_h264_chroma(bits: BitReader) -> int:
    chroma_format = bits.unsigned_golomb()
    if chroma_format == 3:
        bits.skip(1)
    bits.unsigned_golomb()
    bits.unsigned_golomb()
    bits.skip(1)
    if bits.flag():
        for index in range(12 if chroma_format == 3 else 8):
            if bits.flag():
                _skip_h264_scaling_list(bits, 16 if index < 6 else 64)
    return chroma_format


def _skip_h264_scaling_list(bits: BitReader, length: int) -> None:
    last = following = 8
    for _ in range(length):
        if following:
            following = (last + bits.signed_golomb()) % 256
        last = following or last


def _skip_h264_order_count(bits: BitReader) -> None:
    kind = bits.unsigned_golomb()
    if kind == 0:
        bits.unsigned_golomb()
    elif kind == 1:
        bits.skip(1)
        bits.signed_golomb()
        bits.signed_golomb()
        for _ in range(min(bits.unsigned_golomb(), 255)):
            bits.signed_golomb()


def vp9_size(frame: bytes) -> Size:
    """From the uncompressed header of a key frame (VP9 bitstream specification, section 6.2)."""
    bits = BitReader(frame[:_HEADER_BYTES])
    if bits.read(2) != 2:
        return UNKNOWN
    profile = bits.read(1) | bits.read(1) << 1
    if profile == 3:
        bits.skip(1)
    shows_existing_frame, is_inter = bits.flag(), bits.flag()
    if shows_existing_frame or is_inter:
        return UNKNOWN
    bits.skip(2)
    if bits.read(24) != 0x498342:
        return UNKNOWN
    if profile >= 2:
        bits.skip(1)
    if bits.read(3) != 7:
        bits.skip(4 if profile & 1 else 1)
    elif profile & 1:
        bits.skip(1)
    return bits.read(16) + 1, bits.read(16) + 1


def av1_size(sequence_header: bytes) -> Size:
    """From the payload of a sequence header OBU (AV1 bitstream specification, section 5.5)."""
    bits = BitReader(sequence_header[:_HEADER_BYTES])
    bits.skip(4)
    if bits.flag():
        bits.skip(5)
    else:
        _skip_av1_operating_points(bits)
    width_bits, height_bits = bits.read(4) + 1, bits.read(4) + 1
    return bits.read(width_bits) + 1, bits.read(height_bits) + 1


def _skip_av1_operating_points(bits: BitReader) -> None:
    delay_bits = _skip_av1_timing(bits) if bits.flag() else 0
    has_display_delay = bits.flag()
    for _ in range(bits.read(5) + 1):
        bits.skip(12)
        if bits.read(5) > 7:
            bits.skip(1)
        if delay_bits and bits.flag():
            bits.skip(2 * delay_bits + 1)
        if has_display_delay and bits.flag():
            bits.skip(4)


def _skip_av1_timing(bits: BitReader) -> int:
    """Skip timing_info() and decoder_model_info(); returns the width of a buffer delay, 0 without a decoder model."""
    bits.skip(64)
    if bits.flag():
        bits.unsigned_golomb()
    if not bits.flag():
        return 0
    delay_bits = bits.read(5) + 1
    bits.skip(32 + 5 + 5)
    return delay_bits


def _plausible(width: int, height: int) -> Size:
    return (width, height) if 0 < width <= 65536 and 0 < height <= 65536 else UNKNOWN
