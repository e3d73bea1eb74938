"""Strict reading of a JSON request body.

The REST API refuses what it does not know: a typo in a terminate filter must never widen it. So an unknown key, a
repeated key, null and a value of the wrong type are errors that name the key. Official samples send booleans and
numbers as strings (`{"published": "false"}`), so exactly those texts are taken for the values that they spell, and
whole numbers where a name or an identifier is expected.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from protocol.common.json_bounds import excess
from protocol.common.json_decoding import FieldError, read_name
from protocol.common.suggestions import did_you_mean
from protocol.rest.errors import bad_request

MAX_COUNT = 2**53
"""Largest number read: what every JSON implementation keeps exactly."""

_LONGEST_SHOWN = 64
"""Characters of a foreign key that an error repeats; the search for a similar one is slow on long ones."""


def decode_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`; RestError (400) if it is missing, no JSON, no object or repeats a key at any depth."""
    if not body.strip():
        raise bad_request("the request body is missing: a JSON object is expected")
    value = decode_json(body)
    if not isinstance(value, dict):
        raise bad_request("the request body must be a JSON object")
    return value


def decode_optional_object(body: bytes) -> dict[str, Any]:
    """As `decode_object`, for requests that may come without a body: then the object is empty."""
    return decode_object(body) if body.strip() else {}


def decode_json(body: bytes) -> Any:
    """The JSON value in `body`, UTF-8 with or without a byte order mark; RestError (400) if it is none."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise bad_request("the request body is not UTF-8") from None
    too_much = excess(text)
    if too_much is not None:
        raise bad_request(f"the request body is too much: {too_much}")
    try:
        return json.loads(text, object_pairs_hook=_distinct, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise bad_request(f"the request body is not JSON: {error}") from None
    except ValueError:  # a number of thousands of digits
        raise bad_request("the request body is not JSON of a reasonable size") from None


def refuse_unknown(fields: Iterable[str], known: Iterable[str], *, what: str = "key") -> None:
    """RestError (400) for the first of `fields` that is not known."""
    names = sorted(known)
    for name in fields:
        if name not in names:
            brief = name[:_LONGEST_SHOWN]
            hint = did_you_mean(brief, names)
            allowed = ", ".join(names)
            raise bad_request(f"unknown {what} {brief!r}{hint}; known here: {allowed}", key=brief)


def read_text(fields: Mapping[str, Any], key: str) -> str | None:
    """A string or a whole number, taken as its digits (`json_decoding.read_name`); None where the key is absent."""
    if key not in fields:
        return None
    try:
        return read_name(fields[key])
    except FieldError:
        raise _wrong_type(key, "a string", fields[key]) from None


def read_flag(fields: Mapping[str, Any], key: str) -> bool | None:
    """A boolean or one of the texts `true` and `false`, or None where the key is absent."""
    value = fields.get(key)
    if isinstance(value, bool) or key not in fields:
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise _wrong_type(key, "true or false", value)


def read_texts(fields: Mapping[str, Any], key: str) -> tuple[str, ...] | None:
    """An array of strings or whole numbers, or None where the key is absent."""
    if key not in fields:
        return None
    value = fields[key]
    if not isinstance(value, list):
        raise _wrong_type(key, "an array of strings", value)
    try:
        return tuple(map(read_name, value))
    except FieldError:
        raise bad_request(f"{key} must be an array of strings only", key=key) from None


def read_count(fields: Mapping[str, Any], key: str) -> int | None:
    """A whole number from 0 up, or None where the key is absent.

    Some languages write 5 as `5.0`, others as `"5"`.
    """
    if key not in fields:
        return None
    value = fields[key]
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= len(str(MAX_COUNT)):
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_COUNT:
        raise _wrong_type(key, "a whole number, 0 or more", value)
    return value


def _wrong_type(key: str, wanted: str, value: object) -> Exception:
    if value is None:
        return bad_request(f"{key} must be {wanted}, not null; leave it out to set no condition", key=key)
    return bad_request(f"{key} must be {wanted}", key=key)


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            brief = key[:_LONGEST_SHOWN]
            raise bad_request(f"key {brief!r} is given twice", key=brief)
        result[key] = value
    return result


def _no_constant(name: str) -> Any:
    raise bad_request(f"the request body is not JSON: {name} is no JSON number")
