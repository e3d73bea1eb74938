"""The few bytes of DNS (RFC 1035) between a worker that is cut off from every network and the server, its name server.

Every name that may be looked up gets its own address, which exists in the worker's network only, so that the server
knows for which name a connection is meant.
"""

import struct
from ipaddress import IPv4Network
from typing import Final

from attrs import frozen

MAX_QUESTION: Final = 512
"""Bytes of a message (RFC 1035, 2.3.4)."""
STAND_INS: Final = IPv4Network("198.18.0.0/15")
"""For benchmarks in closed networks (RFC 2544): no source is there."""

_HEADER: Final = struct.Struct("!6H")
_A, _INTERNET = 1, 1
_RESPONSE_RECURSION: Final = 0x8180
_OPCODE_AND_RESPONSE: Final = 0xF800
_NAME_ERROR: Final = 3
_POINTER_TO_NAME: Final = 0xC00C


@frozen(kw_only=True)
class NameQuestion:
    """Somebody asks for an address of `name`, which is in lower case."""

    id: int
    name: str
    wants_ipv4: bool
    asked: bytes
    """The question as it was put, which the answer repeats."""


def read_question(message: bytes) -> NameQuestion | None:
    """The question in a message; None if it is no query of one question."""
    if not _HEADER.size < len(message) <= MAX_QUESTION:
        return None
    number, flags, questions, *_ = _HEADER.unpack_from(message)
    if flags & _OPCODE_AND_RESPONSE or questions != 1:
        return None
    labels, at = [], _HEADER.size
    while at < len(message) and (size := message[at]):
        label = message[at + 1 : at + 1 + size]
        if size > 63 or len(label) < size or not label.isascii():
            return None
        labels.append(label.decode().lower())
        at += 1 + size
    end = at + 5
    if not labels or end > len(message):
        return None
    kind, of_class = struct.unpack_from("!HH", message, at + 1)
    if of_class != _INTERNET:
        return None
    asked = message[_HEADER.size : end]
    return NameQuestion(id=number, name=".".join(labels), wants_ipv4=kind == _A, asked=asked)


def answer_to(question: NameQuestion, address: str | None) -> bytes:
    """The answer: this IPv4 address, nothing if another kind of it was wanted, or that there is no such name (None)."""
    is_told = address is not None and question.wants_ipv4
    flags = _RESPONSE_RECURSION | (_NAME_ERROR if address is None else 0)
    message = _HEADER.pack(question.id, flags, 1, int(is_told), 0, 0) + question.asked
    if address is None or not is_told:
        return message
    numbers = bytes(map(int, address.split(".")))
    return message + struct.pack("!HHHIH", _POINTER_TO_NAME, _A, _INTERNET, 0, len(numbers)) + numbers


class StandIns:
    """The addresses that stand for names, for one worker; at most `limit`."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._addresses: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def address_of(self, name: str) -> str | None:
        """The address that stands for `name`, always the same; None if there are too many names."""
        known = self._addresses.get(name)
        if known is None and len(self._addresses) < self._limit:
            known = str(STAND_INS[len(self._addresses) + 1])
            self._addresses[name] = known
            self._names[known] = name
        return known

    def name_at(self, address: str) -> str:
        """The name for which `address` stands, or the address itself."""
        return self._names.get(address, address)
