"""The file of hooks that are kept for later: SQLite, with a write-ahead log.

It holds whole bodies, so it and its companions (`-wal`, `-shm`, which SQLite makes with the same permissions) are the
owner's alone, and what is deleted is overwritten. Nothing here waits for anything but the disk; a caller that must not
wait calls from a thread, one call at a time.

After a kill nothing that was committed is lost. After a power cut the last commits may be, unless `sync` is set.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from attrs import frozen

from protocol.hooks.kept_hook import OVERHEAD, KeptHook
from protocol.hooks.methods import HookMethod

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS hooks (
    number INTEGER PRIMARY KEY, app TEXT NOT NULL, lane TEXT NOT NULL, method TEXT NOT NULL, hook_id TEXT NOT NULL,
    attempts INTEGER NOT NULL, event_time REAL NOT NULL, last INTEGER NOT NULL, content BLOB NOT NULL
);
CREATE INDEX IF NOT EXISTS of_app ON hooks (app, number);
CREATE INDEX IF NOT EXISTS dispensable ON hooks (last, number);
CREATE INDEX IF NOT EXISTS by_time ON hooks (event_time);
"""
_COLUMNS: Final = "number, app, lane, method, hook_id, attempts, event_time, last, content"
_SIZE: Final = f"length(content) + {OVERHEAD}"
_METHODS: Final = ", ".join(f"'{method.value}'" for method in HookMethod)
"""Those that are known here: a later version may have left others."""
FORMAT: Final = 1
NO_ATTEMPTS: Final[Mapping[int, int]] = MappingProxyType({})


class SpoolFileError(Exception):
    """The file cannot be used at present; the text says why."""


@frozen(kw_only=True)
class AppTotals:
    """What is kept for one application."""

    rows: int = 0
    ends: int = 0
    size: int = 0
    oldest: float | None = None
    """When the oldest of them has happened: seconds since the epoch."""


@frozen(kw_only=True)
class RemovedRow:
    """A hook that was removed without having been delivered."""

    number: int
    app_key: str
    lane: str
    last: bool
    size: int

    @classmethod
    def of(cls, hook: KeptHook) -> "RemovedRow":
        return cls(number=hook.number, app_key=hook.app_key, lane=hook.lane, last=hook.last, size=hook.size)


