"""The pair of sockets through which a tap sends to a worker process."""

import socket
from collections.abc import Callable
from typing import Final, Protocol

SOCKET_BUFFER: Final = 4 << 20
"""Bytes that may wait for a worker, if the system allows it: what it may be late by."""
LONG_READ_INTERVAL: Final = 0.08
SHORT_READ_INTERVAL: Final = 0.02
"""In the system's own buffer, 200 KiB, the key frame of a screen just has room."""
_SO_SNDBUFFORCE: Final = 32


class WorkerTap(Protocol):
    """What hands a publication's packets to the process: `actors.media.tap.Tap`."""

    packets: int
    dropped: int

    def request_key_frame(self) -> None: ...
    def close(self) -> None: ...


OpenTap = Callable[[socket.socket, Callable[[], None]], WorkerTap]
"""Opens a tap that sends to this socket, and calls when the publication has ended or the process is gone.

The socket is the tap's, also where it raises OSError, because the publication has ended already.
"""


def tap_channel() -> tuple[socket.socket, socket.socket]:
    """The end for the tap, and the one for the process. Raises OSError."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    _enlarge(ours)
    return ours, theirs


def read_interval(ours: socket.socket) -> float:
    """Seconds that a process may leave packets in the socket before it looks again: each look costs it something."""
    room = ours.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
    return LONG_READ_INTERVAL if room >= SOCKET_BUFFER else SHORT_READ_INTERVAL


def _enlarge(channel: socket.socket) -> None:
    for option in (_SO_SNDBUFFORCE, socket.SO_SNDBUF):  # the first is for root, the second may give less
        try:
            channel.setsockopt(socket.SOL_SOCKET, option, SOCKET_BUFFER)
        except OSError:
            continue
        return
