"""The UDP sockets of the media plane: one for each address told to peers, all on one port, never the wildcard.

A socket bound to the wildcard answers from whatever address the route prefers, which need not be the one that was
asked; ICE then never gets past checking.
"""

import errno
import socket
from collections.abc import Sequence
from struct import Struct

from attrs import field, frozen

from actors.media.io.report_socket import open_report_socket
from actors.net.network_interfaces import machine_addresses
from actors.runtime.logs import get_logger
from config.media_addresses import MediaAddress, media_addresses
from config.settings import Settings

Address = tuple[str, int]
UdpSocket = socket.socket

_PORT_TRIES = 50
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE, _SO_MEMINFO = 32, 33, 55  # Linux; the socket module has no names for them
_MEMINFO = Struct("=9I")  # the last one is SK_MEMINFO_DROPS (linux/sock_diag.h)

log = get_logger("media")


@frozen(kw_only=True, eq=False)
class MediaSocket:
    """One bound socket: `local` as bound, `advertised` the addresses that lead to it, with its port.

    `reports` gets the receiver reports that come there; None where they come with everything else.
    """

    socket: UdpSocket = field(repr=False)
    reports: UdpSocket | None = field(repr=False, default=None)
    local: Address
    advertised: tuple[Address, ...]

    @property
    def kernel_drops(self) -> int:
        """Datagrams that were lost before they were read, since it was opened."""
        return sum(map(_kernel_drops, self._all))

    @property
    def buffer_sizes(self) -> tuple[int, int]:
        """Bytes that the system keeps of what has come, and of what is to leave."""
        return _size(self.socket, socket.SO_RCVBUF), _size(self.socket, socket.SO_SNDBUF)

    def close(self) -> None:
        for each in self._all:
            each.close()

    @property
    def _all(self) -> tuple[UdpSocket, ...]:
        return (self.socket,) if self.reports is None else (self.socket, self.reports)


def open_media_sockets(settings: Settings) -> list[MediaSocket]:
    """Open and bind them all, or none.

    Raises OSError when an address or the port cannot be had, ValueError (in words for the operator) when `ip` names an
    address that this machine does not have. An address that was only found on the machine, not configured, may fail:
    it is left out with a warning as long as another one works.
    """
    wanted = _by_local(media_addresses(settings, machine_addresses()))
    if not wanted:
        raise ValueError("this machine has no address for media; name one by the setting ip")
    configured = bool(settings.ip or settings.ip_local)
    for _ in range(_PORT_TRIES if settings.media_port_from == 0 else 1):
        opened = _bind_all(wanted, settings.media_port_from, all_needed=configured)
        if opened is not None:
            _size_buffers(opened, settings.media_socket_buffer)
            _tell_addresses(opened)
            return opened
    raise OSError(errno.EADDRINUSE, f"no UDP port is free on all of {', '.join(wanted)}")


def _by_local(addresses: Sequence[MediaAddress]) -> dict[str, list[str]]:
    """Local address -> the public ones that lead to it."""
    found: dict[str, list[str]] = {}
    for address in addresses:
        found.setdefault(address.local, []).append(address.public)
    return found


def _bind_all(wanted: dict[str, list[str]], port: int, *, all_needed: bool) -> list[MediaSocket] | None:
    """With port 0 the first socket chooses and the others follow; None when its choice is taken on another address."""
    any_port = port == 0
    opened: list[MediaSocket] = []
    failure: OSError | None = None
    for local, public in wanted.items():
        try:
            bound = _bind(local, port)
        except OSError as error:
            taken = any_port and opened and error.errno == errno.EADDRINUSE
            if all_needed or error.errno == errno.EADDRINUSE:
                _close_all(opened)
                if taken:
                    return None
                fault = f"media_port_from={port}: cannot bind UDP {local} port {port}: {error.strerror}"
                raise OSError(error.errno, fault) from error
            log.warning("media address left out", address=local, error=error.strerror)
            failure = error
            continue
        port = bound.getsockname()[1]
        advertised = tuple((address, port) for address in public)
        reports = open_report_socket(bound)
        opened.append(MediaSocket(socket=bound, reports=reports, local=(local, port), advertised=advertised))
    if not opened and failure is not None:
        raise failure
    return opened


def _bind(address: str, port: int) -> UdpSocket:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address, port))
    except OSError:
        bound.close()
        raise
    return bound


def _close_all(sockets: Sequence[MediaSocket]) -> None:
    for entry in sockets:
        entry.close()


def _tell_addresses(opened: Sequence[MediaSocket]) -> None:
    """What browsers are told, which is not what the ready line names where NAT stands between."""
    told = [_shown(address) for entry in opened for address in entry.advertised]
    log.info("media addresses", told=",".join(told), bound=",".join(_shown(entry.local) for entry in opened))


def _shown(address: Address) -> str:
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _size_buffers(opened: Sequence[MediaSocket], size: int) -> None:
    """A burst to 1,000 viewers needs megabytes; the kernel's usual 200 kB hold 185 packets."""
    granted = {
        sysctl: min(_granted_buffer(entry.socket, option, force, size) for entry in opened)
        for option, force, sysctl in (
            (socket.SO_SNDBUF, _SO_SNDBUFFORCE, "net.core.wmem_max"),
            (socket.SO_RCVBUF, _SO_RCVBUFFORCE, "net.core.rmem_max"),
        )
    }
    small = [f"{sysctl}={size}" for sysctl, received in granted.items() if received < size]
    if small:
        log.warning(
            "media socket buffer is small",
            bytes=min(granted.values()),
            wanted=size,
            remedy=f"sysctl -w {' '.join(small)}",
        )


def size_buffers(udp: UdpSocket, size: int) -> None:
    """Give one socket as much of `size` as the system grants; the media sockets' warning is for this one, too."""
    for option, force in ((socket.SO_SNDBUF, _SO_SNDBUFFORCE), (socket.SO_RCVBUF, _SO_RCVBUFFORCE)):
        _granted_buffer(udp, option, force, size)


def _granted_buffer(udp: UdpSocket, option: int, force: int, size: int) -> int:
    """Ask for a buffer of `size` bytes; what the system gave."""
    try:
        udp.setsockopt(socket.SOL_SOCKET, force, size)
    except OSError:  # not root, or not Linux
        udp.setsockopt(socket.SOL_SOCKET, option, size)
    return _size(udp, option)


def _size(udp: UdpSocket, option: int) -> int:
    return udp.getsockopt(socket.SOL_SOCKET, option) // 2  # Linux counts its own overhead


def _kernel_drops(udp: UdpSocket) -> int:
    """What one socket lost; 0 where the system does not tell."""
    try:
        figures = udp.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, _MEMINFO.size)
    except OSError:
        return 0
    return int(_MEMINFO.unpack(figures)[-1]) if len(figures) == _MEMINFO.size else 0
