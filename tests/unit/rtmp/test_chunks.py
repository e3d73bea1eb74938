"""Chunks of RTMP: what is written is read, in any pieces; what servers abbreviate is understood."""

import pytest

from protocol.rtmp.chunks import (
    MAX_CHUNK_STREAMS,
    MAX_MESSAGE,
    ChunkReader,
    Message,
    MessageType,
    RtmpError,
    write_message,
)

COMMAND = Message(MessageType.COMMAND, 1, 1000, bytes(range(256)) * 2)
LATE = Message(MessageType.VIDEO, 1, 0x1_2345_6789 & 0xFFFFFFFF, b"x" * 300)


def read(data: bytes, step: int = 1 << 20) -> list[Message]:
    reader = ChunkReader()
    return [message for at in range(0, len(data), step) for message in reader.receive(data[at : at + step])]


@pytest.mark.parametrize("step", [1, 7, 1 << 20])
@pytest.mark.parametrize("message", [COMMAND, LATE, Message(3, 0, 0, b"")])
def test_a_message_is_read_as_it_was_written(message: Message, step: int) -> None:
    data = write_message(3, message, size=128) * 2
    assert read(data, step) == [message, message]


def test_the_first_chunk_is_as_specified() -> None:
    assert write_message(3, COMMAND, size=128)[:12] == b"\x03\0\x03\xe8\0\x02\0\x14\x01\0\0\0"
    assert write_message(3, COMMAND, size=128)[12 + 128] == 0xC3


def test_headers_may_leave_out_what_is_as_before() -> None:
    whole = b"\x04\0\0\x0a\0\0\x02\x12\x01\0\0\0ab"
    same_stream = b"\x44\0\0\x05\0\0\x03\x12cde"
    same_length = b"\x84\0\0\x05fgh"
    the_same = b"\xc4ijk"
    assert read(whole + same_stream + same_length + the_same) == [
        Message(18, 1, 10, b"ab"),
        Message(18, 1, 15, b"cde"),
        Message(18, 1, 20, b"fgh"),
        Message(18, 1, 25, b"ijk"),
    ]


def test_chunk_streams_with_large_numbers_and_other_sizes_of_chunks() -> None:
    larger = b"\x02\0\0\0\0\0\x04\x01\0\0\0\0\0\0\x02\0"
    message = b"\x00\x40\0\0\0\0\x01\0\x14\0\0\0\0" + b"y" * 256
    assert [each.type for each in read(larger + message)] == [1, 20]


def test_an_aborted_message_is_forgotten() -> None:
    begun = b"\x05\0\0\0\0\x01\0\x14\0\0\0\0" + b"x" * 128
    abort = b"\x02\0\0\0\0\0\x04\x02\0\0\0\0\0\0\0\x05"
    whole = b"\x05\0\0\0\0\0\x01\x14\0\0\0\0z"
    assert read(begun + abort + whole)[-1].body == b"z"


@pytest.mark.parametrize(
    "data",
    [
        b"\x03\0\0\0" + (MAX_MESSAGE + 1).to_bytes(3, "big") + b"\x14\0\0\0\0",
        b"\x02\0\0\0\0\0\x04\x01\0\0\0\0\0\0\0\0",
        b"".join(bytes((0, number)) + b"\0\0\0\0\0\x01\x14\0\0\0\0x" for number in range(MAX_CHUNK_STREAMS + 1)),
    ],
)
def test_what_is_too_much_is_refused(data: bytes) -> None:
    with pytest.raises(RtmpError):
        read(data)
