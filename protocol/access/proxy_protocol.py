"""The PROXY protocol, version 2: what a proxy sends in front of a connection to name the client it forwards for.

    signature (12 bytes) | version, command | family, transport | length (2 bytes) | addresses | extensions (TLV)

The parser says how many bytes it still wants, so a reader never takes a byte of what follows. Checksums (CRC32C) are
not verified. Source: https://www.haproxy.org/download/2.9/doc/proxy-protocol.txt, section 2.2.
"""

import struct
from collections.abc import Iterator
from ipaddress import ip_address
from typing import Final

from protocol.access.client_address import ClientAddress, plain_address
from protocol.common.errors import ProtocolError

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
MAX_LENGTH: Final = 4096
"""Bytes after the first 16 that are accepted; a header with every usual extension has a few hundred."""

_START: Final = struct.Struct("!12sBBH")
_VERSION: Final = 2
_LOCAL, _PROXY = 0, 1
_UNSPECIFIED, _TCP4, _TCP6, _UNIX = 0x00, 0x11, 0x21, 0x31
_ADDRESSES: Final = {
    _TCP4: struct.Struct("!4s4sHH"),
    _TCP6: struct.Struct("!16s16sHH"),
    _UNIX: struct.Struct("!108s108s"),
}
_EXTENSION: Final = struct.Struct("!BH")
_TLS_EXTENSION: Final = 0x20  # PP2_TYPE_SSL
_TLS_IN_USE: Final = 0x01  # PP2_CLIENT_SSL


class ProxyHeaderError(ProtocolError):
    """The connection does not begin with a valid header. The text says why, for the operator."""


class ProxyHeaderParser:
    """Reads one header, however it is cut. Feed it at most `wanted` bytes at a time until `wanted` is 0."""

    def __init__(self) -> None:
        self._data = b""
        self._size = _START.size

    @property
    def wanted(self) -> int:
        """Bytes to read next; 0 once the header is complete."""
        return self._size - len(self._data)

    def feed(self, data: bytes) -> None:
        """Take bytes of the connection. Raises ProxyHeaderError as soon as they cannot be a header."""
        if len(data) > self.wanted:
            raise ValueError("more than was wanted")
        self._data += data
        if not self._data.startswith(SIGNATURE[: len(self._data)]):
            raise ProxyHeaderError(_without_signature(self._data))
        if len(self._data) == _START.size:
            self._size += self._read_start()[2]

    def client(self) -> ClientAddress | None:
        """The client that the proxy names; None if it speaks for itself (a health check) or knows no address.

        Raises ProxyHeaderError for malformed contents. To be called once the header is complete.
        """
        command, family, _ = self._read_start()
        if command == _LOCAL or family == _UNSPECIFIED:
            return None
        layout, rest = _ADDRESSES[family], self._data[_START.size :]
        if len(rest) < layout.size:
            raise ProxyHeaderError("the header is shorter than its addresses")
        is_secure = any(_is_tls(kind, value) for kind, value in _extensions(rest[layout.size :]))
        if family == _UNIX:
            return None
        source, _, port, _ = layout.unpack_from(rest)
        address = str(plain_address(str(ip_address(source))))
        return ClientAddress(address=address, port=port, is_forwarded=True, is_secure=is_secure)

    def _read_start(self) -> tuple[int, int, int]:
        """Command, family with transport, and length of the rest."""
        _, version_and_command, family, length = _START.unpack_from(self._data)
        version, command = version_and_command >> 4, version_and_command & 0x0F
        if version != _VERSION or command not in (_LOCAL, _PROXY):
            raise ProxyHeaderError(f"version {version} with command {command} is not known")
        if command == _PROXY and family not in (_UNSPECIFIED, *_ADDRESSES):
            raise ProxyHeaderError(f"family and transport 0x{family:02x} are not those of a TCP or Unix connection")
        if length > MAX_LENGTH:
            raise ProxyHeaderError(f"the header is longer than {MAX_LENGTH} bytes")
        return command, family, length


def _without_signature(data: bytes) -> str:
    if data.startswith(b"PROXY"[: len(data)]):
        return "this is version 1 of the PROXY protocol; only version 2 is accepted"
    return "the connection does not begin with a PROXY protocol header"


def _extensions(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and value of each. Raises ProxyHeaderError if one does not fit in."""
    while data:
        if len(data) < _EXTENSION.size:
            raise ProxyHeaderError("an extension is cut off")
        kind, length = _EXTENSION.unpack_from(data)
        end = _EXTENSION.size + length
        if len(data) < end:
            raise ProxyHeaderError("an extension is longer than the header")
        yield kind, data[_EXTENSION.size : end]
        data = data[end:]


def _is_tls(kind: int, value: bytes) -> bool:
    return kind == _TLS_EXTENSION and bool(value) and bool(value[0] & _TLS_IN_USE)
