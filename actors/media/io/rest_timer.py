"""Sleeping until a time, hundreds of times a second.

`trio.sleep_until` ends by a cancellation: an exception that is made, thrown and unwound. A timer that becomes readable
(timerfd_create(2), Linux) ends as every other wait for a packet does, at half the cost.
"""

import os
import sys
from struct import Struct
from typing import Any

import trio

from actors.media.io.messages import ffi, libc

_CLOCK_MONOTONIC = 1
_TIME = Struct("@llll")  # a struct itimerspec: the interval, which is none, and the time in seconds and nanoseconds
_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC  # what TFD_NONBLOCK and TFD_CLOEXEC are

CData = Any


class RestTimer:
    """One task's sleep. Where the system has no such timers it is trio's."""

    def __init__(self) -> None:
        self._time: CData = ffi.new("struct itimerspec *")
        self._buffer = ffi.buffer(self._time)
        self._descriptor = -1

    async def sleep(self, seconds: float) -> None:
        """Sleep for `seconds`, which are positive, however few."""
        if self._descriptor < 0:  # many are never needed
            self._descriptor = libc.timerfd_create(_CLOCK_MONOTONIC, _FLAGS) if sys.platform == "linux" else -1
        if self._descriptor < 0:
            await trio.sleep(seconds)
            return
        left = max(1, int(seconds * 1_000_000_000))  # 0 would stop the timer, and the sleep would not end
        _TIME.pack_into(self._buffer, 0, 0, 0, *divmod(left, 1_000_000_000))
        libc.timerfd_settime(self._descriptor, 0, self._time, ffi.NULL)
        await trio.lowlevel.wait_readable(self._descriptor)  # setting it again is what makes it unreadable

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
