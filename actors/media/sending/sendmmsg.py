"""The kernel's C interface for sending: sendmmsg(2), socket addresses, UDP segmentation (udp(7)).

Names and structures are those of Linux.
"""

import socket
import struct
import sys
from typing import Any, Final

import cffi

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
    """
)
_libc: CData = ffi.dlopen(None)
sendmmsg: CData = _libc.sendmmsg

ADDRESS_SIZES: Final = {socket.AF_INET: 16, socket.AF_INET6: 28}
"""Bytes of a sockaddr_in and of a sockaddr_in6."""

_UDP_SEGMENT = 103  # the socket module has no name for it
SEGMENT_MESSAGE: Final = struct.pack("@Nii", socket.CMSG_LEN(2), socket.IPPROTO_UDP, _UDP_SEGMENT).ljust(
    socket.CMSG_SPACE(2), b"\0"
)
"""A struct cmsghdr that asks to cut the message into packets of one size; the size is still zero."""
SEGMENT_SIZE: Final = slice(socket.CMSG_LEN(0), socket.CMSG_LEN(2))
"""Where the size, a uint16_t, belongs in it."""


def knows_segments() -> bool:
    """Whether this kernel can cut messages into packets."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.getsockopt(socket.IPPROTO_UDP, _UDP_SEGMENT)
        except OSError:
            return False
    return True


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
