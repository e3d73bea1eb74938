"""Packets on a TCP connection, each behind its length in two bytes (RFC 4571, as RFC 6544 uses it for ICE)."""

from typing import Final

from protocol.common.errors import ProtocolError

MAX_FRAME: Final = 2048
"""Bytes of a packet: more than any path carries as one datagram."""
_LENGTH: Final = 2


class FramingError(ProtocolError):
    """The peer sends something else than packets."""


class PacketReader:
    """Cuts what comes on a connection into packets. It keeps at most what `feed` was given, and one unfinished packet.

    After an error the connection is of no use any more.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._start = 0

    def feed(self, data: bytes) -> None:
        """Bytes have come."""
        del self._buffer[: self._start]
        self._start = 0
        self._buffer += data

    def take(self, most: int) -> list[bytes]:
        """The next packets, at most `most`; empty ones are passed over, and count. Raises FramingError."""
        packets, buffer, start = [], self._buffer, self._start
        for _ in range(most):
            end = start + _LENGTH
            if len(buffer) < end:
                break
            size = buffer[start] << 8 | buffer[start + 1]
            if size > MAX_FRAME:
                raise FramingError(f"a packet of {size} bytes; allowed: {MAX_FRAME}")
            if len(buffer) < end + size:
                break
            if size:
                packets.append(bytes(buffer[end : end + size]))
            start = end + size
        self._start = start
        return packets

    @property
    def is_ready(self) -> bool:
        """Whether `take` has something to do without more bytes."""
        start, buffer = self._start, self._buffer
        if len(buffer) < start + _LENGTH:
            return False
        size = buffer[start] << 8 | buffer[start + 1]
        return size > MAX_FRAME or len(buffer) >= start + _LENGTH + size


def framed(packet: bytes) -> bytes:
    """A packet behind its length. ValueError: it is longer than 65535 bytes, which no caller sends."""
    if len(packet) > 0xFFFF:
        raise ValueError("too long to be framed")
    return len(packet).to_bytes(_LENGTH, "big") + packet
