"""The application table as a file that people can read and edit: TOML, one `[[app]]` per application.

TOML, because the standard library reads it, its errors have line numbers, and the few shapes we write (text and lists
of text) need no library. Every file has `format`, so that a truncated file is not mistaken for a server without
applications.
"""

from typing import Any

from attrs import fields

from config.apps import App, AppError, AppTable
from config.tables.toml_text import TomlFault, line_in_table, parse_toml, quote
from protocol.common.suggestions import did_you_mean

FORMAT = 1

_HEADER = """\
# The applications of this server, managed by `wcs add app`, `wcs update app` and so on.
# Edit this file only while the server is stopped. Comments are not preserved.
"""
_FIELDS = tuple(attribute.name for attribute in fields(App))
_REQUIRED = ("name", "key", "url")
_TEXT_FIELDS = tuple(name for name in _FIELDS if name not in ("methods", "rooms"))
_KEYS = ("format", "shipped", "app")


class AppFileError(AppError):
    """An unusable file of applications: `FILE:LINE: what is wrong`, or without the line where it is not known."""

    def __init__(self, file_name: str, line: int | None, message: str) -> None:
        super().__init__(f"{file_name}: {message}" if line is None else f"{file_name}:{line}: {message}")


def write_apps(table: AppTable) -> str:
    """The table as the text of its file; `read_apps` reads an equal table back."""
    shipped = f"shipped = [{', '.join(map(quote, sorted(table.shipped)))}]\n" if table.shipped else ""
    return "\n".join([f"{_HEADER}format = {FORMAT}\n{shipped}", *map(_write_app, table.apps)])


def _write_app(app: App) -> str:
    lines = ["[[app]]"]
    for name in _TEXT_FIELDS:
        value = getattr(app, name)
        if value is not None:
            lines.append(f"{name} = {quote(value)}")
    if app.rooms:
        lines.append("rooms = true")
    lines += ["methods = [", *(f"    {quote(method)}," for method in app.ordered_methods), "]"]
    return "\n".join(lines) + "\n"


def read_apps(text: str, *, file_name: str) -> AppTable:
    """The table described by the text of a file; AppFileError if any part of it is unusable."""
    try:
        document = parse_toml(text, "a file of applications, which hold text and lists of text")
    except TomlFault as fault:
        raise AppFileError(file_name, fault.line, fault.message) from None
    unknown = next((key for key in document if key not in _KEYS), None)
    if unknown is not None:
        raise AppFileError(file_name, None, f"unknown key {unknown!r}{did_you_mean(unknown, _KEYS)}")
    if document.get("format") != FORMAT:
        raise AppFileError(file_name, None, f"'format = {FORMAT}' is missing: not a whole file of applications")
    entries = document.get("app", [])
    if not isinstance(entries, list):
        raise AppFileError(file_name, None, "applications are written [[app]], with two brackets")
    shipped = document.get("shipped", [])
    if not isinstance(shipped, list) or not all(isinstance(name, str) for name in shipped):
        raise AppFileError(file_name, None, "shipped must be a list of names")
    try:
        apps = tuple(_read_entry(entry, position) for position, entry in enumerate(entries))
        return AppTable(apps, frozenset(shipped))
    except AppError as error:
        line = None if error.position is None else line_in_table(text, "app", error.position, error.field)
        raise AppFileError(file_name, line, str(error)) from None


def read_app(entry: object) -> App:
    """One application as its fields are written. Raises AppError."""
    return App(**_checked_entry(entry))


def _read_entry(entry: object, position: int) -> App:
    try:
        return read_app(entry)
    except AppError as error:
        error.position = position
        raise


def _checked_entry(entry: object) -> dict[str, Any]:
    """The entry, checked to have only known names and values of the right type: the arguments of an App."""
    if not isinstance(entry, dict):
        raise AppError("applications are written [[app]], with two brackets")
    for name in entry:
        if name not in _FIELDS:
            raise AppError(f"unknown key{did_you_mean(name, _FIELDS)}", field=name)
    for name in _REQUIRED:
        if name not in entry:
            raise AppError("is missing", field=name)
    methods = entry.get("methods", [])
    if not isinstance(methods, list) or not all(isinstance(method, str) for method in methods):
        raise AppError("must be a list of names", field="methods")
    return entry | {"methods": frozenset(methods)}
