"""The application table, stored in one file of the state folder.

A change is first written, then applied, then acknowledged: the new text goes to a file beside the old one, is synced,
replaces the old one by a rename, and the folder is synced. A server that is killed at any moment finds either the old
table or the new one, and never the old one once it has acknowledged the new one.

Every look-up of an application goes to this store, so a change takes effect at once.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import trio

from actors.storage.atomic_write import write_durably
from config.apps import App, AppTable, default_table
from config.apps_file import AppFileError, read_apps, write_apps

R = TypeVar("R")

MAX_FILE_SIZE = 16 * 1024 * 1024
"""Bytes; a larger file cannot be a table of applications."""


class AppStoreError(Exception):
    """The file of applications cannot be read or written; the text names the file and the cause."""


class AppStore:
    """The only owner of the application table. Create it with `open_app_store`."""

    def __init__(self, path: Path, table: AppTable, text: str) -> None:
        self._path = path
        self._table = table
        self._changing = trio.Lock()
        self._known = {text}  # what the file holds, if nobody else has touched it

    @property
    def table(self) -> AppTable:
        """All applications as of now."""
        return self._table

    def by_key(self, key: str) -> App | None:
        """The application that a client means by `key`, as of now."""
        return self._table.by_key(key)

    async def change(self, change: Callable[[AppTable], tuple[AppTable, R]]) -> R:
        """Replace the table by the one `change` returns, and return its other result.

        When this returns, the change is on disk and in effect. Changes are made one after the other. A table equal to
        the old one is not written. What `change` raises passes through, and nothing changes.
        AppStoreError: the file could not be written, and the old table stays in effect.
        """
        async with self._changing:
            table, result = change(self._table)
            if table != self._table:
                await trio.to_thread.run_sync(self._save, write_apps(table))  # not cancelled half-way
                self._table = table
            return result

    def _save(self, text: str) -> None:
        if _read(self._path) not in {None, *self._known}:
            raise AppStoreError(
                f"{self._path} was edited while the server runs; nothing was changed. "
                "Restart the server to take the edit in, or put the file back"
            )
        if len(text.encode()) > MAX_FILE_SIZE:
            raise AppStoreError(f"{self._path} would be longer than {MAX_FILE_SIZE} bytes; nothing was changed")
        self._known.add(text)  # a failure may come before or after the rename
        try:
            _write(self._path, text)
        except AppStoreError as error:
            if _read(self._path) != text:
                raise
            raise AppStoreError(
                f"{error}; nothing was changed yet, but the change is in force after a restart"
            ) from error
        self._known = {text}


def open_app_store(path: Path) -> AppStore:
    """The store for the file at `path`; a missing file is created with the default table.

    Raises AppFileError for a file that is not a valid table, AppStoreError for one that cannot be read or created.
    """
    path = _resolved(path)
    text = _read(path)
    if text is None:
        text = write_apps(default_table())
        _write(path, text)
    return AppStore(path, read_apps(text, file_name=str(path)), text)


def read_app_file(path: Path) -> AppTable | None:
    """The table in the file at `path`; None if there is no file. Raises like `open_app_store`, and changes nothing."""
    text = _read(_resolved(path))
    return None if text is None else read_apps(text, file_name=str(path))


def _resolved(path: Path) -> Path:
    """The target of a symbolic link: a rename would replace the link, not the file."""
    try:
        resolved = path.resolve()
        leads_to_itself = resolved.is_symlink()  # from Python 3.13 on; up to 3.12 it is a RuntimeError
    except (OSError, RuntimeError):
        leads_to_itself = True
    if leads_to_itself:
        raise AppStoreError(f"cannot read {path}: its symbolic link leads nowhere")
    return resolved


def _read(path: Path) -> str | None:
    """The text of the file; None if there is none."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_SIZE + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AppStoreError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > MAX_FILE_SIZE:
        raise AppStoreError(f"cannot read {path}: longer than {MAX_FILE_SIZE} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise AppFileError(str(path), line, "not UTF-8 text") from None


def _write(path: Path, text: str) -> None:
    try:
        write_durably(path, text.encode())
    except OSError as error:
        raise AppStoreError(f"cannot write {path}: {error.strerror}") from error