class HookSpoolFile:
    """The file at `path`, opened when it is first needed. `sync`: each commit survives a power cut."""

    def __init__(self, path: Path, *, sync: bool = False) -> None:
        self.path = path
        self._sync = sync
        self._opened: sqlite3.Connection | None = None
        self.was_set_aside = False
        """Whether something else was found in its place, and put away."""

    @property
    def exists(self) -> bool:
        return self.path.exists()

    def close(self) -> None:
        """Close it. It is opened again when it is needed."""
        if self._opened is not None:
            self._opened.close()
            self._opened = None

    def totals(self) -> tuple[dict[str, AppTotals], int]:
        """What it holds, by application, and the highest number so far."""
        with self._using() as database:
            found = database.execute(
                f"SELECT app, count(*), sum(last), sum({_SIZE}), min(event_time) FROM hooks GROUP BY app"  # noqa: S608 - constants
            ).fetchall()
            (highest,) = database.execute("SELECT coalesce(max(number), 0) FROM hooks").fetchone()
        totals = {
            app: AppTotals(rows=rows, ends=ends, size=size, oldest=oldest) for app, rows, ends, size, oldest in found
        }
        return totals, highest

    def write(
        self, added: Iterable[KeptHook], removed: Iterable[int], attempts: Mapping[int, int] = NO_ATTEMPTS
    ) -> None:
        """Add, note how often some have been sent, by their numbers, and then remove, in one transaction."""
        rows = [
            (
                *(hook.number, hook.app_key, hook.lane, hook.method.value, hook.hook_id),
                *(hook.attempts, hook.event_time, hook.last, hook.content),
            )
            for hook in added
        ]
        with self._using() as database:
            database.executemany(f"INSERT OR REPLACE INTO hooks ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?)", rows)  # noqa: S608
            counts = [(count, number) for number, count in attempts.items()]
            database.executemany("UPDATE hooks SET attempts = ? WHERE number = ?", counts)
            database.executemany("DELETE FROM hooks WHERE number = ?", [(number,) for number in removed])

    def page(self, app_key: str, *, after: int, limit: int) -> list[KeptHook]:
        """Hooks of an application, those with a number above `after`, in order."""
        with self._using() as database:
            found = database.execute(
                f"SELECT {_COLUMNS} FROM hooks WHERE app = ? AND number > ? AND method IN ({_METHODS})"  # noqa: S608
                " ORDER BY number LIMIT ?",
                (app_key, after, limit),
            ).fetchall()
        return [_hook(row) for row in found]

    def remove_older(self, before: float) -> list[RemovedRow]:
        """Remove what has happened before that time."""
        return self._remove("event_time < ?", before)

    def remove_app(self, app_key: str) -> list[RemovedRow]:
        """Remove everything of an application."""
        return self._remove("app = ?", app_key)

    def shrink(self, size: int) -> list[RemovedRow]:
        """Remove the oldest until so many bytes are freed; those that report an end go last."""
        removed: list[RemovedRow] = []
        with self._using() as database:
            for last, number, row_size, app, lane in database.execute(
                f"SELECT last, number, {_SIZE}, app, lane FROM hooks ORDER BY last, number"  # noqa: S608
            ):
                if size <= 0:
                    break
                size -= row_size
                removed.append(RemovedRow(number=number, app_key=app, lane=lane, last=bool(last), size=row_size))
            database.executemany("DELETE FROM hooks WHERE number = ?", [(row.number,) for row in removed])
        return removed

    def oldest(self) -> dict[str, float]:
        """When the oldest of each application has happened."""
        query = "SELECT event_time FROM hooks WHERE app = ? ORDER BY number LIMIT 1"
        with self._using() as database:
            keys = [key for (key,) in database.execute("SELECT DISTINCT app FROM hooks")]
            return {key: database.execute(query, (key,)).fetchone()[0] for key in keys}

    def compact(self) -> None:
        """Give the space back, once nothing is kept any more; the write-ahead log is emptied too."""
        with self._using() as database:
            (rows,) = database.execute("SELECT count(*) FROM hooks").fetchone()
        if rows == 0 and self._opened is not None:
            with _explained(self.path):
                self._opened.execute("VACUUM")
                self._opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def _remove(self, condition: str, value: object) -> list[RemovedRow]:
        with self._using() as database:
            found = database.execute(
                f"DELETE FROM hooks WHERE {condition} RETURNING number, app, lane, last, {_SIZE}",  # noqa: S608
                (value,),
            ).fetchall()
        return [
            RemovedRow(number=number, app_key=app, lane=lane, last=bool(last), size=size)
            for number, app, lane, last, size in found
        ]

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        """The open file, in a transaction."""
        with _explained(self.path):
            if self._opened is None:
                self._opened = self._open()
            self._opened.execute("BEGIN IMMEDIATE")
            try:
                yield self._opened
                self._opened.execute("COMMIT")
            except BaseException:
                with contextlib.suppress(sqlite3.Error):
                    self._opened.execute("ROLLBACK")
                raise

    def _open(self) -> sqlite3.Connection:
        try:
            return self._connect()
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):  # such as a full disk: the file is good
                raise
            self.set_aside()
            return self._connect()

    def set_aside(self) -> None:
        """Put a file away that is no spool, under another name, and its companions with it."""
        self.was_set_aside = True
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                self.path.with_name(self.path.name + suffix).rename(f"{self.path}.unreadable{suffix}")

    def _connect(self) -> sqlite3.Connection:
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        self.path.chmod(0o600)
        database = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(f"PRAGMA synchronous = {'FULL' if self._sync else 'NORMAL'}")
            database.execute("PRAGMA secure_delete = ON")
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version not in (0, FORMAT):
                raise sqlite3.DatabaseError(f"it has the format {version}")
            database.executescript(_SCHEMA)
            database.execute(f"PRAGMA user_version = {FORMAT}")
        except BaseException:
            database.close()
            raise
        return database


def _hook(row: Sequence[Any]) -> KeptHook:
    number, app, lane, method, hook_id, attempts, event_time, last, content = row
    return KeptHook(
        number=number,
        app_key=app,
        lane=lane,
        method=HookMethod(method),
        hook_id=hook_id,
        attempts=attempts,
        event_time=event_time,
        last=bool(last),
        content=content,
    )


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise SpoolFileError(f"{path}: {reason or error}") from error
