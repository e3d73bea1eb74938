"""The table of sources that have names as a file that people can read and edit: TOML, like that of the applications."""

from typing import Any

from config.tables.toml_text import TomlFault, line_in_table, parse_toml, quote
from protocol.capture.named_sources import NamedSource, SourceError, SourceTable
from protocol.common.suggestions import did_you_mean

FORMAT = 1

_HEADER = """\
# Cameras and other sources by name, managed by `wcs add source` and so on. There may be passwords in it.
# Edit this file only while the server is stopped. Comments are not preserved.
"""
_KEYS = ("format", "source")
_SOURCE_KEYS = ("name", "uri")


class SourceFileError(SourceError):
    """An unusable file of sources: `FILE:LINE: what is wrong`, or without the line where it is not known."""

    def __init__(self, file_name: str, line: int | None, message: str) -> None:
        super().__init__(f"{file_name}: {message}" if line is None else f"{file_name}:{line}: {message}")


def write_sources(table: SourceTable) -> str:
    """The table as the text of its file; `read_sources` reads an equal table back."""
    sources = (f"[[source]]\nname = {quote(each.name)}\nuri = {quote(each.uri)}\n" for each in table.sources)
    return "\n".join([f"{_HEADER}format = {FORMAT}\n", *sources])


def read_sources(text: str, *, file_name: str) -> SourceTable:
    """The table described by the text of a file; SourceFileError if any part of it is unusable."""
    try:
        document = parse_toml(text, "a file of sources")
    except TomlFault as fault:
        raise SourceFileError(file_name, fault.line, fault.message) from None
    unknown = next((key for key in document if key not in _KEYS), None)
    if unknown is not None:
        raise SourceFileError(file_name, None, f"unknown key {unknown!r}{did_you_mean(unknown, _KEYS)}")
    if document.get("format") != FORMAT:
        raise SourceFileError(file_name, None, f"'format = {FORMAT}' is missing: not a whole file of sources")
    try:
        return SourceTable(_read_entries(document.get("source", [])))
    except SourceError as error:
        line = None if error.entry is None else line_in_table(text, *error.entry, error.field)
        raise SourceFileError(file_name, line, str(error)) from None


def _read_entries(entries: Any) -> tuple[NamedSource, ...]:
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise SourceError("sources are written [[source]], with two brackets")
    found: list[NamedSource] = []
    for index, entry in enumerate(entries):
        try:
            for key in entry:
                if key not in _SOURCE_KEYS:
                    raise SourceError(f"unknown key{did_you_mean(key, _SOURCE_KEYS)}", field=key)
            for key in _SOURCE_KEYS:
                if key not in entry:
                    raise SourceError("is missing", field=key)
            found.append(NamedSource(**entry))
        except SourceError as error:
            error.entry = ("source", index)
            raise
    return tuple(found)
