"""RTMP's messages, cut into chunks and put together again (sections 5.3 and 5.4 of its specification)."""

from collections.abc import Iterator
from enum import IntEnum
from typing import Final, NamedTuple

from attrs import define, field

from protocol.common.errors import ProtocolError

STANDARD_CHUNK: Final = 128
OUR_CHUNK: Final = 4096
"""Bytes of a chunk that we send, at most."""
MAX_MESSAGE: Final = 64 << 10
"""Bytes of a message that we take: a publisher hears nothing but commands."""
MAX_CHUNK_STREAMS: Final = 32
_EXTENDED: Final = 0xFFFFFF
_HEADER_SIZES: Final = (11, 7, 3, 0)


class RtmpError(ProtocolError):
    """The peer does not speak RTMP, or says too much."""


class MessageType(IntEnum):
    """What a message is (sections 5.4, 6.2 and 7.1)."""

    SET_CHUNK_SIZE = 1
    ABORT = 2
    ACKNOWLEDGEMENT = 3
    USER_CONTROL = 4
    WINDOW_SIZE = 5
    SET_BANDWIDTH = 6
    AUDIO = 8
    VIDEO = 9
    DATA = 18
    COMMAND = 20


class Message(NamedTuple):
    """One message. `timestamp` in milliseconds."""

    type: int
    stream: int
    timestamp: int
    body: bytes


def write_message(chunk_stream: int, message: Message, size: int = OUR_CHUNK) -> bytes:
    """A message in chunks of this size; each has a whole header: a few bytes more, and nothing to remember."""
    timestamp = message.timestamp & 0xFFFFFFFF
    extension = timestamp.to_bytes(4, "big") if timestamp >= _EXTENDED else b""
    head = b"".join(
        (
            bytes((chunk_stream,)),
            min(timestamp, _EXTENDED).to_bytes(3, "big"),
            len(message.body).to_bytes(3, "big"),
            bytes((message.type,)),
            message.stream.to_bytes(4, "little"),
            extension,
        )
    )
    separator = bytes((0xC0 | chunk_stream,)) + extension
    return head + separator.join(
        [message.body[at : at + size] for at in range(0, len(message.body), size)] or [b""],
    )


@define
class _ChunkStream:
    """What is remembered of a chunk stream: the header that later ones abbreviate, and the message so far."""

    timestamp: int = 0
    delta: int = 0
    length: int = 0
    type: int = 0
    stream: int = 0
    is_extended: bool = False
    body: bytearray = field(factory=bytearray)


class ChunkReader:
    """Give it bytes as they come; it gives messages."""

    def __init__(self) -> None:
        self._size = STANDARD_CHUNK
        self._buffer = bytearray()
        self._at = 0
        """Where in it the next chunk begins."""
        self._streams: dict[int, _ChunkStream] = {}

    def receive(self, data: bytes) -> Iterator[Message]:
        """The messages that are whole now. Raises RtmpError."""
        self._buffer += data
        while (chunk := self._chunk()) is not None:
            self._at, state = chunk
            if len(state.body) == state.length:
                message = Message(state.type, state.stream, state.timestamp, bytes(state.body))
                state.body = bytearray()
                self._heed(message)
                yield message
        del self._buffer[: self._at]  # once, however many chunks there were
        self._at = 0

    def _heed(self, message: Message) -> None:
        if message.type == MessageType.SET_CHUNK_SIZE:
            self._size = int.from_bytes(message.body[:4], "big") & 0x7FFFFFFF
            if not self._size:
                raise RtmpError("chunks of no size")
        elif message.type == MessageType.ABORT:
            state = self._streams.get(int.from_bytes(message.body[:4], "big"))
            if state is not None:
                state.body = bytearray()

    def _chunk(self) -> tuple[int, _ChunkStream] | None:
        """The next chunk, taken into its stream: where it ends, and the stream. None: more must come."""
        data, begin = self._buffer, self._at
        if len(data) <= begin:
            return None
        number, at = data[begin] & 0x3F, begin + 1
        if number < 2:
            at += 1 + number
            number = 64 + int.from_bytes(data[begin + 1 : at], "little")
        if len(data) < at:
            return None
        state = self._streams.get(number, _ChunkStream())
        parsed = _parse_header(data, at, data[begin] >> 6, state)
        if parsed is None:
            return None
        at, head = parsed
        take = min(self._size, head.length - len(head.body))
        if len(data) < at + take:
            return None
        head.body += data[at : at + take]
        self._remember(number, head)
        return at + take, head

    def _remember(self, number: int, state: _ChunkStream) -> None:
        self._streams[number] = state
        if len(self._streams) > MAX_CHUNK_STREAMS:
            raise RtmpError("too many chunk streams")


def _parse_header(data: bytearray, at: int, form: int, state: _ChunkStream) -> tuple[int, _ChunkStream] | None:
    """The message header of a chunk, with what the stream knows of the one before: where the payload begins."""
    end = at + _HEADER_SIZES[form]
    if len(data) < end:
        return None
    field = int.from_bytes(data[at : at + 3], "big") if form < 3 else 0
    is_extended = state.is_extended if form == 3 else field == _EXTENDED
    if is_extended:
        field = int.from_bytes(data[end : end + 4], "big")
        end += 4
        if len(data) < end:
            return None
    begins = not state.body
    head = _ChunkStream(state.timestamp, state.delta, state.length, state.type, state.stream, is_extended, state.body)
    if form < 2:
        head.length, head.type = int.from_bytes(data[at + 3 : at + 6], "big"), data[at + 6]
        head.body = bytearray()
    if form == 0:
        head.stream = int.from_bytes(data[at + 7 : at + 11], "little")
    if form < 3:
        head.delta = 0 if form == 0 else field
    if begins or form < 3:
        head.timestamp = field if form == 0 else state.timestamp + head.delta & 0xFFFFFFFF
    if head.length > MAX_MESSAGE:
        raise RtmpError("a message that is too long")
    return end, head
