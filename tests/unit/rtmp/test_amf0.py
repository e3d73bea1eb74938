"""AMF 0 as Adobe's specification has it."""

import struct
from typing import Any

import pytest

from protocol.rtmp.amf0 import MAX_DEPTH, MAX_VALUES, AmfError, read_values, write_values

OBJECT_END = b"\0\0\x09"


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (1.5, b"\0" + struct.pack("!d", 1.5)),
        (7, b"\0" + struct.pack("!d", 7)),
        (True, b"\x01\x01"),
        (False, b"\x01\0"),
        ("live", b"\x02\0\x04live"),
        (None, b"\x05"),
        ({"app": "x"}, b"\x03\0\x03app\x02\0\x01x" + OBJECT_END),
    ],
)
def test_values_are_written_as_specified_and_read_back(value: Any, data: bytes) -> None:
    assert write_values(value) == data
    assert read_values(data) == [value]


def test_long_strings_have_a_length_of_four_bytes() -> None:
    text = "x" * 70_000
    assert write_values(text)[:5] == b"\x0c\0\x01\x11\x70"
    assert read_values(write_values(text)) == [text]


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b"\x06", None),
        (b"\x08\0\0\0\0\0\x01a\x05" + OBJECT_END, {"a": None}),
        (b"\x0a\0\0\0\x02\x05\x01\x01", [None, True]),
        (b"\x0b" + struct.pack("!d", 5) + b"\0\0", 5.0),
    ],
)
def test_what_servers_write_beside_that_is_read(data: bytes, value: Any) -> None:
    assert read_values(data) == [value]


@pytest.mark.parametrize(
    "data",
    [
        b"\0\0",
        b"\x02\0\x05live",
        b"\x02\0\x01\xff",
        b"\x03\0\x01a",
        b"\x11",
        b"\x0a\xff\xff\xff\xff",
        b"\x03\0\x01a" * (MAX_DEPTH + 2),
        b"\x05" * (MAX_VALUES + 1),
        b"\x0a" + (MAX_VALUES + 1).to_bytes(4, "big") + b"\x05" * (MAX_VALUES + 1),
    ],
)
def test_what_is_none_or_too_much_is_refused(data: bytes) -> None:
    with pytest.raises(AmfError):
        read_values(data)
