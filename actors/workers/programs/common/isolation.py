"""How a worker that opens what strangers name is cut off from every network but its own.

It enters a user and a network namespace, in which nothing is but a loopback interface that takes every address for its
own. There it listens on some ports of all addresses, and as the name server of all of them, and gives these sockets to
the server: they stay in the namespace where they were made. So whatever the worker looks up or connects to, and be it
taken over by what it reads, ends at the server, which decides (`actors.workers.capturing.source_forwarder`).
"""

import fcntl
import os
import socket
import struct
from collections.abc import Sequence
from typing import Final

from actors.workers.programs.common.libc import check, libc

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 0x1
_RTM_NEWROUTE, _NLM_F_REQUEST, _NLM_F_ACK, _NLM_F_CREATE = 24, 0x1, 0x4, 0x400
_RT_TABLE_LOCAL, _RTPROT_BOOT, _RT_SCOPE_HOST, _RTN_LOCAL, _RTA_OIF = 255, 3, 254, 2, 4
_NLMSG_ERROR: Final = 2
_CAPABILITIES_V3: Final = 0x20080522
_BACKLOG: Final = 8
NAME_SERVER_PORT: Final = 53
_IP_PKTINFO: Final = 8
"""It has no name in `socket` before Python 3.14."""


def isolate(channel: int, ports: Sequence[int]) -> None:
    """Enter the namespaces, and send the sockets through the Unix socket `channel`, which is closed.

    To be called before any thread is started. Raises OSError, after which the process must open nothing.
    """
    for namespace in (_NEW_USER, _NEW_NET):  # where the second is refused, the process still has its network
        check(libc.unshare(namespace))
    _bring_loopback_up()
    _take_all_addresses(socket.AF_INET)
    families = [socket.AF_INET, *_ipv6()]
    with socket.socket(fileno=channel) as server:
        made = [_listen(family, port) for family in families for port in ports]
        made += [_answer_names(family) for family in families]
        socket.send_fds(server, [b"%d" % len(made)], [each.fileno() for each in made])
        for each in made:
            each.close()
    _drop_capabilities()


def _ipv6() -> list[socket.AddressFamily]:
    """Where the system has no IPv6, nobody can connect by it."""
    try:
        _take_all_addresses(socket.AF_INET6)
    except OSError:
        return []
    return [socket.AF_INET6]


def _bring_loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        request = struct.pack("16sH14x", b"lo", 0)
        flags = struct.unpack_from("16xH", fcntl.ioctl(asking, _SIOCGIFFLAGS, request))[0]
        fcntl.ioctl(asking, _SIOCSIFFLAGS, struct.pack("16sH14x", b"lo", flags | _IFF_UP))


def _take_all_addresses(family: socket.AddressFamily) -> None:
    """`ip route add local default dev lo table local`."""
    route = struct.pack("BBBBBBBBI", family, 0, 0, 0, _RT_TABLE_LOCAL, _RTPROT_BOOT, _RT_SCOPE_HOST, _RTN_LOCAL, 0)
    route += struct.pack("HHI", 8, _RTA_OIF, socket.if_nametoindex("lo"))
    flags = _NLM_F_REQUEST | _NLM_F_ACK | _NLM_F_CREATE
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, socket.NETLINK_ROUTE) as netlink:
        netlink.send(struct.pack("IHHII", 16 + len(route), _RTM_NEWROUTE, flags, 1, 0) + route)
        answer = netlink.recv(4096)
    kind, code = struct.unpack_from("4xH10xi", answer)
    if kind != _NLMSG_ERROR or code:
        raise OSError(-code, os.strerror(-code))


def _listen(family: socket.AddressFamily, port: int) -> socket.socket:
    listening = socket.socket(family, socket.SOCK_STREAM)
    if family == socket.AF_INET6:
        listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listening.bind(("", port))
    listening.listen(_BACKLOG)
    return listening


def _answer_names(family: socket.AddressFamily) -> socket.socket:
    """The server must know at which address it was asked, to answer from there."""
    asked = socket.socket(family, socket.SOCK_DGRAM)
    if family == socket.AF_INET6:
        asked.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        asked.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    else:
        asked.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
    asked.bind(("", NAME_SERVER_PORT))
    return asked


def _drop_capabilities() -> None:
    header = struct.pack("Ii", _CAPABILITIES_V3, 0)
    check(libc.capset(header, bytes(24)))
