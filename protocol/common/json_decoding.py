"""Remote JSON into typed values, strictly: text -> JSON -> attrs classes, with one error type.

cattrs does the structuring; its default hooks would turn 5 into "5" and "false" into True, so every scalar has a
strict hook here. Names on the wire are camelCase. A null means an absent field, and unknown keys are ignored; requests
that must refuse them, because a typo would widen their effect, are read by `protocol.rest.fields`.
"""

import json
import math
import re
from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cache
from types import GenericAlias, MappingProxyType
from typing import Annotated, Any, Final, TypeVar, get_args, get_origin

import attrs
from cattrs import (
    BaseValidationError,
    ClassValidationError,
    Converter,
    IterableValidationError,
)
from cattrs.gen import make_dict_structure_fn, override

from protocol.common.errors import ProtocolError
from protocol.common.json_bounds import MAX_ELEMENTS, excess

MAX_ITEMS: Final = 64
"""How many items an array field may have. All of them are checked, and each may be faulty."""

MAX_FAULTS: Final = 8
"""How many faults the text of an error names."""

MAX_INTEGER: Final = 2**53 - 1
"""The largest integer that every JSON implementation keeps exactly (RFC 8259 section 6)."""

MAX_COUNT: Final = 2**31 - 1

LOCAL: Final[Mapping[str, Any]] = MappingProxyType({"local": True})
"""attrs metadata of a field that never comes from the wire."""

DECISIVE: Final[Mapping[str, Any]] = MappingProxyType({"decisive": True})
"""attrs metadata of a field that identifies or decides something: a fault in it is never ignored."""

Path = tuple[str | int, ...]
T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Fault:
    """One thing wrong with a value: where (wire names and indexes from the root) and what, never the value itself."""

    path: Path
    reason: str
    missing: bool = False

    def __str__(self) -> str:
        steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return f"{self.reason} @ ${''.join(steps)}"


