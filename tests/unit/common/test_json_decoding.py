"""Strict structuring of remote JSON."""

import json
import tracemalloc
from enum import StrEnum
from typing import Annotated, Any

import pytest
from attrs import field, frozen
from hypothesis import given, settings
from hypothesis import strategies as st

from protocol.common.json_bounds import MAX_DEPTH, MAX_ELEMENTS
from protocol.common.json_decoding import (
    LOCAL,
    MAX_COUNT,
    MAX_FAULTS,
    MAX_INTEGER,
    MAX_ITEMS,
    Count,
    DecodeError,
    Decoder,
    Length,
    parse_json,
    wire_name,
)


class Colour(StrEnum):
    RED = "red"


@frozen(kw_only=True)
class Inner:
    long_name: int


@frozen(kw_only=True)
class Sample:
    text: str = "default"
    flag: bool = False
    integer: int = 0
    number: float = 0.0
    count: Count = 0
    name: Annotated[str, Length(1, 3)] = "n"
    padded: Annotated[str, Length(2)] = "nn"
    colour: Colour = Colour.RED
    maybe: int | None = None
    words: tuple[str, ...] = ()
    inner: Inner | None = None
    inners: tuple[Inner, ...] = ()
    anything: Any = None
    ours: str = field(default="ours", metadata=LOCAL)


@frozen(kw_only=True)
class Needy:
    needed: str
    spare: int = 0


DECODER = Decoder()


@pytest.mark.parametrize(
    ("name", "wire"),
    [
        ("sdp", "sdp"),
        ("media_session_id", "mediaSessionId"),
        ("client_os_version", "clientOSVersion"),
        ("rtmp_url", "rtmpUrl"),
        ("mse_packetization_version", "msePacketizationVersion"),
    ],
)
def test_wire_names(name: str, wire: str) -> None:
    assert wire_name(name) == wire


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("text", "5", "5"),
        ("flag", True, True),
        ("integer", -7, -7),
        ("integer", 640.0, 640),
        ("integer", MAX_INTEGER, MAX_INTEGER),
        ("number", 1, 1.0),
        ("number", 0.5, 0.5),
        ("count", 640, 640),
        ("count", "640", 640),
        ("name", "abc", "abc"),
        ("colour", "red", Colour.RED),
        ("maybe", 3, 3),
        ("words", ["a", "b"], ("a", "b")),
        ("inner", {"longName": 1}, Inner(long_name=1)),
        ("inners", [{"longName": 1}], (Inner(long_name=1),)),
        ("anything", {"any": [1]}, {"any": [1]}),
    ],
)
def test_a_value_of_its_own_type_is_taken(key: str, value: Any, expected: Any) -> None:
    taken = getattr(DECODER.structure({key: value}, Sample), key)
    assert taken == expected
    assert type(taken) is type(expected)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("text", 5, "expected a string @ $.text"),
        ("text", True, "expected a string @ $.text"),
        ("flag", "false", "expected true or false @ $.flag"),
        ("flag", 0, "expected true or false @ $.flag"),
        ("integer", "5", "expected an integer @ $.integer"),
        ("integer", True, "expected an integer @ $.integer"),
        ("integer", 0.5, "expected an integer @ $.integer"),
        ("integer", float("nan"), "expected an integer @ $.integer"),
        ("integer", float("inf"), "expected an integer @ $.integer"),
        ("integer", MAX_INTEGER + 1, "integer out of range @ $.integer"),
        pytest.param("integer", -(10**4000), "integer out of range @ $.integer", id="huge-integer"),
        ("number", "0.5", "expected a number @ $.number"),
        ("number", True, "expected a number @ $.number"),
        ("number", float("nan"), "number out of range @ $.number"),
        pytest.param("number", 10**4000, "number out of range @ $.number", id="huge-number"),
        ("count", -1, f"expected an integer from 0 to {MAX_COUNT} @ $.count"),
        ("count", MAX_COUNT + 1, f"expected an integer from 0 to {MAX_COUNT} @ $.count"),
        ("count", "640px", "expected an integer @ $.count"),
        ("count", "", "expected an integer @ $.count"),
        ("count", "٣", "expected an integer @ $.count"),
        pytest.param("count", "9" * 5000, "expected an integer @ $.count", id="huge-count"),
        ("count", False, "expected an integer @ $.count"),
        ("name", "", "must not be empty @ $.name"),
        ("name", "abcd", "longer than 3 characters @ $.name"),
        ("name", 5, "expected a string @ $.name"),
        ("padded", "n", "shorter than 2 characters @ $.padded"),
        ("colour", "blue", "expected one of red @ $.colour"),
        ("colour", ["red"], "expected a string @ $.colour"),
        ("maybe", "3", "expected an integer @ $.maybe"),
        ("words", "ab", "expected an array @ $.words"),
        ("words", {"a": 1}, "expected an array @ $.words"),
        ("words", ["a", 5, 6], "expected a string @ $.words[1]; expected a string @ $.words[2]"),
        ("inner", [], "expected an object @ $.inner"),
        ("inner", {}, "required field missing @ $.inner.longName"),
        ("inners", [{"longName": 1}, {"longName": "1"}], "expected an integer @ $.inners[1].longName"),
    ],
)
def test_a_faulty_value_is_named_by_its_place_and_never_shown(key: str, value: Any, message: str) -> None:
    with pytest.raises(DecodeError) as caught:
        DECODER.structure({key: value}, Sample)
    assert caught.value.message == message


