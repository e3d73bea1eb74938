"""Ports that are chosen before they are used: for programs that cannot choose one, and where nobody is to answer."""

import errno
import secrets
import socket
from typing import Final

PORTS: Final = range(21_000, 30_000)
"""Where Linux does not look when somebody wants any free port, and where no test and no default has one of its own."""


def unused_port() -> int:
    """A port of TCP and UDP, another one each time, that nobody has and nobody gets by asking for any free one.

    No other process that asks here gets it before this one has ended: rings run beside each other. Nor does a
    connection to it, while nobody listens, begin at that very port, and so reach itself.
    """
    while True:
        port = secrets.choice(PORTS)  # not by `random`: tests that run beside each other have the same seeds
        if all(_is_free(kind, port) for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM)) and _take(port):
            return port


def _take(port: int) -> bool:
    """Have a name that only one process can have, until it ends; whether that was still to be had."""
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0wcsd-tests-port-{port}")  # of the network namespace, as the port is
    except OSError as fault:
        name.close()
        if fault.errno != errno.EADDRINUSE:
            raise
        return False
    name.detach()
    return True


def _is_free(kind: socket.SocketKind, port: int) -> bool:
    with socket.socket(socket.AF_INET, kind) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
