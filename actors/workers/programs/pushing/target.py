"""A worker's connection to the target of a push: made by the server, which chose the address; TLS, if need be, is ours.

It never waits. What the target does not take yet is kept, up to a limit, with the time since when.
"""

import select
import socket
import ssl
from collections import deque
from pathlib import Path
from typing import Final

MAX_WAITING: Final = 8 << 20
"""Bytes that may wait for the target; beyond them it is given up."""
SEND_BUFFER: Final = 256 << 10
"""Bytes that the system keeps for it: little, so that a target that hangs is noticed."""
_READ: Final = 1 << 14
_BUNDLES: Final = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem")


class TargetGone(Exception):
    """The target has closed the connection, or it broke, or too much waits for it. The text says which."""


def client_context(ca_file: str | None) -> ssl.SSLContext:
    """What certificates to trust; read at once, since no file can be opened later. Raises OSError."""
    context = ssl.create_default_context(cafile=ca_file)
    for bundle in _BUNDLES:
        if ca_file is None and Path(bundle).exists():
            context.load_verify_locations(cafile=bundle)
    return context


class TargetConnection:
    """See above. `descriptor` is that of a connected socket, `name` the one that its certificate must have."""

    def __init__(self, descriptor: int, context: ssl.SSLContext | None, name: str) -> None:
        plain = socket.socket(fileno=descriptor)
        plain.setblocking(False)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket: socket.socket = plain
        if context is not None:
            self._socket = context.wrap_socket(plain, server_hostname=name, do_handshake_on_connect=False)
        self._has_shaken_hands = context is None
        self._waiting: deque[tuple[memoryview, float]] = deque()
        """With the time since when."""
        self._wants = select.POLLIN
        self.waiting = 0
        """Bytes that the target has not taken yet."""
        self.sent = 0
        self.stuck_since: float | None = None
        """Since when nothing was taken of what waits."""

    @property
    def descriptor(self) -> int:
        return self._socket.fileno()

    @property
    def interest(self) -> int:
        """What `poll` should wait for."""
        return self._wants | (select.POLLOUT if self.waiting and self._has_shaken_hands else 0)

    def lag(self, now: float) -> float:
        """Seconds that the oldest of what waits has waited."""
        return now - self._waiting[0][1] if self._waiting else 0.0

    def send(self, data: bytes, now: float) -> None:
        """Send, now or later. Raises TargetGone."""
        if not data:
            return
        self._waiting.append((memoryview(data), now))
        self.waiting += len(data)
        if self.stuck_since is None:
            self.stuck_since = now
        if self.waiting > MAX_WAITING:
            raise TargetGone("it takes too little")
        self.flush(now)

    def flush(self, now: float) -> None:
        """Send what waits. Raises TargetGone."""
        while self._waiting and self._shake_hands():
            try:
                count = self._socket.send(self._waiting[0][0])
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError as error:
                raise TargetGone(_words(error)) from None
            self._taken(count, now)

    def receive(self) -> bytes:
        """What has come; nothing, if nothing has. Raises TargetGone."""
        if not self._shake_hands():
            return b""
        try:
            data = self._socket.recv(_READ)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return b""
        except OSError as error:
            raise TargetGone(_words(error)) from None
        if not data:
            raise TargetGone("closed by the target")
        return data

    def close(self) -> None:
        """Without waiting for anything."""
        self._socket.close()

    def _taken(self, count: int, now: float) -> None:
        first, since = self._waiting.popleft()
        if count < len(first):
            self._waiting.appendleft((first[count:], since))
        self.waiting -= count
        self.sent += count
        self.stuck_since = now if self.waiting else None

    def _shake_hands(self) -> bool:
        if self._has_shaken_hands or not isinstance(self._socket, ssl.SSLSocket):
            return True
        try:
            self._socket.do_handshake()
        except ssl.SSLWantReadError:
            self._wants = select.POLLIN
            return False
        except ssl.SSLWantWriteError:
            self._wants = select.POLLOUT
            return False
        except OSError as error:
            raise TargetGone(_words(error)) from None
        self._has_shaken_hands, self._wants = True, select.POLLIN
        return True


def _words(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted: {error.verify_message}"
    return error.strerror or type(error).__name__