class DecodeError(ProtocolError):
    """What the remote side sent does not have the required shape; `faults` has at least one, in field order."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(map(str, faults[:MAX_FAULTS])))
        self.faults = faults


class FieldError(ValueError):
    """Raised by a structure hook for a value of the wrong type or range. Its text becomes a fault's reason.

    `missing` says that the value counts as absent (an empty identifier).
    """

    def __init__(self, reason: str, *, missing: bool = False) -> None:
        super().__init__(reason)
        self.missing = missing


# --- names ---------------------------------------------------------------------------------------------------------

_WIRE_NAMES = {"client_os_version": "clientOSVersion"}


@cache
def wire_name(name: str) -> str:
    """The camelCase name of a snake_case field, as the protocol spells it."""
    head, *rest = name.split("_")
    return _WIRE_NAMES.get(name) or head + "".join(part.capitalize() for part in rest)


# --- JSON ----------------------------------------------------------------------------------------------------------

_SURROGATE = re.compile(r"[\ud800-\udfff]")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise FieldError("number out of range")
    return number


def _refuse_constant(name: str) -> float:
    raise FieldError(f"{name} is not JSON")


_JSON = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse_constant)


def parse_json(text: str, *, max_elements: int = MAX_ELEMENTS) -> Any:
    """JSON text as Python values that are safe to keep and to write again; or DecodeError.

    Refused: more than `max_elements` values and keys or nesting beyond MAX_DEPTH, before anything is built; NaN,
    infinities, numbers beyond a double or longer than 4300 digits. The last of duplicate keys wins. Lone surrogates,
    which JavaScript makes by cutting a string inside an emoji, become U+FFFD: they could not be encoded as UTF-8 later.
    """
    too_much = excess(text, max_elements=max_elements)
    if too_much is not None:
        raise DecodeError(Fault(path=(), reason=too_much))
    try:
        value = _JSON.decode(text)
    except ValueError as error:
        # The one other ValueError is Python's limit of 4300 digits, which speaks of Python's own settings.
        known = isinstance(error, (json.JSONDecodeError, FieldError))
        reason = f"not JSON: {error}" if known else "integer too long"
        raise DecodeError(Fault(path=(), reason=reason)) from None
    return _without_surrogates(value) if _may_hold_surrogates(text) else value


def _may_hold_surrogates(text: str) -> bool:
    escaped = "\\ud" in text or "\\uD" in text
    return escaped or (not text.isascii() and _SURROGATE.search(text) is not None)


def _without_surrogates(value: Any) -> Any:
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


# --- scalars -------------------------------------------------------------------------------------------------------


@attrs.frozen
class Length:
    """Annotation of a `str`: how many characters it may have."""

    at_least: int = 0
    at_most: int | None = None


@attrs.frozen
class AlsoNumber:
    """Annotation of a `str` that names something: pages and backends also send a whole number (see `read_name`)."""


@attrs.frozen
class AlsoText:
    """Annotation of an `int` that also comes as decimal text, because pages pass on what an input field holds."""


Count = Annotated[int, AlsoText()]
"""An integer from 0 to MAX_COUNT, as a number or as decimal text."""


def _text(value: Any, _: Any = None) -> str:
    if not isinstance(value, str):
        raise FieldError("expected a string")
    return value


def read_name(value: Any) -> str:
    """A name or identifier: text, or a whole number, read as its decimal digits. FieldError for anything else.

    One rule for pages, REST and backends: loosely typed code stores the room 101 as a number, and some languages write
    that as `101.0`, which is the same number in JSON. No other type is accepted as a name, nor treated as an absent
    one, which could allow what the name would have forbidden.
    """
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) <= MAX_INTEGER:
        return str(value)
    return _text(value)


def _boolean(value: Any, _: Any) -> bool:
    if not isinstance(value, bool):
        raise FieldError("expected true or false")
    return value


def _integer(value: Any, _: Any = None) -> int:
    if isinstance(value, bool) or not (isinstance(value, int) or (isinstance(value, float) and value.is_integer())):
        raise FieldError("expected an integer")
    if abs(value) > MAX_INTEGER:
        raise FieldError("integer out of range")
    return int(value)


def _number(value: Any, _: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise FieldError("expected a number")
    if not abs(value) <= MAX_INTEGER:  # not `>`: NaN must not get through
        raise FieldError("number out of range")
    return float(value)


def _count(value: Any, _: Any) -> int:
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value):
        value = int(value)
    number = _integer(value)
    if not 0 <= number <= MAX_COUNT:
        raise FieldError(f"expected an integer from 0 to {MAX_COUNT}")
    return number


def _annotation(type_: Any, kind: type[T]) -> T | None:
    """The annotation of class `kind` in `Annotated[...]`, if the type has one."""
    if get_origin(type_) is not Annotated:
        return None
    return next((item for item in get_args(type_)[1:] if isinstance(item, kind)), None)


def _bounded_text(value: Any, type_: Any) -> str:
    text = _text(value) if _annotation(type_, AlsoNumber) is None else read_name(value)
    length = _annotation(type_, Length) or Length()
    if len(text) < length.at_least:
        raise FieldError(
            "must not be empty" if not text else f"shorter than {length.at_least} characters", missing=not text
        )
    if length.at_most is not None and len(text) > length.at_most:
        raise FieldError(f"longer than {length.at_most} characters")
    return text


def _member(value: Any, type_: type[StrEnum]) -> StrEnum:
    text = _text(value)
    try:
        return type_(text)
    except ValueError:
        raise FieldError(f"expected one of {', '.join(type_)}") from None


# --- structures ----------------------------------------------------------------------------------------------------


class Decoder:
    """Structures JSON values into attrs classes.

    Field types: the scalars, StrEnum, `Annotated` ones of this module, attrs classes, `tuple[T, ...]`, `T | None`, Any.
    """

    def __init__(self) -> None:
        self._converter = _strict_converter()

    def structure(self, value: Any, cls: type[T], *, path: Path = ()) -> T:
        """`value` as `cls`, or DecodeError with every fault, its place given from `path` on."""
        try:
            return self._converter.structure(value, cls)
        except (BaseValidationError, FieldError) as error:
            raise DecodeError(*_faults(error, path)) from None

    def structure_tolerantly(self, value: Mapping[str, Any], cls: type[T], *, path: Path = ()) -> tuple[T, list[Fault]]:
        """`value` as `cls`, and what was ignored: a faulty field that has a default, and is not DECISIVE, is absent.

        DecodeError names the other faulty fields.
        """
        try:
            return self.structure(value, cls, path=path), []
        except DecodeError as error:
            faults = error.faults
        grave = [fault for fault in faults if len(fault.path) <= len(path) or fault.path[len(path)] in _required(cls)]
        if grave:
            raise DecodeError(*grave)
        ignored = {fault.path[len(path)] for fault in faults}
        rest = {key: item for key, item in value.items() if key not in ignored}
        return self.structure(rest, cls, path=path), list(faults)


def _required(cls: type[Any]) -> frozenset[str]:
    return frozenset(
        wire_name(field.name)
        for field in attrs.fields(cls)
        if field.default is attrs.NOTHING or "decisive" in field.metadata
    )


def _strict_converter() -> Converter:
    converter = Converter(detailed_validation=True)
    scalars: dict[type, Callable[[Any, Any], Any]] = {
        str: _text,
        bool: _boolean,
        int: _integer,
        float: _number,
        StrEnum: _member,
    }
    for type_, hook in scalars.items():
        converter.register_structure_hook(type_, hook)
    converter.register_structure_hook_func(lambda type_: _annotation(type_, AlsoText) is not None, _count)
    converter.register_structure_hook_func(lambda type_: _annotation(type_, Length) is not None, _bounded_text)
    converter.register_structure_hook_factory(_is_tuple_of_one_type, lambda type_: _tuple_hook(converter, type_))
    converter.register_structure_hook_factory(attrs.has, lambda cls: _class_hook(converter, cls))
    return converter


def _is_tuple_of_one_type(type_: Any) -> bool:
    return get_origin(type_) is tuple and get_args(type_)[1:] == (...,)


def _tuple_hook(converter: Converter, type_: Any) -> Callable[[Any, Any], tuple[Any, ...]]:
    as_list: Any = GenericAlias(list, (get_args(type_)[0],))

    def structure(value: Any, _: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise FieldError("expected an array")
        if len(value) > MAX_ITEMS:
            raise FieldError(f"more than {MAX_ITEMS} items")
        return tuple(converter.structure(value, as_list))

    return structure


def _class_hook(converter: Converter, cls: type[Any]) -> Callable[[Any, Any], Any]:
    names: dict[str, Any] = {
        field.name: override(rename=wire_name(field.name), omit="local" in field.metadata)
        for field in attrs.fields(cls)
    }
    generated = make_dict_structure_fn(cls, converter, **names)
    known = tuple(wire_name(field.name) for field in attrs.fields(cls))

    def structure(value: Any, type_: Any) -> Any:
        if not isinstance(value, dict):
            raise FieldError("expected an object")
        # Unused keys cost nothing.
        return generated({key: value[key] for key in known if value.get(key) is not None}, type_)

    return structure


def _faults(error: Exception, path: Path) -> list[Fault]:
    """The tree of cattrs' errors as a flat list."""
    match error:
        case ClassValidationError() | IterableValidationError():
            noted, plain = error.group_exceptions()
            inner = [fault for child, note in noted for fault in _faults(child, (*path, _step(note)))]
            return inner + [fault for child in plain for fault in _faults(child, path)]
        case KeyError():
            return [Fault(path=path, reason="required field missing", missing=True)]
        case FieldError():
            return [Fault(path=path, reason=str(error), missing=error.missing)]
    raise error  # not a fault of the remote side: a bug in a hook


def _step(note: Any) -> str | int:
    """Where cattrs' note points: a field's wire name, an index or a key."""
    return wire_name(note.name) if hasattr(note, "name") else note.index
