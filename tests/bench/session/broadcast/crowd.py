"""Thousands of pages in one process, as light as can be: each is a socket, of which only the bytes are counted.

python -m tests.bench.session.broadcast.crowd HOST PORT SIZE

Prints `ready` once all have their session. From then on it reads from standard input how many bytes all of them
together are to get, and prints the time (nanoseconds since the epoch) when the last of these has come.
"""

import json
import selectors
import socket
import sys
from time import time_ns

from tests.bench.media.fanout_audience import allow_many_sockets

AT_ONCE = 100
"""Pages that connect at a time."""
CONNECTION = json.dumps({"message": "connection", "data": [{"appKey": "defaultApp", "mediaProviders": ["WebRTC"]}]})
UPGRADE = (
    "GET / HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
LAST_OF_GREETING = b'{"message":"ping"'


class Crowd:
    """The pages that are connected."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._selector = selectors.EpollSelector()

    def join(self, count: int) -> None:
        """Connect so many pages more; returns when they have been greeted."""
        waiting = {self._open(): b"" for _ in range(count)}
        while waiting:
            for key, _ in self._selector.select():
                page = key.fileobj
                assert isinstance(page, socket.socket)
                if not waiting[page]:
                    page.sendall(_masked(CONNECTION.encode()))
                waiting[page] += self._read(page)
                if LAST_OF_GREETING in waiting[page]:
                    del waiting[page]

    def take(self, size: int) -> int:
        """Read `size` bytes at all pages together; when the last of them was there."""
        while size > 0:
            for key, _ in self._selector.select():
                assert isinstance(key.fileobj, socket.socket)
                size -= len(self._read(key.fileobj))
        return time_ns()

    def _open(self) -> socket.socket:
        page = socket.create_connection(self._address)
        upgrade = UPGRADE.format(host=self._address[0], port=self._address[1]).encode()
        page.sendall(upgrade)
        page.setblocking(False)
        self._selector.register(page, selectors.EVENT_READ)
        return page

    def _read(self, page: socket.socket) -> bytes:
        data = page.recv(65536)
        if not data:
            raise ConnectionError("the server has closed a page's connection")
        return data


def _masked(text: bytes) -> bytes:
    """A short text frame of a client, masked with zeros (RFC 6455 section 5.3)."""
    return bytes((0x81, 0x80 | len(text))) + bytes(4) + text


def main() -> None:
    host, port, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    allow_many_sockets()
    crowd = Crowd(host, port)
    for start in range(0, size, AT_ONCE):
        crowd.join(min(AT_ONCE, size - start))
    print("ready", flush=True)
    for line in sys.stdin:
        print(crowd.take(int(line)), flush=True)


if __name__ == "__main__":
    main()
