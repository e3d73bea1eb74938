"""HTTP in the clear at a port that speaks TLS: how it is recognised, and what it is told."""

from typing import Final

_METHODS: Final = (b"GET ", b"HEAD ", b"POST ", b"PUT ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"CONNECT ", b"PRI ")
LONGEST: Final = max(map(len, _METHODS))
"""Bytes that are enough to tell."""

_TOLD: Final = b"This port speaks TLS: begin the URL with https:// or wss://\n"
ANSWER: Final = (
    b"HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
) % (len(_TOLD), _TOLD)


def begins_http(head: bytes) -> bool:
    """Whether a connection begins as an HTTP request does. TLS never does: its first byte is 0x16 (RFC 8446 5.1)."""
    return bool(head) and any(head.startswith(method) or method.startswith(head) for method in _METHODS)
