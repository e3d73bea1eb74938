"""The JSON of a request's body."""

import contextlib
import json
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from protocol.rest.errors import RestError
from protocol.rest.json_body import decode_json, decode_object, decode_optional_object

json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.binary() | st.text().map(str.encode))
@example(b"[" * 200_000)
@example(b'{"a":' * 200_000)
@example(b"9" * 5000)
@example(b'"\\ud800"')
@example(b"\xff\xfe{")
@example(b"NaN")
def test_any_bytes_are_a_value_or_a_bad_request(body: bytes) -> None:
    with contextlib.suppress(RestError):
        decode_json(body)


@given(st.dictionaries(st.text(), json_values), st.booleans())
def test_a_json_object_is_read_as_it_was_written(value: dict[str, Any], ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert decode_object(text.encode()) == value


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"[" + b"[]," * 300_000 + b"[]]", "more than 50000 values and keys"),
        (b'{"a":' * 100 + b"1" + b"}" * 100, "nested deeper than 64 levels"),
    ],
)
def test_what_holds_too_much_is_refused_before_it_is_read(body: bytes, reason: str) -> None:
    tracemalloc.start()
    with pytest.raises(RestError, match=f"the request body is too much: {reason}"):
        decode_object(body)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 6 * len(body) + 100_000


def test_a_byte_order_mark_is_taken() -> None:
    assert decode_object(b'\xef\xbb\xbf{"a": 1}') == {"a": 1}


def test_a_missing_body_is_refused_unless_it_may_be_missing() -> None:
    with pytest.raises(RestError, match="missing"):
        decode_object(b"")
    assert decode_optional_object(b"") == {}


@pytest.mark.parametrize("read", [decode_object, decode_optional_object])
def test_a_body_of_blanks_is_refused(read: Callable[[bytes], dict[str, Any]]) -> None:
    with pytest.raises(RestError, match="missing"):
        read(b"  \r\n")


@pytest.mark.parametrize("body", [b"[]", b"null", b"1", b'"name"', b"true"])
def test_anything_but_an_object_is_refused(body: bytes) -> None:
    with pytest.raises(RestError, match="must be a JSON object"):
        decode_object(body)


@pytest.mark.parametrize("body", [b'{"a":1,"a":1}', b'{"b":{"a":1,"a":2}}', b'{"b":[{"a":1,"\\u0061":2}]}'])
def test_a_repeated_key_is_refused_at_any_depth(body: bytes) -> None:
    with pytest.raises(RestError, match="'a' is given twice") as caught:
        decode_object(body)
    assert caught.value.key == "a"


@pytest.mark.parametrize("body", [b"{a:1}", b"{'a':1}", b'{"a":1,}', b"name=a", b'{"a":NaN}', b'{"a":Infinity}'])
def test_what_is_nearly_json_is_refused(body: bytes) -> None:
    with pytest.raises(RestError, match="not JSON"):
        decode_object(body)
