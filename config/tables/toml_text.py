"""Files of tables that people can read and edit: TOML, as far as we write it, and where in a text something is."""

import json
import re
import tomllib
from typing import Any

_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)$")


class TomlFault(ValueError):
    """A text that is not TOML, or not the kind that we write; `line` (from 1) is where, if that is known."""

    def __init__(self, line: int | None, message: str) -> None:
        super().__init__(message)
        self.line = line
        self.message = message


def parse_toml(text: str, expected: str) -> dict[str, Any]:
    """The document. TomlFault for anything else; `expected` says what the file should be, for one that is absurd."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        place = _PLACE.search(message)
        line = len(text.splitlines()) if place is None or place[1] is None else int(place[1])
        raise TomlFault(line, _PLACE.sub("", message)) from None
    except (RecursionError, ValueError):  # nested without end, or a number of thousands of digits
        raise TomlFault(None, f"not {expected}") from None


def quote(text: str) -> str:
    """A TOML basic string. JSON's escapes are a subset of TOML's; the text holds no control characters."""
    return json.dumps(text, ensure_ascii=False)


def line_in_table(text: str, table: str, position: int, field: str | None) -> int | None:
    """The line (from 1) of a field of the `[[table]]` at `position`, or of its header if it has no such field."""
    header_form = re.compile(rf"\s*\[\[\s*{table}\s*\]\]")
    header = None
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith("[["):
            if header is not None:
                break
            if header_form.match(line):
                position -= 1
                header = number if position < 0 else None
        elif header is not None and field is not None and re.match(rf"\s*[\"']?{re.escape(field)}[\"']?\s*=", line):
            return number
    return header
