"""From one law of G.711 to the other: each octet by a table, through the linear samples of ITU-T G.711.

The two laws are the same codec with other steps, so this loses less than any line does, and it costs nothing.
"""

from typing import Final

_BIAS: Final = 0x84
_ULAW_CLIP: Final = 32_635
_ALAW_CLIP: Final = 32_767
_EVEN_BITS: Final = 0x55


def _from_ulaw(octet: int) -> int:
    code = ~octet & 0xFF
    magnitude = ((code & 0x0F) << 3) + _BIAS << (code >> 4 & 7)
    return _BIAS - magnitude if code & 0x80 else magnitude - _BIAS


def _to_ulaw(sample: int) -> int:
    magnitude = min(abs(sample), _ULAW_CLIP) + _BIAS
    segment = magnitude.bit_length() - 8
    code = segment << 4 | magnitude >> segment + 3 & 0x0F
    return ~(code | (0x80 if sample < 0 else 0)) & 0xFF


def _from_alaw(octet: int) -> int:
    code = octet ^ _EVEN_BITS
    segment, step = code >> 4 & 7, (code & 0x0F) << 4
    magnitude = step + 8 if segment == 0 else step + 0x108 << segment - 1
    return magnitude if code & 0x80 else -magnitude


def _to_alaw(sample: int) -> int:
    magnitude = min(abs(sample), _ALAW_CLIP)
    segment = max(magnitude.bit_length() - 8, 0)
    code = segment << 4 | magnitude >> (segment + 3 if segment else 4) & 0x0F
    return (code | (0 if sample < 0 else 0x80)) ^ _EVEN_BITS


ULAW_TO_ALAW: Final = bytes(_to_alaw(_from_ulaw(octet)) for octet in range(256))
"""For `bytes.translate`: PCMU to PCMA."""
ALAW_TO_ULAW: Final = bytes(_to_ulaw(_from_alaw(octet)) for octet in range(256))
"""For `bytes.translate`: PCMA to PCMU."""


def encoded(sample: int, law: str) -> int:
    """A 16-bit sample as an octet of a law, PCMU or PCMA."""
    return _to_ulaw(sample) if law == "PCMU" else _to_alaw(sample)
