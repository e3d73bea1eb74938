"""EBML elements (RFC 8794): an id, the size of the content, the content."""

from struct import Struct
from typing import Final, Protocol, overload

UNKNOWN_SIZE: Final = b"\x01\xff\xff\xff\xff\xff\xff\xff"
"""In place of a size of 8 bytes: the content goes on until something comes that it cannot contain."""
VOID: Final = 0xEC

_FLOAT: Final = Struct("!d")


class Bytes(Protocol):
    """Bytes that are read where they are asked for, such as a file's. As with `bytes`, slices may go beyond the end."""

    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, at: int) -> int: ...
    @overload
    def __getitem__(self, at: slice) -> bytes: ...


def element_id(number: int) -> bytes:
    """An id, which includes its own length marker."""
    return number.to_bytes((number.bit_length() + 7) // 8, "big")


def size(length: int, *, width: int = 0) -> bytes:
    """The size of a content, in `width` bytes, or as few as will do."""
    if not width:
        width = 1
        while length >= (1 << 7 * width) - 1:
            width += 1
    return (length | 1 << 7 * width).to_bytes(width, "big")


def element(number: int, content: bytes) -> bytes:
    """A whole element."""
    return element_id(number) + size(len(content)) + content


def master(number: int, *children: bytes) -> bytes:
    """An element of elements."""
    return element(number, b"".join(children))


def unsigned(number: int, value: int) -> bytes:
    """An element with a number, in as few bytes as will do."""
    return element(number, value.to_bytes(max(1, (value.bit_length() + 7) // 8), "big"))


def float64(number: int, value: float) -> bytes:
    """An element with a number of 64 bits."""
    return element(number, _FLOAT.pack(value))


def text(number: int, value: str) -> bytes:
    """An element with text."""
    return element(number, value.encode())


def void(length: int) -> bytes:
    """An element of `length` bytes in all, at least 2, that means nothing."""
    if length < 10:
        return bytes((VOID, 0x80 | length - 2)) + bytes(length - 2)
    return bytes((VOID,)) + size(length - 9, width=8) + bytes(length - 9)


def read_head(data: Bytes, at: int) -> tuple[int, int | None, int]:
    """Id, size (None: unknown) and start of the content of the element at `at`. Raises IndexError past the end."""
    width = _width(data[at])
    number = int.from_bytes(data[at : at + width], "big")
    at += width
    width = _width(data[at])
    raw = data[at : at + width]
    if len(raw) < width:
        raise IndexError("the data ends within an element's size")
    value = int.from_bytes(raw, "big") & (1 << 7 * width) - 1
    return number, None if value == (1 << 7 * width) - 1 else value, at + width


def _width(first: int) -> int:
    if not first:
        raise IndexError("no element begins with a zero")
    return 9 - first.bit_length()
