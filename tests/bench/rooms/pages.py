"""Pages in rooms, thousands in one process, as light as can be: each is a socket and what has come of a frame.

python -m tests.bench.rooms.pages HOST PORT

Reads commands from standard input, one JSON object a line, and prints the latencies (a list of milliseconds) when each
is done:

    {"do": "connect", "rooms": R, "size": S}      R * S pages get their session
    {"do": "join", "rate": r}                     all of them join, r a second: until STATE has come
    {"do": "say", "count": n, "rate": r}          n messages to somebody in the same room: until MESSAGE has come
    {"do": "expect", "count": n}                  n messages come that were sent otherwise
"""

import json
import selectors
import socket
import sys
from collections.abc import Callable, Iterator
from time import perf_counter
from typing import Any

from attrs import define

from tests.bench.media.fanout_audience import allow_many_sockets

AT_ONCE = 100
"""Pages that connect at a time."""
UPGRADE = (
    "GET / HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
LAST_OF_GREETING = b'{"message":"ping"'
STATE = b'"name":"STATE"'
MESSAGE = b'"name":"MESSAGE"'
REFUSED = b'"status":"FAILED"'


@define(eq=False)
class RoomVisitor:
    """One page."""

    login: str
    room: str
    socket: socket.socket
    data: bytearray

    def send(self, message: str, argument: Any) -> None:
        text = json.dumps({"message": message, "data": [argument]}).encode()
        length = bytes((0x80 | len(text),)) if len(text) < 126 else b"\xfe" + len(text).to_bytes(2, "big")
        self.socket.sendall(b"\x81" + length + bytes(4) + text)  # masked with zeros (RFC 6455 section 5.3)

    def command(self, command: str, options: Any) -> None:
        self.send("sendData", {"operationId": "1", "payload": {"command": command, "options": options}})

    def frames(self) -> Iterator[bytes]:
        """The texts of the frames that have come whole."""
        data = self.data
        while len(data) >= 2:
            size, head = data[1], 2
            if size >= 126:
                head = 4 if size == 126 else 10
                size = int.from_bytes(data[2:head], "big")
            if len(data) < head + size:
                return
            yield bytes(data[head : head + size])
            del data[: head + size]


class Visitors:
    """All pages of this process."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._selector = selectors.EpollSelector()
        self._pages: list[RoomVisitor] = []
        self._rooms: dict[str, list[RoomVisitor]] = {}

    def connect(self, *, rooms: int, size: int) -> list[float]:
        """Get sessions for all pages; page after page they belong to one room after the other."""
        for start in range(0, rooms * size, AT_ONCE):
            waiting = [self._open(number, rooms) for number in range(start, min(start + AT_ONCE, rooms * size))]
            left = len(waiting)
            while left:
                for page in self._ready(None):
                    if b"\r\n\r\n" in page.data:
                        del page.data[: page.data.index(b"\r\n\r\n") + 4]
                        app = {"appKey": "roomApp", "mediaProviders": ["WebRTC"], "custom": {"login": page.login}}
                        page.send("connection", app)
                    left -= sum(LAST_OF_GREETING in frame for frame in page.frames())
        return []

    def join(self, *, rate: float) -> list[float]:
        """Every page joins its room."""
        began: dict[RoomVisitor, float] = {}

        def send(number: int) -> None:
            page = self._pages[number]
            began[page] = perf_counter()
            page.command("join", {"name": page.room})

        arrivals = self._run(send, len(self._pages), rate=rate, until=STATE, count=len(self._pages))
        return [(at - began[page]) * 1000 for page, at, _ in arrivals]

    def say(self, *, count: int, rate: float) -> list[float]:
        """Messages from each page to others of its room, in turn; each has the time at which it was sent."""

        def send(number: int) -> None:
            page = self._pages[number % len(self._pages)]
            others = self._rooms[page.room]
            turn = 1 + number // len(self._pages) % (len(others) - 1)
            other = others[(others.index(page) + turn) % len(others)]
            text = f"at={perf_counter():.6f}=" + "x" * 60
            page.command("sendMessage", {"roomConfig": {"name": page.room}, "to": other.login, "text": text})

        arrivals = self._run(send, count, rate=rate, until=MESSAGE, count=count)
        return [(at - float(frame.split(b"=")[1])) * 1000 for _, at, frame in arrivals]

    def expect(self, *, count: int) -> list[float]:
        """Wait for messages."""
        self._run(lambda number: None, 0, rate=1, until=MESSAGE, count=count)
        return []

    def _run(
        self, send: Callable[[int], None], sends: int, *, rate: float, until: bytes, count: int
    ) -> list[tuple[RoomVisitor, float, bytes]]:
        """Send at an even rate, and read until `count` frames with `until` have come: where, when, what."""
        arrivals: list[tuple[RoomVisitor, float, bytes]] = []
        start, sent = perf_counter(), 0
        while len(arrivals) < count:
            while sent < sends and perf_counter() >= start + sent / rate:
                send(sent)
                sent += 1
            timeout = max(0.0, start + sent / rate - perf_counter()) if sent < sends else None
            for page in self._ready(timeout):
                now = perf_counter()
                for frame in page.frames():
                    if REFUSED in frame:
                        raise RuntimeError(frame.decode())
                    if until in frame:
                        arrivals.append((page, now, frame))
        return arrivals

    def _open(self, number: int, rooms: int) -> RoomVisitor:
        connection = socket.create_connection(self._address)
        page = RoomVisitor(f"page{number}", f"room{number % rooms}", connection, bytearray())
        self._pages.append(page)
        self._rooms.setdefault(page.room, []).append(page)
        connection.sendall(UPGRADE.format(host=self._address[0], port=self._address[1]).encode())
        self._selector.register(connection, selectors.EVENT_READ, page)
        return page

    def _ready(self, timeout: float | None) -> Iterator[RoomVisitor]:
        """The pages for which something has come, which is read."""
        for key, _ in self._selector.select(timeout):
            page: RoomVisitor = key.data
            data = page.socket.recv(65536)
            if not data:
                raise ConnectionError("the server has closed a page's connection")
            page.data += data
            yield page


def main() -> None:
    visitors = Visitors(sys.argv[1], int(sys.argv[2]))
    allow_many_sockets()
    for line in sys.stdin:
        command = json.loads(line)
        print(json.dumps(getattr(visitors, command.pop("do"))(**command)), flush=True)


if __name__ == "__main__":
    main()
