"""The listening TCP sockets of the media plane: one beside each UDP socket, on the same address."""

import errno
import socket
from collections.abc import Sequence

from attrs import field, frozen

from actors.media.io.sockets import Address, MediaSocket
from actors.runtime.logs import get_logger
from config.settings import Settings

TcpSocket = socket.socket

BACKLOG = 512
STALLED_AFTER = 10.0
"""Seconds after which the system drops a connection whose peer acknowledges nothing, or takes nothing."""
UNSENT = 4096
"""Bytes that the system may hold unsent: what waits there cannot be dropped any more (TCP_NOTSENT_LOWAT)."""

log = get_logger("media")


@frozen(kw_only=True, eq=False)
class MediaListener:
    """One listening socket, and the addresses that lead to it, with its port."""

    listener: TcpSocket = field(repr=False)
    advertised: tuple[Address, ...]


def open_media_listeners(settings: Settings, sockets: Sequence[MediaSocket]) -> list[MediaListener]:
    """Listen beside each of the UDP sockets, or beside none.

    Without a configured port it is UDP's. If that is taken, there is no media by TCP, and the log says so. Raises
    OSError, in words for the operator, if a configured port cannot be had.
    """
    if not settings.media_tcp:
        return []
    opened: list[MediaListener] = []
    try:
        opened.extend(_open(entry, settings) for entry in sockets)
    except OSError as error:
        for done in opened:
            done.listener.close()
        if settings.media_tcp_port is not None:
            raise
        log.warning("no media by TCP", cause=error.strerror, setting="media_tcp_port")
        return []
    return opened


def _open(entry: MediaSocket, settings: Settings) -> MediaListener:
    host, udp_port = entry.local
    configured = settings.media_tcp_port
    port = udp_port if configured is None else configured
    try:
        opened = _listen(host, port)
    except OSError as error:
        if configured is None and settings.media_port_from == 0 and error.errno == errno.EADDRINUSE:
            opened = _listen(host, 0)
        else:
            fault = f"media_tcp_port={port}: cannot listen on TCP {host} port {port}: {error.strerror}"
            raise OSError(error.errno, fault) from error
    port = opened.getsockname()[1]
    return MediaListener(listener=opened, advertised=tuple((public, port) for public, _ in entry.advertised))


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(STALLED_AFTER * 1000))
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if listener.family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
        listener.setblocking(False)
    except OSError:
        listener.close()
        raise
    return listener
