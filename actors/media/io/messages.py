"""The kernel's structures and calls for many datagrams at once: recvmmsg(2) and sendmmsg(2), as Linux has them.

And socket addresses, as they stand in these structures.
"""

import socket
import sys
from collections.abc import Mapping
from struct import Struct
from typing import Any, Final, cast

import cffi

from protocol.webrtc.stun import Address

CData = Any

ffi: CData = cffi.FFI()
ffi.cdef(
    """
    struct iovec { void *iov_base; size_t iov_len; };
    struct msghdr {
        void *msg_name; unsigned int msg_namelen; struct iovec *msg_iov; size_t msg_iovlen;
        void *msg_control; size_t msg_controllen; int msg_flags;
    };
    struct mmsghdr { struct msghdr msg_hdr; unsigned int msg_len; };
    int sendmmsg(int descriptor, struct mmsghdr *messages, unsigned int count, int flags);
    struct timespec { long tv_sec; long tv_nsec; };
    struct itimerspec { struct timespec it_interval; struct timespec it_value; };
    int timerfd_create(int clock, int flags);
    int timerfd_settime(int descriptor, int flags, const struct itimerspec *time, struct itimerspec *before);
    int recvmmsg(int descriptor, struct mmsghdr *messages, unsigned int count, int flags, void *timeout);
    """
)
libc: CData = ffi.dlopen(None)
"""Its attributes are looked up when they are used: AttributeError where the system has no such call."""

ADDRESS_SIZES: Final[Mapping[int, int]] = {socket.AF_INET: 16, socket.AF_INET6: 28}
"""Bytes of a sockaddr_in and of a sockaddr_in6."""

_V4, _V6 = Struct("!2xH4s"), Struct("!2xHI16s")
_SCOPE = Struct("@I")


def socket_address(family: int, address: tuple[Any, ...]) -> bytes:
    """A sockaddr_in or sockaddr_in6, from a pair, or from the four values of `recvfrom` (with flow label and scope)."""
    host, port, *more = address
    start: bytes = family.to_bytes(2, sys.byteorder) + port.to_bytes(2, "big")
    if family == socket.AF_INET:
        return start + socket.inet_pton(family, host) + bytes(8)
    flow: int
    scope: int
    flow, scope = more or (0, 0)
    return start + flow.to_bytes(4, "big") + socket.inet_pton(family, host) + scope.to_bytes(4, sys.byteorder)


def address_of(family: int, name: bytes) -> Address:
    """What `recvfrom` makes of a sockaddr_in or sockaddr_in6: a pair, or four values."""
    if family == socket.AF_INET:
        port, host = _V4.unpack_from(name)
        return socket.inet_ntop(family, host), port
    port, flow, host = _V6.unpack_from(name)
    (scope,) = _SCOPE.unpack_from(name, _V6.size)
    return cast(Address, (socket.inet_ntop(family, host), port, flow, scope))
