"""When a packet arrived: the kernel's own stamp, so that a busy viewer process does not make a server look slow.

The kernel stamps in wall clock time; `RealtimeClock` turns that into CLOCK_MONOTONIC, in which everything else here is.
"""

import socket
import struct
import time
from collections.abc import Sequence

SO_TIMESTAMPNS = 35  # Linux; the socket module has no name for it
ANCILLARY_SIZE = socket.CMSG_SPACE(16)
STAMP_SIZE = 16

_TIMESPEC = struct.Struct("qq")
_MAX_STEP_NS = 1_000_000


class RealtimeClock:
    """Converts wall clock stamps to CLOCK_MONOTONIC; `check` tells whether somebody set the clock meanwhile."""

    def __init__(self) -> None:
        self._ahead = _realtime_ahead()

    def monotonic_ns(self, stamp: bytes) -> int:
        """The monotonic time of a kernel's 16-byte stamp, in nanoseconds."""
        seconds, nanoseconds = _TIMESPEC.unpack(stamp)
        return int(seconds) * 1_000_000_000 + int(nanoseconds) - self._ahead

    def check(self) -> None:
        """Raises RuntimeError when the wall clock has been set since the start."""
        if abs(_realtime_ahead() - self._ahead) > _MAX_STEP_NS:
            raise RuntimeError("the wall clock was set during the measurement: its arrival times are void")


def stamp_of(ancillary: Sequence[tuple[int, int, bytes]]) -> bytes:
    """The kernel's stamp among what came with a message."""
    return ancillary[0][2]


def _realtime_ahead() -> int:
    """CLOCK_REALTIME less CLOCK_MONOTONIC; the best of a few tries, each as wrong as the calls are apart."""
    tries = []
    for _ in range(20):
        before, wall, after = time.monotonic_ns(), time.time_ns(), time.monotonic_ns()
        tries.append((after - before, wall - (before + after) // 2))
    return min(tries)[1]
