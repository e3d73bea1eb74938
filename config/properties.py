"""Java properties syntax: text in, entries with line numbers out.

The format is that of `java.util.Properties.load`, which WCS uses for `flashphoner.properties`:
comments begin with `#` or `!`; `=`, `:` or blanks separate key and value; a line that ends in an odd number of
backslashes goes on in the next; `\\t \\n \\r \\f \\uXXXX` are escapes and any other `\\c` is `c`.
Unlike Java, values are trimmed at both ends and a wrong escape is a fault of that one line.
"""

import re
from collections.abc import Iterator

from attrs import frozen

_BLANKS = " \t\f"
_LINE_END = re.compile(r"\r\n|\n|\r")
_KEY = re.compile(r"(?:\\.|[^\\=: \t\f])*", re.DOTALL)
_SEPARATOR = re.compile(r"[ \t\f]*[=:]?[ \t\f]*")
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|u|.|$)", re.DOTALL)
_SURROGATE_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}


@frozen(kw_only=True)
class Entry:
    """One `key = value`.

    `line` counts from 1 and is the line of the key. `heading` is everything before the first `=` or `:`: for
    `rest request timeout=15` the key is `rest`, but the author meant the heading.
    """

    key: str
    value: str
    line: int
    heading: str


@frozen(kw_only=True)
class BadLine:
    """A line that is not properties syntax."""

    line: int
    message: str


def parse(text: str) -> tuple[Entry | BadLine, ...]:
    """Parse a whole file: one item per logical line, in order."""
    return tuple(_read(line, content) for line, content in _logical_lines(text))


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Join continued lines; skip comments and blank lines."""
    lines = iter(enumerate(_LINE_END.split(text), start=1))
    for number, natural in lines:
        content = natural.lstrip(_BLANKS)
        if not content or content[0] in "#!":
            continue
        while _is_continued(content):
            _, following = next(lines, (0, ""))
            content = content[:-1] + following.lstrip(_BLANKS)
        yield number, content


def _is_continued(content: str) -> bool:
    backslashes = len(content) - len(content.rstrip("\\"))
    return backslashes % 2 == 1


def _read(line: int, content: str) -> Entry | BadLine:
    key = _matched(_KEY, content, 0)
    separator = _matched(_SEPARATOR, content, len(key))
    heading = key if separator.strip(_BLANKS) else re.split("[=:]", content, maxsplit=1)[0].strip()
    try:
        return Entry(
            key=_unescape(key),
            value=_unescape(content[len(key) + len(separator) :]).strip(),
            line=line,
            heading=heading,
        )
    except ValueError as error:
        return BadLine(line=line, message=str(error))


def _matched(pattern: re.Pattern[str], content: str, start: int) -> str:
    found = pattern.match(content, start)
    return found.group() if found else ""


def _unescape(raw: str) -> str:
    text = _SURROGATE_PAIR.sub(_joined, _ESCAPE.sub(_unescaped, raw))
    if _SURROGATE.search(text):
        raise ValueError("half of a surrogate pair is not a character; \\uD83D\\uDE00, say, is written as two escapes")
    return text


def _unescaped(found: re.Match[str]) -> str:
    escape = found.group(1)
    if escape == "u":
        raise ValueError("\\u must be followed by four hexadecimal digits")
    if len(escape) == 5:
        return chr(int(escape[1:], 16))
    return _CONTROL_ESCAPES.get(escape, escape)


def _joined(pair: re.Match[str]) -> str:
    return pair.group().encode("utf-16", "surrogatepass").decode("utf-16")
