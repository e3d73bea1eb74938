"""A table that the operator changes, stored in one file of the state folder.

A change is first written, then applied, then acknowledged: the new text goes to a file beside the old one, is synced,
replaces the old one by a rename, and the folder is synced. A server that is killed at any moment finds either the old
table or the new one, and never the old one once it has acknowledged the new one.

Every look-up goes to the store, so a change takes effect at once.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import trio

from actors.storage.atomic_write import write_durably

R = TypeVar("R")
T = TypeVar("T")

MAX_FILE_SIZE = 16 * 1024 * 1024
"""Bytes; a larger file cannot be such a table."""


class TableStoreError(Exception):
    """The file of a table cannot be read or written; the text names the file and the cause."""


class TableStore(Generic[T]):
    """The only owner of a table. `text`: what its file holds; `render`: the text of a table."""

    def __init__(self, path: Path, table: T, text: str | None, render: Callable[[T], str]) -> None:
        self._path = path
        self._table = table
        self._render = render
        self._changing = trio.Lock()
        self.on_change: Callable[[T, T], None] = _nobody
        """Called after each change, with the table before and the one now. It must not raise or wait."""
        self._known = {text}  # what the file holds, if nobody else has touched it

    @property
    def table(self) -> T:
        """The table as of now."""
        return self._table

    async def change(self, change: Callable[[T], tuple[T, R]]) -> R:
        """Replace the table by the one `change` returns, and return its other result.

        When this returns, the change is on disk and in effect. Changes are made one after the other. A table equal to
        the old one is not written. What `change` raises passes through, and nothing changes.
        TableStoreError: the file could not be written, and the old table stays in effect.
        """
        async with self._changing:
            table, result = change(self._table)
            if table != self._table:
                await trio.to_thread.run_sync(self._save, self._render(table))  # not cancelled half-way
                before, self._table = self._table, table
                self.on_change(before, table)
            return result

    def _save(self, text: str) -> None:
        if read_file(self._path) not in {None, *self._known}:
            raise TableStoreError(
                f"{self._path} was edited while the server runs; nothing was changed. "
                "Restart the server to take the edit in, or put the file back"
            )
        if len(text.encode()) > MAX_FILE_SIZE:
            raise TableStoreError(f"{self._path} would be longer than {MAX_FILE_SIZE} bytes; nothing was changed")
        self._known.add(text)  # a failure may come before or after the rename
        try:
            write_file(self._path, text)
        except TableStoreError as error:
            if read_file(self._path) != text:
                raise
            raise TableStoreError(
                f"{error}; nothing was changed yet, but the change is in force after a restart"
            ) from error
        self._known = {text}


def _nobody(before: object, now: object) -> None:
    """Nobody wants to know of changes."""


def resolved(path: Path) -> Path:
    """The target of a symbolic link: a rename would replace the link, not the file."""
    try:
        target = path.resolve()
        leads_to_itself = target.is_symlink()  # from Python 3.13 on; up to 3.12 it is a RuntimeError
    except RuntimeError:
        leads_to_itself = True
    except OSError as error:
        raise TableStoreError(f"cannot read {path}: {error.strerror or error}") from error
    if leads_to_itself:
        raise TableStoreError(f"cannot read {path}: its symbolic link leads nowhere")
    return target


def read_file(path: Path) -> str | None:
    """The text of the file; None if there is none."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_SIZE + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise TableStoreError(f"cannot read {path}: {error.strerror}") from error
    if len(data) > MAX_FILE_SIZE:
        raise TableStoreError(f"cannot read {path}: longer than {MAX_FILE_SIZE} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise TableStoreError(f"{path}:{line}: not UTF-8 text") from None


def write_file(path: Path, text: str) -> None:
    """Replace the file; it is on disk when this returns."""
    try:
        write_durably(path, text.encode())
    except OSError as error:
        raise TableStoreError(f"cannot write {path}: {error.strerror}") from error
