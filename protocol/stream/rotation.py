"""When a recording goes on in a new file: after a size, or after a time. WCS's setting `record_rotation` says it so."""

import re
from typing import Final

from attrs import frozen

UNITS: Final = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
SMALLEST: Final = 64 << 10
LARGEST: Final = 1 << 50
LONGEST: Final = 7 * 86_400
"""Bounds, in bytes and in seconds."""
ALLOWED: Final = f"a size with K, M or G, from 64K on, or 1 to {LONGEST} seconds"

_TEXT: Final = re.compile(r"([0-9]{1,9})([KMG]?)", re.IGNORECASE)


@frozen(kw_only=True)
class Rotation:
    """Bytes that a file has before the next one begins, or milliseconds; None: whatever it has."""

    max_bytes: int | None = None
    max_ms: int | None = None


def read_rotation(text: str) -> Rotation:
    """`20M`: megabytes; `3600`: seconds. Raises ValueError for all else."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise ValueError("is neither a size nor a number of seconds")
    number, unit = int(found[1]), found[2].upper()
    if not unit:
        if not 1 <= number <= LONGEST:
            raise ValueError(f"is not between 1 and {LONGEST} seconds")
        return Rotation(max_ms=number * 1000)
    size = number * UNITS[unit]
    if not SMALLEST <= size <= LARGEST:
        raise ValueError("is not between 64K and 1048576G")
    return Rotation(max_bytes=size)
