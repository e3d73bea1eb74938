"""Calls of the C library that Python has no name for."""

import ctypes
import os
from typing import Final

libc: Final = ctypes.CDLL(None, use_errno=True)


def check(result: int) -> int:
    """What a call returned. Raises OSError if that says it failed."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
