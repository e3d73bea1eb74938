"""A WebSocket whose messages carry the kernel's time of arrival; its owner calls `drain` when it is readable."""

import json
import socket
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Ping, Request, TextMessage

from tests.bench.media.peers.clocks import ANCILLARY_SIZE, SO_TIMESTAMPNS, stamp_of
from tests.bench.media.peers.secured import Plain, Secured, Way

CONNECT_TIMEOUT = 10.0
_PIECE = 1 << 16


class WebSocket:
    """Connects in the constructor, which waits. `on_message` gets each JSON text and the stamp of its last piece."""

    def __init__(self, url: str, on_message: Callable[[Any, bytes], None], *, subprotocols: Sequence[str] = ()) -> None:
        parts = urlsplit(url)
        self.closed = False
        self.tcp = socket.create_connection((parts.hostname, parts.port), timeout=CONNECT_TIMEOUT)
        self.tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tcp.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
        self._way: Way = Secured(self.tcp) if parts.scheme == "wss" else Plain(self.tcp)
        self._on_message = on_message
        self._text = ""
        self._protocol = WSConnection(ConnectionType.CLIENT)
        request = Request(host=parts.netloc, target=parts.path or "/", subprotocols=list(subprotocols))
        self._way.send(self._protocol.send(request))
        self._shake_hands()
        self.tcp.setblocking(False)

    def send(self, message: Any) -> None:
        """Send one JSON text."""
        self._way.send(self._protocol.send(TextMessage(data=json.dumps(message))))

    def drain(self) -> None:
        """Take what has arrived."""
        while not self.closed:
            try:
                data, ancillary, _, _ = self.tcp.recvmsg(_PIECE, ANCILLARY_SIZE)
            except BlockingIOError:
                return
            except ConnectionError:
                data, ancillary = b"", []
            plain = self._way.opened(data)
            if plain or not data:
                self._protocol.receive_data(plain or None)
            self._handle(stamp_of(ancillary) if ancillary else b"")
            if not data:
                self.close()

    def close(self) -> None:
        """Drop the connection, as a browser does whose page goes away."""
        self.closed = True
        self.tcp.close()

    def _shake_hands(self) -> None:
        while True:
            data = self.tcp.recv(_PIECE)
            plain = self._way.opened(data)
            if data and not plain:
                continue
            self._protocol.receive_data(plain or None)
            event = next(self._protocol.events())
            if not isinstance(event, AcceptConnection):
                raise ConnectionError(f"the WebSocket was refused: {event}")
            return

    def _handle(self, stamp: bytes) -> None:
        for event in self._protocol.events():
            if isinstance(event, TextMessage):
                self._text += event.data
                if event.message_finished:
                    text, self._text = self._text, ""
                    self._on_message(json.loads(text), stamp)
            elif isinstance(event, Ping):
                self._way.send(self._protocol.send(event.response()))
            elif isinstance(event, CloseConnection):
                return
