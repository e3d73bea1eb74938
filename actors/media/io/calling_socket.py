"""Sockets from which this server calls others, rather than wait for them.

They may be bound to the wildcard: who calls is reached where the call came from, whatever address the route has chosen.
"""

import contextlib
import errno
import socket
from ipaddress import IPv4Address, IPv6Address

from actors.media.io.sockets import MediaSocket, UdpSocket, size_buffers
from protocol.webrtc.stun import Address

IpAddress = IPv4Address | IPv6Address


def open_calling_socket(version: int, source: str | None, buffer: int) -> MediaSocket:
    """A socket for IPv4 or IPv6 (`version`), with room for `buffer` bytes each way. Raises OSError.

    It is bound to `source`, unless that is another machine's, which stands before this one.
    """
    udp = _socket(version)
    try:
        if version == 6:
            udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if source is not None:
            with contextlib.suppress(OSError):
                udp.bind((source, 0))
        if not udp.getsockname()[1]:
            udp.bind(("", 0))
        size_buffers(udp, buffer)
        host, port = udp.getsockname()[:2]
        return MediaSocket(socket=udp, local=(host, port), advertised=())
    except OSError:
        udp.close()
        raise


def reached(remote: IpAddress, port: int) -> Address:
    """The address as the system tells it of what comes from there. Raises OSError: no way leads there."""
    with _socket(remote.version) as udp:
        try:
            udp.connect((str(remote), port))
            there: Address = udp.getpeername()
        except OSError as error:
            raise OSError(error.errno or errno.EINVAL, error.strerror) from None
        return there


def _socket(version: int) -> UdpSocket:
    udp = socket.socket(socket.AF_INET6 if version == 6 else socket.AF_INET, socket.SOCK_DGRAM)
    udp.setblocking(False)
    return udp
