"""RTP headers as other implementations write them."""

from collections.abc import Iterable, Sequence
from struct import Struct

_VERSION = 0x80
_EXTENSION = 0x10
_ONE_BYTE = 0xBEDE
_TWO_BYTE = 0x1000
_STOP_ID = 15

_HEADER = Struct("!BBHII")
_U32 = Struct("!I")
_EXTENSION_HEADER = Struct("!HH")


def build_header(
    *,
    payload_type: int,
    marker: bool,
    sequence: int,
    timestamp: int,
    ssrc: int,
    csrcs: Sequence[int] = (),
    extensions: Iterable[tuple[int, bytes]] = (),
) -> bytes:
    """Write a header; header extensions in the one-byte form when all of them fit it, else in the two-byte form."""
    block = _build_extensions(tuple(extensions))
    first = _VERSION | (_EXTENSION if block else 0) | len(csrcs)
    fixed = _HEADER.pack(first, marker << 7 | payload_type, sequence, timestamp, ssrc)
    return fixed + b"".join(map(_U32.pack, csrcs)) + block


def _build_extensions(elements: Sequence[tuple[int, bytes]]) -> bytes:
    if not elements:
        return b""
    if all(1 <= identifier < _STOP_ID and 1 <= len(value) <= 16 for identifier, value in elements):
        profile = _ONE_BYTE
        body = b"".join(bytes((identifier << 4 | len(value) - 1,)) + value for identifier, value in elements)
    else:
        profile = _TWO_BYTE
        body = b"".join(bytes((identifier, len(value))) + value for identifier, value in elements)
    body += bytes(-len(body) % 4)
    return _EXTENSION_HEADER.pack(profile, len(body) // 4) + body
