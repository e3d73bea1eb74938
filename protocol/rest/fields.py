"""The fields that a request may contain: a table, declared once, that both reads the request and describes it.

    NAME = Field("name", TEXT, "name of the stream")
    FILTER = FieldTable(NAME, ...)
    given = FILTER.read(body)       # RestError (400) for anything not exactly understood
    given[NAME]                     # str | None: None if the field is absent
    FILTER.describe()               # its JSON Schema

The REST API refuses what it does not know: a typo in a terminate filter must never widen it. So unknown fields, null
and values of the wrong type are errors that name the field. Official samples send booleans and numbers as strings
(`{"published": "false"}`), so exactly those strings are accepted as the values that they spell, and whole numbers are
accepted where a name or an identifier is expected.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final, Generic, TypeVar, cast

from attrs import frozen

from protocol.common.json_decoding import MAX_INTEGER, FieldError, read_name
from protocol.common.suggestions import did_you_mean
from protocol.rest.errors import RestError, bad_request

LONGEST_SHOWN: Final = 64
"""Characters of an unknown key to repeat in an error. The search for a similar key is slow for long ones."""

T = TypeVar("T")
Schema = Mapping[str, Any]
"""A JSON Schema (2020-12), as OpenAPI 3.1 takes it."""


# -- what a value may be -----------------------------------------------------------------------------------------------


@frozen(eq=False)
class FieldType(Generic[T]):
    """The values that a field may hold. `read` raises ValueError for others; its text, if any, goes into the error."""

    wanted: str
    """What a value must be, in the words of an error."""
    read: Callable[[Any], T]
    schema: Schema
    """Of the value in a JSON body."""
    query_schema: Schema | None = None
    """Of the value in a query string, where everything is text; None: the same."""
    is_list: bool = False
    """In a query string, the items are separated by commas."""


def _read_flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise ValueError


def _read_count(value: Any) -> int:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(MAX_INTEGER)):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_INTEGER:
        raise ValueError
    return value


def _read_texts(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ValueError
    try:
        return tuple(map(read_name, value))
    except FieldError:
        raise ValueError("must be an array of strings only") from None


_NAME_SCHEMA: Final[Schema] = {
    "anyOf": [{"type": "string"}, {"type": "integer", "minimum": -MAX_INTEGER, "maximum": MAX_INTEGER}]
}

_TEXT_SCHEMA: Final[Schema] = {"type": "string"}

TEXT: Final = FieldType("a string", read_name, _NAME_SCHEMA, _TEXT_SCHEMA)
"""A string, or a whole number, which is read as its digits (`json_decoding.read_name`)."""

TEXTS: Final = FieldType(
    "an array of strings",
    _read_texts,
    {"type": "array", "items": _NAME_SCHEMA},
    {"type": "array", "items": _TEXT_SCHEMA},
    is_list=True,
)
"""An array of strings or whole numbers."""

FLAG: Final = FieldType("true or false", _read_flag, {"enum": [True, False, "true", "false"]}, {"type": "boolean"})
"""A boolean, or one of the strings `true` and `false`."""

COUNT: Final = FieldType(
    "a whole number, 0 or more",
    _read_count,
    {
        "anyOf": [
            {"type": "integer", "minimum": 0, "maximum": MAX_INTEGER},
            {"type": "string", "pattern": "^[0-9]{1,15}$"},
        ]
    },
    {"type": "integer", "minimum": 0, "maximum": MAX_INTEGER},
)
"""A whole number from 0 to MAX_INTEGER. Some languages write 5 as `5.0`, others as `"5"`."""


ANYTHING: Final[FieldType[Any]] = FieldType("any JSON value", lambda value: value, {})
"""Any JSON value, null included."""


def one_of(*known: str) -> FieldType[str]:
    """One of the strings `known`."""

    def read(value: Any) -> str:
        if value not in known:
            raise ValueError
        return str(value)

    return FieldType(" or ".join(known), read, {"enum": list(known)})


def some_of(*known: str) -> FieldType[frozenset[str]]:
    """An array of strings from `known`."""

    def read(value: Any) -> frozenset[str]:
        texts = frozenset(_read_texts(value))
        if texts - set(known):
            raise ValueError(f"knows only {', '.join(map(repr, known))}")
        return texts

    return FieldType("an array of strings", read, {"type": "array", "items": {"enum": list(known)}}, is_list=True)


# -- fields and tables -------------------------------------------------------------------------------------------------


@frozen(eq=False)
class Field(Generic[T]):
    """A field of a request: its name, type and meaning."""

    name: str
    type: FieldType[T]
    meaning: str

    def read(self, value: Any) -> T:
        """The value of the field. RestError (400) if it has the wrong type."""
        try:
            return self.type.read(value)
        except ValueError as error:
            fault = "" if isinstance(error, FieldError) else str(error)
            raise self._refusal(fault, value) from None

    def _refusal(self, fault: str, value: Any) -> RestError:
        if value is None:
            fault = f"must be {self.type.wanted}, not null; leave it out instead"
        return bad_request(f"{self.name} {fault or f'must be {self.type.wanted}'}", key=self.name)


class FieldValues:
    """The values in a request, by field."""

    def __init__(self, values: Mapping[Field[Any], Any]) -> None:
        self._values = values

    def __getitem__(self, wanted: Field[T]) -> T | None:
        return cast("T | None", self._values.get(wanted))


class FieldTable:
    """The fields that a request may have; any other is refused as an unknown `noun`, or ignored if `is_open`.

    `required`: those of the fields that no request may leave out. `needs_one`: the error of a request without any
    field, for requests that need at least one. `rules`: what else a request must keep to, in words: no schema says it.
    """

    def __init__(
        self,
        *fields: Field[Any],
        noun: str = "key",
        required: Collection[Field[Any]] = (),
        needs_one: str | None = None,
        rules: str = "",
        is_open: bool = False,
    ) -> None:
        self.fields: Mapping[str, Field[Any]] = {field.name: field for field in fields}
        self.required = tuple(field.name for field in required)
        self.needs_one = needs_one
        self.rules = rules
        self.is_open = is_open
        self._noun = noun

    def read(self, request: Mapping[str, Any]) -> FieldValues:
        """The values in `request`. RestError (400) for an unknown or missing field, or a value of the wrong type."""
        if not self.is_open:
            self._refuse_unknown(request)
        if self.needs_one is not None and not request:
            raise bad_request(self.needs_one, key=next(iter(self.fields)))
        for name in self.required:
            if name not in request:
                raise bad_request(f"{name} is missing", key=name)
        known = self.fields.items()
        return FieldValues({field: field.read(request[name]) for name, field in known if name in request})

    def from_query(self, parameters: Mapping[str, str]) -> dict[str, Any]:
        """Query parameters as the fields of a body: a list is separated by commas."""
        lists = {name for name, field in self.fields.items() if field.type.is_list}
        return {name: _items(text) if name in lists else text for name, text in parameters.items()}

    def describe(self) -> dict[str, Any]:
        """The JSON Schema of a request as a JSON body."""
        properties = {name: {**field.type.schema, "description": field.meaning} for name, field in self.fields.items()}
        schema = {"type": "object", "properties": properties, "additionalProperties": self.is_open}
        if self.required:
            schema["required"] = list(self.required)
        return schema if self.needs_one is None else schema | {"minProperties": 1}

    def _refuse_unknown(self, request: Iterable[str]) -> None:
        for name in request:
            if name not in self.fields:
                brief = name[:LONGEST_SHOWN]
                names = sorted(self.fields)
                hint = did_you_mean(brief, names)
                known = f"known here: {', '.join(names)}" if names else "none is known here"
                raise bad_request(f"unknown {self._noun} {brief!r}{hint}; {known}", key=brief)


def _items(text: str) -> list[str]:
    return text.split(",") if text else []


def distinct(pairs: Iterable[tuple[str, Any]], noun: str) -> dict[str, Any]:
    """The pairs as a mapping. RestError (400) for a duplicate key: one of the two values would be lost."""
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            brief = key[:LONGEST_SHOWN]
            raise bad_request(f"{noun} {brief!r} is given twice", key=brief)
        result[key] = value
    return result


NO_QUERY: Final = FieldTable(noun="query parameter")
"""For requests that take no query parameter."""
