"""The sockets of SIP: UDP, and TCP for servers that connect to us, on one port."""

import errno
import socket
from collections.abc import Iterable

from attrs import frozen

from actors.net.tcp_listeners import ListenerError
from config.settings import Settings

BACKLOG = 64
_PORT_TRIES = 50
_ABSENT = frozenset({errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL})


@frozen(kw_only=True)
class SipSockets:
    """One of each for each address family that the machine has, all on `port`."""

    port: int
    udp: tuple[socket.socket, ...]
    tcp: tuple[socket.socket, ...]

    def close(self) -> None:
        """Close all of them."""
        for opened in (*self.udp, *self.tcp):
            opened.close()


def open_sip_sockets(settings: Settings, *, is_node: bool = False) -> SipSockets | None:
    """Open them; None while SIP is off. Raises ListenerError.

    `is_node`: other processes of this machine do the same, and those that come later take any free port.
    """
    if settings.sip_servers.is_off:
        return None
    try:
        return _open(settings, settings.port_from) if settings.port_from else _open_anywhere(settings)
    except OSError as error:
        if is_node and settings.port_from and error.errno == errno.EADDRINUSE:
            return _open_anywhere(settings)
        where = f"port_from={settings.port_from}"
        raise ListenerError(f"{where}: SIP cannot use it: {error.strerror}") from error


def _open_anywhere(settings: Settings) -> SipSockets:
    """At any free port: UDP chooses, and TCP follows, unless something has just that number."""
    for _ in range(_PORT_TRIES):
        try:
            return _open(settings, 0)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    return _open(settings, 0)


def _open(settings: Settings, port: int) -> SipSockets:
    addresses = ("0.0.0.0", "::") if settings.sip_address is None else (settings.sip_address,)  # noqa: S104 - the default
    opened: list[tuple[socket.socket, socket.socket]] = []
    try:
        for address in addresses:
            pair = _open_pair(address, port, is_needed=not opened)
            if pair is not None:
                opened.append(pair)
                port = pair[0].getsockname()[1]
    except OSError:
        _close(each for pair in opened for each in pair)
        raise
    return SipSockets(port=port, udp=tuple(udp for udp, _ in opened), tcp=tuple(tcp for _, tcp in opened))


def _open_pair(address: str, port: int, *, is_needed: bool) -> tuple[socket.socket, socket.socket] | None:
    try:
        udp = _bound(address, port, socket.SOCK_DGRAM)
    except OSError as error:
        if error.errno in _ABSENT and not is_needed:
            return None
        raise
    try:
        tcp = _bound(address, udp.getsockname()[1], socket.SOCK_STREAM)
        tcp.listen(BACKLOG)
    except OSError:
        udp.close()
        raise
    return udp, tcp


def _bound(address: str, port: int, kind: socket.SocketKind) -> socket.socket:
    opened = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, kind)
    try:
        if kind == socket.SOCK_STREAM:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if ":" in address:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.setblocking(False)
        opened.bind((address, port))
    except OSError:
        opened.close()
        raise
    return opened


def _close(sockets: Iterable[socket.socket]) -> None:
    for each in sockets:
        each.close()
