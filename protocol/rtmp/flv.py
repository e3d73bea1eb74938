"""The bodies of audio and video messages: FLV tags without their headers (Adobe's FLV specification, annex E.4)."""

from typing import Final

_AVC: Final = 7
_KEY, _INTER = 1, 2
_AAC: Final = 0xAF
"""AAC, 44 kHz, 16 bits, stereo: for AAC these are fixed, and its own header says what is true."""
AVC_ID: Final = 7
AAC_ID: Final = 10
"""How metadata name the two."""
_SPS, _PPS, _DELIMITER = 7, 8, 9


def avc_header(record: bytes) -> bytes:
    """What a decoder needs first: the AVCDecoderConfigurationRecord."""
    return bytes((_KEY << 4 | _AVC, 0, 0, 0, 0)) + record


def avc_frame(data: bytes, *, is_key: bool) -> bytes:
    """A picture, as units with their length in front; what is in the header is left out."""
    return bytes(((_KEY if is_key else _INTER) << 4 | _AVC, 1, 0, 0, 0)) + (_without_sets(data) if is_key else data)


def aac_header(config: bytes) -> bytes:
    """What a decoder needs first: the AudioSpecificConfig."""
    return bytes((_AAC, 0)) + config


def aac_frame(data: bytes) -> bytes:
    """A bare AAC frame."""
    return bytes((_AAC, 1)) + data


def _without_sets(data: bytes) -> bytes:
    kept, at = [], 0
    while at + 4 < len(data):
        end = at + 4 + int.from_bytes(data[at : at + 4], "big")
        if data[at + 4] & 0x1F not in (_SPS, _PPS, _DELIMITER):
            kept.append(data[at:end])
        at = end
    return b"".join(kept)
