"""JSON as text: the fast encoder writes what Python's does."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.common import json_text
from protocol.common.json_text import compact_encoder, to_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["\ud800", "</script>"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=10,
)


@given(value=VALUES)
def test_it_writes_what_the_standard_library_writes(value: object) -> None:
    assert to_json(value) == json.dumps(value, separators=(",", ":"))


def test_it_does_so_without_an_encoder_in_c(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_text, "_IN_C", None)
    value = {"a": [1, None, "\N{SNOWMAN}"], "b": math.inf}
    assert compact_encoder(allow_nan=True)(value) == to_json(value) == '{"a":[1,null,"\\u2603"],"b":Infinity}'


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_what_is_not_json_is_refused(number: float) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        compact_encoder(allow_nan=False)([number])


def test_what_json_does_not_have_is_refused() -> None:
    with pytest.raises(TypeError):
        to_json({"a": object()})


def test_what_holds_itself_is_refused() -> None:
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(RecursionError):
        to_json(loop)
