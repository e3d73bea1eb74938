"""The kernel's C interface for sending: sendmmsg(2), and UDP segmentation (udp(7)), under the names of Linux."""

import socket
import struct
from typing import Any, Final

from actors.media.io.messages import ADDRESS_SIZES as ADDRESS_SIZES
from actors.media.io.messages import ffi as ffi
from actors.media.io.messages import libc
from actors.media.io.messages import socket_address as socket_address

CData = Any

sendmmsg: CData = libc.sendmmsg

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
