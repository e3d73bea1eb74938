"""Lines of JSON over TCP, each with the kernel's time of arrival; its owner calls `drain` when it is readable."""

import json
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from tests.bench.media.peers.clocks import ANCILLARY_SIZE, SO_TIMESTAMPNS, stamp_of

CONNECT_TIMEOUT = 10.0
_PIECE = 1 << 16


class JsonLines:
    """Connects in the constructor, which waits."""

    def __init__(self, url: str, on_message: Callable[[Any, bytes], None]) -> None:
        parts = urlsplit(url)
        self.closed = False
        self.tcp = socket.create_connection((parts.hostname, parts.port), timeout=CONNECT_TIMEOUT)
        self.tcp.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self.tcp.setblocking(False)
        self._on_message = on_message
        self._pending = b""

    def send(self, message: Any) -> None:
        """Send one line."""
        self.tcp.sendall(json.dumps(message).encode() + b"\n")

    def drain(self) -> None:
        """Take what has arrived."""
        while not self.closed:
            try:
                data, ancillary, _, _ = self.tcp.recvmsg(_PIECE, ANCILLARY_SIZE)
            except BlockingIOError:
                return
            except ConnectionError:
                data, ancillary = b"", []
            *lines, self._pending = (self._pending + data).split(b"\n")
            for line in lines:
                self._on_message(json.loads(line), stamp_of(ancillary))
            if not data:
                self.close()

    def close(self) -> None:
        self.closed = True
        self.tcp.close()
