"""How a part of `bin/test long` says by its exit code how it ended."""

from typing import Final

HOLDS: Final = 0
FAILS: Final = 1
CANNOT_TELL: Final = 75
"""The machine had too much else to do for any verdict: try again (EX_TEMPFAIL of sysexits.h; pytest has others)."""
