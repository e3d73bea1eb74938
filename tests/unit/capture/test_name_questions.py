"""The few bytes of DNS between an isolated worker and the server."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.capture.name_questions import StandIns, answer_to, read_question


def query(name: str, kind: int = 1, *, flags: int = 0x0100, questions: int = 1, extra: bytes = b"") -> bytes:
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack("!6H", 7, flags, questions, 0, 0, 0) + labels + b"\0" + struct.pack("!HH", kind, 1) + extra


def test_an_address_is_told_as_rfc_1035_has_it() -> None:
    question = read_question(query("Camera.Example", extra=b"\0\0\x29\x04\xb0\0\0\0\0\0\0"))  # with EDNS
    assert question is not None
    assert question.name == "camera.example"
    answer = answer_to(question, "198.18.0.1")
    assert answer[:12] == struct.pack("!6H", 7, 0x8180, 1, 1, 0, 0)
    assert answer[12:] == query("Camera.Example")[12:] + bytes.fromhex("c00c 0001 0001 00000000 0004 c6120001")


def test_other_kinds_of_addresses_there_are_none() -> None:
    question = read_question(query("camera.example", 28))
    assert question is not None
    assert answer_to(question, "198.18.0.1")[:12] == struct.pack("!6H", 7, 0x8180, 1, 0, 0, 0)
    assert answer_to(question, None)[:12] == struct.pack("!6H", 7, 0x8183, 1, 0, 0, 0)


@pytest.mark.parametrize(
    "message",
    [
        *(b"", b"\0" * 12, b"\0" * 600, query("a", flags=0x8000), query("a", flags=0x2800), query("a", questions=2)),
        *(query("a")[:-1], query("a")[:13], b"\0" * 5 + b"\1" + b"\0" * 6 + b"\xc0\x0c" + b"\0" * 8),
        *(query("é".encode().decode("latin-1")), query("a")[:-1] + b"\3", query("a" * 64)),
    ],
)
def test_anything_else_is_no_question(message: bytes) -> None:
    assert read_question(message) is None


@given(st.binary(max_size=600))
def test_any_bytes_are_read(message: bytes) -> None:
    question = read_question(message)
    if question is not None:
        assert question.asked in answer_to(question, "198.18.0.1")


def test_each_name_has_an_address_that_stands_for_it_up_to_a_limit() -> None:
    stand_ins = StandIns(limit=2)
    first, second = stand_ins.address_of("a.example"), stand_ins.address_of("b.example")
    assert first is not None
    assert second not in {None, first}
    assert stand_ins.address_of("a.example") == first
    assert stand_ins.address_of("c.example") is None
    assert stand_ins.name_at(first) == "a.example"
    assert stand_ins.name_at("203.0.113.1") == "203.0.113.1"
