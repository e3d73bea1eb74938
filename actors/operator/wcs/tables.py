"""Formats rows of named values as text for people. Standard library only: the client imports it.

Names come from strangers: whatever a terminal could take for a command is shown as an escape, such as `\\x1b`.
"""

import re
import textwrap
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

GAP = "  "
LONGEST_CUT = 36
"""Characters of a cell that is cut: a UUID is shown whole."""
_PLAIN = re.compile(r"[^\s\"=]+")
_WORD_START = re.compile(r"(?<=[a-z])(?=[A-Z])")


def render(rows: Sequence[Mapping[str, Any]], width: int | None, *, cuts: bool = False) -> Iterator[str]:
    """The lines of a table, never wrapped or cut if `width` is None (no terminal).

    A table wider than `width` columns is transposed: one block per row, one line per value, long lists folded between
    their items. If `cuts`, long cells are cut first, which may suffice. A table of one column is a plain list without a
    heading.
    """
    if not rows:
        return
    columns = list(rows[0])
    cells = [[_text(row.get(column)) for column in columns] for row in rows]
    headings = [[_heading(column) for column in columns]] if len(columns) > 1 else []
    for shown in (cells, [[_cut(cell) for cell in line] for line in cells] if cuts else cells):
        widths = [max(map(_width, column)) for column in zip(*headings, *shown, strict=True)]
        if width is None or not headings or sum(widths) + len(GAP) * (len(widths) - 1) <= width:
            yield from (_line(line, widths) for line in [*headings, *shown])
            return
    yield from _render_blocks(columns, cells, width or 0)


def render_lines(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A line for each row: its first two values, and the others by name, in quotes where they hold blanks."""
    for row in rows:
        (_, first), (_, second), *others = row.items()
        named = [f"{name}={_quoted(_text(value))}" for name, value in others if value is not None]
        yield " ".join([_text(first), _text(second), *named])


def _quoted(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    inside = text.replace("\\", r"\\").replace('"', r"\"")
    return f'"{inside}"'


def printable(text: str) -> str:
    """The text with everything but printable characters and line ends escaped."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() or each == "\n" else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode()


def _width(text: str) -> int:
    """The columns of a terminal that the text takes."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(each) else 1 + (unicodedata.east_asian_width(each) in "WF") for each in text)


def _cut(cell: str) -> str:
    return cell if len(cell) <= LONGEST_CUT else f"{cell[: LONGEST_CUT - 3]}..."


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = (cell + " " * (size - _width(cell)) for cell, size in zip(cells, widths, strict=True))
    return GAP.join(padded).rstrip()


def _render_blocks(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    margin = max(len(_heading(column)) for column in columns) + len(GAP)
    for number, row in enumerate(rows):
        if number:
            yield ""
        for column, cell in zip(columns, row, strict=True):
            label = _heading(column).ljust(margin)
            yield from textwrap.wrap(
                cell,
                max(width, margin + 20),
                initial_indent=label,
                subsequent_indent=" " * margin,
                break_long_words=False,
                break_on_hyphens=False,
            ) or [label.rstrip()]


def _heading(column: str) -> str:
    return _WORD_START.sub(" ", column).replace("_", " ").upper()


def _text(value: object) -> str:
    """A value as people write it; `-` for nothing. On one line."""
    match value:
        case None | "" | []:
            return "-"
        case bool():
            return "yes" if value else "no"
        case [*items]:
            return ", ".join(map(_text, items))
        case dict():
            return " ".join(f"{name}={_text(each)}" for name, each in value.items())
        case _:
            return printable(str(value)).replace("\n", "\\n")
