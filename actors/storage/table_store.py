"""A table that the operator changes, stored in one file of the state folder.

A change is first written, then applied, then acknowledged: the new text goes to a file beside the old one, is synced,
replaces the old one by a rename, and the folder is synced. A server that is killed at any moment finds either the old
table or the new one, and never the old one once it has acknowledged the new one.

Every look-up goes to the store, so a change takes effect at once.
"""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Generic, TypeVar

import trio

from actors.storage.atomic_write import write_durably
from actors.storage.remedies import remedy_for

R = TypeVar("R")
T = TypeVar("T")

MAX_FILE_SIZE = 16 * 1024 * 1024
"""Bytes; a larger file cannot be such a table."""
MOST_ATTEMPTS = 20
"""Of a change, while other nodes of a cluster change the same table."""


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
        self.share: Callable[[T, T], Awaitable[T | None]] | None = None
        """In a cluster: makes a change (before, after) known to the other nodes, or returns the table as they have
        changed it meanwhile."""
        self.is_kept = True
        """Whether the file has the table; else the next `adopt` writes it again."""
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
                table, result = await self._shared(change, table, result)
                await self._keep(table)
            return result

    async def adopt(self, make: Callable[[T], T]) -> None:
        """Replace the table by what the other nodes have. TableStoreError: it is in force, but not kept."""
        async with self._changing:
            table = make(self._table)
            if table != self._table or not self.is_kept:
                self.is_kept = False
                await self._keep(table)

    async def _shared(self, change: Callable[[T], tuple[T, R]], table: T, result: R) -> tuple[T, R]:
        """The change as all nodes have it. It is made again on what another node has changed meanwhile."""
        if self.share is None:
            return table, result
        await trio.to_thread.run_sync(self._check_untouched)
        self.is_kept = False
        for _ in range(MOST_ATTEMPTS):
            newer = await self.share(self._table, table)
            if newer is None:
                return table, result
            self._apply(newer)
            table, result = change(newer)
            if table == newer:
                return table, result
        raise TableStoreError(f"nothing was changed: other nodes change {self._path.name} all the time; try again")

    async def _keep(self, table: T) -> None:
        if self.share is not None:
            self._apply(table)  # the other nodes have it, whatever becomes of the file
        try:
            await trio.to_thread.run_sync(self._save, self._render(table))  # not cancelled half-way
        except TableStoreError as error:
            if self.share is None:
                raise
            raise TableStoreError(
                f"{error}. The change is in force on all nodes, but this one has not kept it"
            ) from error
        self.is_kept = True
        self._apply(table)

    def _apply(self, table: T) -> None:
        if table != self._table:
            before, self._table = self._table, table
            self.on_change(before, table)

    def _check_untouched(self) -> None:
        if read_file(self._path) not in {None, *self._known}:
            raise TableStoreError(
                f"{self._path} was edited while the server runs; nothing was changed. "
                "Restart the server to take the edit in, or put the file back"
            )

    def _save(self, text: str) -> None:
        self._check_untouched()
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
        raise TableStoreError(f"cannot read {path}: {error.strerror or error}{remedy_for(error)}") from error
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
        raise TableStoreError(f"cannot read {path}: {error.strerror}{remedy_for(error)}") from error
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
        raise TableStoreError(f"cannot write {path}: {error.strerror}{remedy_for(error)}") from error
