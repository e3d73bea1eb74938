"""Formats rows of named values as text for people. Standard library only: the client imports it."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

GAP = "  "


def render(rows: Sequence[Mapping[str, Any]], width: int | None) -> Iterator[str]:
    """The lines of a table, never wrapped or cut if `width` is None (no terminal).

    A table wider than `width` columns is transposed: one block per row, one line per value, long lists folded between
    their items. A table of one column is a plain list without a heading.
    """
    if not rows:
        return
    columns = list(rows[0])
    cells = [[_text(row.get(column)) for column in columns] for row in rows]
    if len(columns) > 1:
        cells.insert(0, [_heading(column) for column in columns])
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    if width is not None and len(columns) > 1 and sum(widths) + len(GAP) * (len(widths) - 1) > width:
        yield from _render_blocks(columns, cells[1:], width)
        return
    for line in cells:
        yield GAP.join(cell.ljust(size) for cell, size in zip(line, widths, strict=True)).rstrip()


def _render_blocks(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> Iterator[str]:
    margin = max(len(column) for column in columns) + len(GAP)
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
            )


def _heading(column: str) -> str:
    return column.replace("_", " ").upper()


def _text(value: object) -> str:
    """A value as people write it; `-` for nothing."""
    match value:
        case None | "" | []:
            return "-"
        case bool():
            return "yes" if value else "no"
        case [*items]:
            return ", ".join(map(_text, items))
        case _:
            return str(value)
