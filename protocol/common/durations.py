"""Times as people write them: `30s`, `10m`, `2h`, `7d`."""

import re
from typing import Final

PATTERN: Final = r"([1-9][0-9]{0,8})([smhd])"
"""A regular expression for the whole text."""

_WRITTEN: Final = re.compile(PATTERN)
_UNITS: Final = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def read_duration(text: str, *, most: float) -> float:
    """Seconds, more than 0 and `most` at most; ValueError for any other text."""
    found = _WRITTEN.fullmatch(text)
    seconds = int(found[1]) * _UNITS[found[2]] if found else 0.0
    if not 0 < seconds <= most:
        raise ValueError
    return seconds


def shown_age(seconds: float) -> str:
    """About how long, in the two largest units, to be read at a glance: `45s`, `3m20s`, `2h05m`, `3d04h`."""
    whole = max(0, int(seconds))
    for unit, smaller in ("dh", "hm", "ms"):
        if whole >= _UNITS[unit]:
            count, rest = divmod(whole, int(_UNITS[unit]))
            return f"{count}{unit}{rest // int(_UNITS[smaller]):02d}{smaller}"
    return f"{whole}s"


def shown_duration(seconds: float) -> str:
    """Whole seconds in the largest unit that shows them exactly: `90s`, `30m`."""
    whole = round(seconds)
    for unit in "dhm":
        count, rest = divmod(whole, int(_UNITS[unit]))
        if count and not rest:
            return f"{count}{unit}"
    return f"{whole}s"
