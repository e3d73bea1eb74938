"""What comes back from a backend that mirrors: by how its JSON library writes what it has read."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.hooks import answer_changes
from protocol.hooks.answer_changes import restored

RttEstimator = Callable[[Any], Any]


def deep(value: Any, scalar: RttEstimator, container: RttEstimator = lambda value: value) -> Any:
    """`value` with every scalar and every container made another."""
    if isinstance(value, dict):
        return container({key: deep(item, scalar, container) for key, item in value.items()})
    if isinstance(value, list):
        return container([deep(item, scalar, container) for item in value])
    return scalar(value)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def php_array(value: Any) -> Any:
    """What `json_decode($body, true)` keeps and `json_encode` makes of it."""
    if isinstance(value, dict) and list(value) == [str(index) for index in range(len(value))]:
        return list(value.values())
    return value


def double(value: Any) -> Any:
    """A number as JavaScript and Go keep it; infinity is null in JavaScript."""
    if not is_number(value):
        return value
    try:
        number = float(value)
    except OverflowError:
        return None
    return int(number) if number.is_integer() and abs(number) < 1e21 else number


def fourteen_digits(value: Any) -> Any:
    return float(f"{value:.14g}") if is_number(value) and abs(value) < 1e300 else value


def numeric_check(value: Any) -> Any:
    try:
        number = float(value) if isinstance(value, str) and value.isascii() and value.isdigit() else value
    except OverflowError:
        return value
    return value if number is value or math.isinf(number) else number


def empty_to_null(value: Any) -> Any:
    return None if value == "" else value


def without_nulls(value: Any) -> Any:
    return {key: item for key, item in value.items() if item is not None} if isinstance(value, dict) else value


def lua_table(value: Any) -> Any:
    return {} if value == [] else value


def same(value: Any) -> Any:
    return value


ROUND_TRIPS: dict[str, RttEstimator] = {
    "php": lambda value: deep(value, same, php_array),
    "php 5": lambda value: deep(value, fourteen_digits, php_array),
    "php numeric check": lambda value: deep(value, numeric_check, php_array),
    "laravel": lambda value: deep(value, empty_to_null, php_array),
    "node": lambda value: deep(value, double),
    "go": lambda value: deep(value, lambda item: "" if item is None else double(item)),
    "gson": lambda value: deep(value, same, without_nulls),
    "lua": lambda value: deep(value, fourteen_digits, lua_table),
    "perl": lambda value: deep(value, lambda item: int(item) if isinstance(item, bool) else item),
}
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5)
    | st.sampled_from(["", "007", "1e3", "0", 10**400, -(10**400), 1764312345678901, 2**53 + 1])
)
KEYS = st.sampled_from(["0", "1", "2", "a"]) | st.text(max_size=3)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4))


@pytest.mark.parametrize("name", ROUND_TRIPS)
@settings(max_examples=40)
@given(sent=VALUES)
def test_what_a_library_does_to_a_value_is_no_change(name: str, sent: Any) -> None:
    assert restored(sent, ROUND_TRIPS[name](sent)) is sent


@given(sent=VALUES)
def test_what_comes_back_as_it_was_is_no_change(sent: Any) -> None:
    assert restored(sent, json.loads(json.dumps(sent))) is sent


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        ("anna", "anne"), ("anna", ""), ("007", 8), ("7a", 7), ("1_0", 10), ("infinity", math.inf), ("x", True),
        (1, 2), (1, "one"), (1, None), (1, False), (0, True), ("1", True), (2**53, 2**53 + 2),
        (0.5, 0.5000001), (10**400, 1),
        (True, False), (True, "yes"), (False, 1), (False, None), (None, 0), (None, False), ("", 0),
        ([1, 2], [2, 1]), ([1], [1, 2]), ([1, 2], [1]), ([1], {"1": 1}), ({"a": 1}, {"b": 1}), ({"a": 1}, "x"),
        ({"a": 1}, None), ([], "x"), ({}, {"a": 1}), ([], [0]), ("x", ["x"]), ("x", {}), ({"a": 1}, [1]),
    ],
)  # fmt: skip
def test_what_means_something_else_is_a_change(sent: Any, answered: Any) -> None:
    changed = restored(sent, answered)
    assert (changed, type(changed)) == (answered, type(answered))


@pytest.mark.parametrize(
    ("sent", "answered", "changed"),
    [
        ({"a": {}, "n": 1}, {"a": [], "n": 2}, {"a": {}, "n": 2}),
        ({"a": {"b": {}, "c": [2**53 + 1]}}, {"a": {"b": [], "c": [2**53, 5]}}, {"a": {"b": {}, "c": [2**53 + 1, 5]}}),
        ({"a": 1}, [], {}),
        ([1], {}, []),
        ({"a": {"b": 1}}, {"a": []}, {"a": {}}),
        ({"a": "007"}, {"a": 7, "more": []}, {"a": "007", "more": []}),
    ],
)
def test_beside_a_change_all_else_stays_as_it_was_sent(sent: Any, answered: Any, changed: Any) -> None:
    assert json.dumps(restored(sent, answered)) == json.dumps(changed)


@pytest.mark.parametrize(
    "values",
    [list(range(50_000)), [2**53 + 1] * 50_000, [{}] * 50_000, [[""]] * 20_000, dict.fromkeys(map(str, range(25_000)))],
)
def test_a_value_of_any_size_costs_a_bounded_number_of_comparisons(
    values: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = 0
    original = answer_changes._means_the_same

    def counting(sent: object, answered: object) -> bool:
        nonlocal compared
        compared += 1
        return original(sent, answered)

    monkeypatch.setattr(answer_changes, "_means_the_same", counting)
    sent, answered = {"values": values, "empty": {}}, ROUND_TRIPS["node"]({"values": values, "empty": []})
    assert restored(sent, answered) in (sent, answered, {**answered, "empty": {}})
    assert compared <= answer_changes.MAX_COMPARED
    assert restored(sent, {"values": values, "empty": {}}) is sent
