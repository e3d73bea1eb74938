"""TLS between a socket and whoever reads it, so that what comes keeps its time of arrival: `ssl` has no `recvmsg`."""

import socket
import ssl
from typing import Protocol

from tests.support.session.wcs_client import untrusting

_PIECE = 1 << 16


class Way(Protocol):
    """How bytes get into a connected socket, and out of what was received from it."""

    def send(self, data: bytes) -> None:
        """Send all of it."""

    def opened(self, data: bytes) -> bytes:
        """What was sent, from what was received; `b""` for the end, and while too little has come."""


class Plain:
    """Nothing in between."""

    def __init__(self, tcp: socket.socket) -> None:
        self._tcp = tcp

    def send(self, data: bytes) -> None:
        self._tcp.sendall(data)

    def opened(self, data: bytes) -> bytes:
        return data


class Secured:
    """TLS with any certificate. Shakes hands in the constructor, which waits."""

    def __init__(self, tcp: socket.socket) -> None:
        self._tcp = tcp
        self._came, self._goes = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = untrusting().wrap_bio(self._came, self._goes)
        while not self._has_shaken_hands():
            received = tcp.recv(_PIECE)
            if not received:
                raise ConnectionError("the connection was closed before TLS was up")
            self._came.write(received)

    def send(self, data: bytes) -> None:
        self._tls.write(data)
        self._pass_on()

    def opened(self, data: bytes) -> bytes:
        self._came.write(data)
        pieces = []
        while self._came.pending:
            try:
                pieces.append(self._tls.read(_PIECE))
            except (ssl.SSLWantReadError, ssl.SSLZeroReturnError):
                break
        self._pass_on()
        return b"".join(pieces)

    def _has_shaken_hands(self) -> bool:
        try:
            self._tls.do_handshake()
        except ssl.SSLWantReadError:
            return False
        finally:
            self._pass_on()
        return True

    def _pass_on(self) -> None:
        if self._goes.pending:
            self._tcp.sendall(self._goes.read())