@pytest.mark.parametrize("value", [None, 5, "text", [], [{}]])
def test_only_an_object_is_an_object(value: Any) -> None:
    with pytest.raises(DecodeError, match=r"^expected an object @ \$\.body$"):
        DECODER.structure(value, Sample, path=("body",))


def test_null_is_absent() -> None:
    assert DECODER.structure(dict.fromkeys(["text", "flag", "maybe", "inner", "anything"]), Sample) == Sample()
    with pytest.raises(DecodeError, match=r"^required field missing @ \$\.needed$"):
        DECODER.structure({"needed": None}, Needy)


def test_unknown_fields_are_ignored() -> None:
    assert DECODER.structure({"what": 1, "ours": "theirs"}, Sample) == Sample()


def test_every_fault_is_told() -> None:
    with pytest.raises(DecodeError) as caught:
        DECODER.structure({"spare": "x", "extra": 1}, Needy)
    assert [str(fault) for fault in caught.value.faults] == [
        "required field missing @ $.needed",
        "expected an integer @ $.spare",
    ]
    assert [fault.missing for fault in caught.value.faults] == [True, False]


def test_tolerant_structuring_ignores_faulty_fields_that_have_a_default() -> None:
    taken, ignored = DECODER.structure_tolerantly({"text": 5, "words": ["a", 1], "flag": True}, Sample, path=("at",))
    assert taken == Sample(flag=True)
    assert [str(fault) for fault in ignored] == ["expected a string @ $.at.text", "expected a string @ $.at.words[1]"]


def test_tolerant_structuring_fails_only_for_the_fields_that_are_needed() -> None:
    with pytest.raises(DecodeError) as caught:
        DECODER.structure_tolerantly({"needed": 5, "spare": "x"}, Needy)
    assert caught.value.message == "expected a string @ $.needed"


@pytest.mark.parametrize(
    "text",
    ["", "{", "nul", "\ufeff{}", "NaN", "[Infinity]", "-Infinity", "1e999", "-1e999", '{"a":1}x', "\x00"],
)
def test_what_is_not_json(text: str) -> None:
    with pytest.raises(DecodeError, match=r"^not JSON: "):
        parse_json(text)


def test_an_integer_of_any_length_is_read_or_refused_in_plain_words() -> None:
    assert parse_json("1" * 4300) == int("1" * 4300)
    with pytest.raises(DecodeError, match=r"^integer too long @ \$$"):
        parse_json("1" * 4301)


@pytest.mark.parametrize(("open_", "close"), [("[", "]"), ('{"a":', "}")])
def test_nesting_is_bounded(open_: str, close: str) -> None:
    def nested(depth: int) -> str:
        return open_ * (depth - 1) + "[]" + close * (depth - 1)

    assert json.dumps(parse_json(nested(MAX_DEPTH))) == nested(MAX_DEPTH).replace(":", ": ")
    for depth in (MAX_DEPTH + 1, 500, 10_000):
        with pytest.raises(DecodeError, match=f"^nested deeper than {MAX_DEPTH} levels"):
            parse_json(nested(depth))


