"""Reads JSON request bodies strictly: a duplicate key is an error, because one of the two values would be lost."""

import json
from typing import Any

from protocol.common.json_bounds import excess
from protocol.rest.errors import bad_request
from protocol.rest.fields import distinct


def decode_object(body: bytes) -> dict[str, Any]:
    """The JSON object in `body`. RestError (400) if it is missing, not a JSON object, or repeats a key at any depth."""
    if not body.strip():
        raise bad_request("the request body is missing: a JSON object is expected")
    value = decode_json(body)
    if not isinstance(value, dict):
        raise bad_request("the request body must be a JSON object")
    return value


def decode_optional_object(body: bytes) -> dict[str, Any]:
    """Like `decode_object`, for requests whose body is optional: without one, the object is empty."""
    return decode_object(body) if body else {}


def decode_json(body: bytes) -> Any:
    """The JSON value in `body`, in UTF-8 with or without a byte order mark. RestError (400) if it is not JSON."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise bad_request("the request body is not UTF-8") from None
    too_much = excess(text)
    if too_much is not None:
        raise bad_request(f"the request body is too much: {too_much}")
    try:
        return json.loads(text, object_pairs_hook=lambda pairs: distinct(pairs, "key"), parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise bad_request(f"the request body is not JSON: {error}") from None
    except ValueError:  # a number with thousands of digits
        raise bad_request("the request body is not JSON of a reasonable size") from None


def _no_constant(name: str) -> Any:
    raise bad_request(f"the request body is not JSON: {name} is no JSON number")
