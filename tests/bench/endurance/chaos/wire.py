"""Byte by byte: what attackers send, over blocking sockets of their own address."""

import base64
import contextlib
import json
import os
import socket
import ssl
import struct
from collections.abc import Iterator

VARIABLE = "WCSD_CHAOS_ADDRESS"
ADDRESS = os.environ.get(VARIABLE, "127.0.0.66")
"""Where attackers come from; honest clients come from 127.0.0.1."""

TEXT = 1
_TIMEOUT = 5.0


def tcp(port: int, first: bytes = b"", *, source: str = ADDRESS) -> socket.socket:
    """A connection to the server, with `first` sent."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=_TIMEOUT, source_address=(source, 0))
    with contextlib.suppress(OSError):
        connection.sendall(first)
    return connection


def request(port: int, target: str, body: str | None = None, *, close: bool = True) -> bytes:
    """One HTTP request: a POST if there is a body."""
    lines = [f"{'GET' if body is None else 'POST'} {target} HTTP/1.1", f"Host: 127.0.0.1:{port}"]
    lines += ["Connection: close"] if close else []
    lines += [f"Content-Length: {len(body)}", "Content-Type: application/json"] if body is not None else []
    return ("\r\n".join(lines) + f"\r\n\r\n{body or ''}").encode()


def exchange(port: int, sent: bytes) -> bytes:
    """Send it over a connection that the server closes; all that it answered."""
    with contextlib.closing(tcp(port, sent)) as connection:
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def upgrade(port: int, *headers: str) -> bytes:
    """A request for a WebSocket; complete unless `headers` take the place of key and version."""
    lines = headers or (f"Sec-WebSocket-Key: {base64.b64encode(os.urandom(16)).decode()}", "Sec-WebSocket-Version: 13")
    head = ("GET / HTTP/1.1", f"Host: 127.0.0.1:{port}", "Connection: Upgrade", "Upgrade: websocket", *lines)
    return ("\r\n".join(head) + "\r\n\r\n").encode()


def websocket(port: int) -> socket.socket:
    """An open WebSocket. Raises OSError when the server does not want it."""
    connection = tcp(port, upgrade(port))
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = connection.recv(4096)
        if not piece:
            raise ConnectionResetError("no upgrade")
        answer += piece
    return connection


def frame(text: str) -> bytes:
    """One text frame, masked by zeros (RFC 6455 section 5.2)."""
    payload = text.encode()
    if len(payload) < 126:
        length = bytes([0x80 | len(payload)])
    elif len(payload) <= 0xFFFF:
        length = struct.pack("!BH", 0x80 | 126, len(payload))
    else:
        length = struct.pack("!BQ", 0x80 | 127, len(payload))
    return bytes([0x80 | TEXT]) + length + bytes(4) + payload


def message(name: str, data: str) -> bytes:
    """A frame of the WebSDK; `data` is JSON."""
    return frame(f'{{"message":"{name}","data":[{data}]}}')


def connection_frame(**fields: object) -> bytes:
    return message("connection", json.dumps({"appKey": "defaultApp", "mediaProviders": ["WebRTC"], **fields}))


_TRUSTING = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""One for all handshakes: to load certificates for each would cost the attacker more than the server."""
_TRUSTING.check_hostname, _TRUSTING.verify_mode = False, ssl.CERT_NONE


def hello() -> bytes:
    """The first flight of TLS."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        _TRUSTING.wrap_bio(incoming, outgoing).do_handshake()
    return outgoing.read()


def readable(connections: list[socket.socket]) -> Iterator[socket.socket]:
    """Those of the connections that the server has not closed; what came is thrown away."""
    for connection in connections:
        connection.setblocking(False)
        with contextlib.suppress(OSError):
            try:
                while connection.recv(1 << 16):
                    pass
            except BlockingIOError:
                yield connection
                continue
        connection.close()