MEBIBYTE = 1024 * 1024


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[" + "[]," * 340_000 + "[]]", id="lists"),
        pytest.param("[" + "{}," * 340_000 + "{}]", id="objects"),
        pytest.param('{"mediaProviders":[' + "1," * 520_000 + "1]}", id="numbers"),
        pytest.param("[" + '"",' * 340_000 + '""]', id="strings"),
        pytest.param("[" + '{"a":0},' * 130_000 + "0]", id="members"),
        pytest.param("[" * MEBIBYTE, id="unclosed"),
        pytest.param('"",' * 340_000, id="no JSON"),
        pytest.param('["\\\\",' + '"\\"",' * 170_000 + "0]", id="escapes"),
    ],
)
def test_a_text_of_too_many_elements_is_refused_before_anything_is_built(text: str) -> None:
    tracemalloc.start()
    with pytest.raises(DecodeError, match=f"^(more than {MAX_ELEMENTS} values and keys|nested deeper)"):
        parse_json(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * MEBIBYTE


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("[{:,}]" * 150_000, id="punctuation"),
        pytest.param('\\"[,' * 150_000, id="escaped quotes"),
        pytest.param("\\\\" * 250_000, id="backslashes"),
        pytest.param("\\\\[" * 150_000 + '\\\\\\"', id="backslashes and a quote"),
        pytest.param("Ж,\\u0416[" * 80_000, id="escaped letters"),
    ],
)
def test_what_stands_in_a_string_is_one_element(content: str) -> None:
    text = '{"logs": "' + content + '", "n": [1, {"a": "[["}]}'
    assert parse_json(text) == json.loads(text)


def test_the_bound_on_elements_is_by_values_and_keys() -> None:
    fits = "[" + "0," * (MAX_ELEMENTS - 3) + '", [{"]'
    assert len(parse_json(fits)) == MAX_ELEMENTS - 2
    assert parse_json('{"a": [1, 2], "b": "{,}"}', max_elements=7)
    with pytest.raises(DecodeError, match=r"^more than 6 values and keys @"):
        parse_json('{"a": [1, 2], "b": "{,}"}', max_elements=6)


def test_an_array_of_a_field_is_refused_whole_when_it_is_too_long() -> None:
    assert len(DECODER.structure({"words": ["w"] * MAX_ITEMS}, Sample).words) == MAX_ITEMS
    items: list[Any] = ["w", 1, [], None]
    for item in items:
        taken, ignored = DECODER.structure_tolerantly({"words": [item] * 50_000, "flag": True}, Sample)
        assert taken == Sample(flag=True)
        assert [str(fault) for fault in ignored] == [f"more than {MAX_ITEMS} items @ $.words"]


def test_an_error_names_a_few_faults() -> None:
    with pytest.raises(DecodeError) as caught:
        DECODER.structure({"words": [1] * MAX_ITEMS}, Sample)
    assert caught.value.message.count("expected a string") == MAX_FAULTS
    assert len(caught.value.message) < 1000


def test_brackets_side_by_side_are_not_depth() -> None:
    wide = [[{}] * 100, ["[" * 100]]
    assert parse_json(json.dumps(wide)) == wide


def test_lone_surrogates_become_replacement_characters() -> None:
    assert parse_json(r'{"a\ud800": ["\uDC00b", "\ud83d\ude00", 1]}') == {"a\ufffd": ["\ufffdb", "\U0001f600", 1]}
    assert parse_json('["x\ud800"]') == ["x\ufffd"]


def test_the_last_of_duplicate_keys_wins() -> None:
    assert parse_json('{"a": 1, "a": 2}') == {"a": 2}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@settings(max_examples=50)
@given(json_values)
def test_any_json_passes_unchanged_and_can_be_encoded(value: Any) -> None:
    parsed = parse_json(json.dumps(value))
    assert parsed == value
    json.dumps(parsed, ensure_ascii=False).encode()


@given(st.text(alphabet=st.characters(codec=None, categories=None)))
def test_any_text_gives_encodable_json_or_a_decode_error(text: str) -> None:
    for attempt in (text, json.dumps(text), json.dumps(text, ensure_ascii=False)):
        try:
            parsed = parse_json(attempt)
        except DecodeError:
            continue
        json.dumps(parsed, ensure_ascii=False).encode()


@given(st.dictionaries(st.sampled_from([wire_name(a) for a in Sample.__annotations__]), json_values))
def test_any_object_gives_a_value_or_a_decode_error(value: dict[str, Any]) -> None:
    sample, ignored = DECODER.structure_tolerantly(value, Sample)
    assert isinstance(sample, Sample)
    assert {str(fault.path[0]) for fault in ignored} <= set(value)
