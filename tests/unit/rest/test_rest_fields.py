"""Fields of requests: read strictly, and described by the table that reads them."""

import re
from itertools import product
from typing import Any

import pytest

from protocol.rest.errors import RestError
from protocol.rest.fields import COUNT, FLAG, TEXT, TEXTS, Field, FieldTable, one_of, some_of
from protocol.rest.resources import connections, streams

SOME = some_of("metrics", "sdp")


def test_an_unknown_key_is_named_with_the_one_that_was_meant() -> None:
    with pytest.raises(RestError) as caught:
        FieldTable(Field("status", TEXT, ""), Field("name", TEXT, "")).read({"name": 1, "naem": 2})
    assert caught.value.message == "unknown key 'naem' (did you mean 'name'?); known here: name, status"
    assert caught.value.key == "naem"


def test_where_there_are_no_fields_none_are_listed() -> None:
    with pytest.raises(RestError, match=r"^unknown key 'name'; none is known here$"):
        FieldTable().read({"name": 1})


def test_a_key_of_any_length_is_repeated_in_part_only() -> None:
    with pytest.raises(RestError) as caught:
        FieldTable(Field("name", TEXT, "")).read({"x" * 1_000_000: 1})
    assert len(caught.value.message) < 200


def test_an_absent_key_is_none() -> None:
    field = Field("k", TEXT, "")
    assert FieldTable(field).read({})[field] is None


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        (TEXT, "", ""),
        (TEXT, "room", "room"),
        (TEXT, 101, "101"),
        (TEXT, 101.0, "101"),
        (TEXT, -0.0, "0"),
        (TEXT, 0, "0"),
        (FLAG, True, True),
        (FLAG, False, False),
        (FLAG, "true", True),
        (FLAG, "false", False),
        (TEXTS, [], ()),
        (TEXTS, ["a", "b"], ("a", "b")),
        (TEXTS, ["a", 5], ("a", "5")),
        (COUNT, 0, 0),
        (COUNT, 7, 7),
        (COUNT, 7.0, 7),
        (COUNT, 5e2, 500),
        (COUNT, "7", 7),
        (SOME, [], frozenset()),
        (SOME, ["sdp", "sdp"], frozenset({"sdp"})),
    ],
)
def test_a_value_is_read(kind: Any, value: Any, expected: Any) -> None:
    field = Field("k", kind, "")
    assert FieldTable(field).read({"k": value})[field] == expected


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        *product([TEXT], [None, 1.5, 2**53, 1e300, float("inf"), True, [], {}]),
        *product([FLAG], [None, 0, 1, "True", "FALSE", "yes", "", [], {}]),
        *product([TEXTS], [None, "a", {}, [1.5], [True], [None], [["a"]]]),
        *product(
            [COUNT], [None, -1, 1.5, -1.0, 1e300, True, "", "-1", "+1", " 1", "1.0", "\u0663", "9" * 20, 2**60, []]
        ),
    ],
)
def test_null_and_a_wrong_type_are_refused_by_the_name_of_the_key(kind: Any, value: Any) -> None:
    with pytest.raises(RestError, match=r"^k must be") as caught:
        FieldTable(Field("k", kind, "")).read({"k": value})
    assert caught.value.key == "k"
    assert caught.value.status_hint == 400


def test_a_text_that_is_not_among_the_known_ones_is_refused() -> None:
    with pytest.raises(RestError, match=r"^k knows only 'metrics', 'sdp'$"):
        FieldTable(Field("k", SOME, "")).read({"k": ["metrics", "other"]})


def test_a_list_in_a_query_is_separated_by_commas() -> None:
    table = FieldTable(Field("ids", TEXTS, ""), Field("name", TEXT, ""))
    assert table.from_query({"ids": "a,b", "name": "a,b"}) == {"ids": ["a", "b"], "name": "a,b"}
    assert table.from_query({"ids": "", "other": "x,y"}) == {"ids": [], "other": "x,y"}


def test_one_of_some_texts() -> None:
    field = Field("k", one_of("a", "b"), "")
    assert FieldTable(field).read({"k": "b"})[field] == "b"
    for value in ("c", "", 1, None, ["a"]):
        with pytest.raises(RestError, match=r"^k must be a or b"):
            FieldTable(field).read({"k": value})


def test_a_table_that_needs_a_field_says_so_and_an_open_one_ignores_the_unknown() -> None:
    with pytest.raises(RestError, match="say which") as caught:
        FieldTable(Field("k", TEXT, ""), needs_one="say which").read({})
    assert caught.value.key == "k"
    field = Field("k", TEXT, "")
    assert FieldTable(field, is_open=True).read({"k": "v", "x": 1})[field] == "v"


@pytest.mark.parametrize(
    "table", [streams.TERMINATE, streams.TERMINATE_QUERY, streams.FIND, connections.TERMINATE, connections.FIND]
)
def test_a_table_describes_what_it_reads_and_nothing_else(table: FieldTable) -> None:
    schema = table.describe()
    assert schema["additionalProperties"] is False
    for name, described in schema["properties"].items():
        assert described["description"] == table.fields[name].meaning != ""
        for value, is_described in ((value, _fits(value, described)) for value in VALUES):
            try:
                table.read({name: value})
                is_read = True
            except RestError:
                is_read = False
            assert is_read is is_described, (name, value)


VALUES: list[Any] = [
    None, True, False, 0, 7, -1, 2**53 - 1, 2**53, 1.5, "", "true", "True", "7", "-7", "9" * 17,
    {}, [], ["a"], [5], [1.5], [None], ["metrics"], ["metrics", "other"],
]  # fmt: skip


def _fits(value: Any, schema: Any) -> bool:
    """Whether `value` is an instance of `schema`, of which only the keywords that occur here are known."""
    if "anyOf" in schema:
        return any(_fits(value, each) for each in schema["anyOf"])
    if "enum" in schema:
        return any(value is each or (isinstance(value, str) and value == each) for each in schema["enum"])
    match schema["type"]:
        case "array":
            return isinstance(value, list) and all(_fits(item, schema["items"]) for item in value)
        case "integer":
            is_integer = isinstance(value, int) and not isinstance(value, bool)
            return is_integer and schema["minimum"] <= value <= schema["maximum"]
        case "string":
            return isinstance(value, str) and re.search(schema.get("pattern", ""), value) is not None
        case other:
            raise AssertionError(other)
