"""AMF 0, the values of RTMP's commands (Adobe's "Action Message Format -- AMF 0").

What is read comes from a server that nobody vouches for: depth and number of values are bounded.
"""

from collections.abc import Iterator, Mapping
from struct import Struct
from typing import Any, Final

from protocol.common.errors import ProtocolError

MAX_DEPTH: Final = 8
MAX_VALUES: Final = 1000
_NUMBER, _BOOLEAN, _STRING, _OBJECT, _NULL, _UNDEFINED, _ECMA_ARRAY = 0, 1, 2, 3, 5, 6, 8
_STRICT_ARRAY, _DATE, _LONG_STRING = 10, 11, 12
_END: Final = b"\0\0\x09"
_DOUBLE: Final = Struct("!d")


class AmfError(ProtocolError):
    """The bytes are no AMF 0, or too many values."""


# -- writing ---------------------------------------------------------------------------------------------------------


def write_values(*values: Any) -> bytes:
    """Numbers, booleans, strings, None, and mappings of these."""
    return b"".join(map(_write, values))


def _write(value: Any) -> bytes:
    match value:
        case None:
            return bytes((_NULL,))
        case bool():
            return bytes((_BOOLEAN, value))
        case int() | float():
            return bytes((_NUMBER,)) + _DOUBLE.pack(value)
        case str():
            return _write_string(value)
        case Mapping():
            pairs = [_write_key(key) + _write(each) for key, each in value.items()]
            return bytes((_OBJECT,)) + b"".join(pairs) + _END
        case _:
            raise TypeError(f"{type(value).__name__} has no form in AMF 0")


def _write_string(text: str) -> bytes:
    data = text.encode()
    if len(data) > 0xFFFF:
        return bytes((_LONG_STRING,)) + len(data).to_bytes(4, "big") + data
    return bytes((_STRING,)) + len(data).to_bytes(2, "big") + data


def _write_key(key: str) -> bytes:
    data = key.encode()
    return len(data).to_bytes(2, "big") + data


# -- reading ---------------------------------------------------------------------------------------------------------


def read_values(data: bytes) -> list[Any]:
    """All values, one after the other. Raises AmfError."""
    reader = _Reader(data)
    try:
        return list(reader.values())
    except (IndexError, ValueError) as error:  # Unicode errors are among these
        raise AmfError(f"no AMF 0: {error}") from None


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._values = 0

    def values(self) -> Iterator[Any]:
        while self._at < len(self._data):
            yield self._value(0)

    def _value(self, depth: int) -> Any:
        self._values += 1
        if depth > MAX_DEPTH or self._values > MAX_VALUES:
            raise AmfError("too many values, or too deep")
        kind = self._take(1)[0]
        if kind == _NUMBER:
            return _DOUBLE.unpack(self._take(8))[0]
        if kind == _BOOLEAN:
            return self._take(1) != b"\0"
        if kind in (_NULL, _UNDEFINED):
            return None
        if kind in (_STRING, _LONG_STRING):
            return self._text(2 if kind == _STRING else 4)
        return self._composite(kind, depth)

    def _composite(self, kind: int, depth: int) -> Any:
        if kind == _ECMA_ARRAY:
            self._take(4)  # how many there are; some servers say 0
        if kind in (_OBJECT, _ECMA_ARRAY):
            return self._object(depth)
        if kind == _STRICT_ARRAY:
            return [self._value(depth + 1) for _ in range(min(self._length(4), MAX_VALUES + 1))]
        if kind == _DATE:
            moment = _DOUBLE.unpack(self._take(8))[0]
            self._take(2)
            return moment
        raise AmfError(f"a value of the unknown kind {kind}")

    def _object(self, depth: int) -> dict[str, Any]:
        pairs: dict[str, Any] = {}
        while self._data[self._at : self._at + 3] != _END:
            key = self._text(2)
            pairs[key] = self._value(depth + 1)
        self._at += 3
        return pairs

    def _text(self, width: int) -> str:
        return self._take(self._length(width)).decode()

    def _length(self, width: int) -> int:
        return int.from_bytes(self._take(width), "big")

    def _take(self, length: int) -> bytes:
        taken = self._data[self._at : self._at + length]
        if len(taken) < length:
            raise AmfError("a value is cut short")
        self._at += length
        return taken
