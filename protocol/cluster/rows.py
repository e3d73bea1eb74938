"""The tables that all nodes share, row by row, as one node has them.

A row is a text under a key of a table. Its version is Redis's clock in ms when it was written, or one more than the
version before; of two versions of a row the higher one counts on every node. So rows may come in any order and again,
and what a node writes while Redis is away is merged with what the others write. A removed row is kept as a tombstone
for TOMBSTONE_DAYS.

    unsent    changed here, and Redis has not acknowledged it: a change while it was away, or everything after it lost
              its data
    place     of the last change that was read: each change has a later place, whatever its version
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Final

from attrs import evolve, frozen

NEVER_SHARED: Final = 0
"""The version of a row that no registry knows of: any other one counts more."""
MOST_ROWS_AT_ONCE: Final = 500
"""Rows in one message to or from Redis."""
MAX_ROW: Final = 2 * 1024 * 1024
"""Characters of a row; a longer one is not taken in."""
TOMBSTONE_DAYS: Final = 30
TOMBSTONE_MS: Final = TOMBSTONE_DAYS * 86_400_000


@frozen(kw_only=True)
class SharedRow:
    """One row. `text`: None if it has been removed. `expires`: in ms of Redis's clock; 0: never."""

    text: str | None
    version: int = NEVER_SHARED
    expires: int = 0

    def counts_more_than(self, other: "SharedRow | None") -> bool:
        """Whether this one replaces the other. Of two equal versions, which only a fault can make, the larger text."""
        if other is None or self.version != other.version:
            return other is None or self.version > other.version
        return self.version != NEVER_SHARED and (self.text or "") > (other.text or "")


@frozen
class RowName:
    """Which row."""

    table: str
    key: str


@frozen(kw_only=True)
class RowPage:
    """What Redis tells of the changes after a place. `boot`: see `protocol.cluster.members.Beat`."""

    boot: str
    rows: tuple[tuple[RowName, SharedRow], ...] = ()
    place: int = 0
    """Of the last row here."""
    is_last: bool = True
    faulty: tuple[RowName, ...] = ()
    """Rows that cannot be understood. Who has one of them writes it again."""


@frozen(kw_only=True)
class KnownRow:
    """What a node remembers of a row over a restart. `digest`: of its text; None if it has been removed."""

    version: int
    digest: str | None


Known = Mapping[RowName, KnownRow]


def differences(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str | None]:
    """What has to be written to get from one table to the other; None: removed."""
    changed: dict[str, str | None] = {key: text for key, text in after.items() if before.get(key) != text}
    changed.update({key: None for key in before if key not in after})
    return changed


def text_digest(text: str) -> str:
    """By which a node sees that a row was edited while it did not run."""
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]


class RowCopy:
    """See above."""

    def __init__(self) -> None:
        self.boot: str | None = None
        self.place = 0
        self._rows: dict[str, dict[str, SharedRow]] = {}
        self._unsent: dict[RowName, None] = {}

    # -- looking -----------------------------------------------------------------------------------

    def row(self, name: RowName) -> SharedRow | None:
        return self._rows.get(name.table, {}).get(name.key)

    def text(self, name: RowName, now_ms: float) -> str | None:
        """The text of a row that is there now."""
        row = self.row(name)
        return None if row is None or _is_over(row, now_ms) else row.text

    def texts(self, table: str, now_ms: float) -> dict[str, str]:
        """Every row of a table that is there, those with the lowest versions first."""
        rows = sorted(self._rows.get(table, {}).items(), key=lambda item: item[1].version)
        return {key: row.text for key, row in rows if row.text is not None and not _is_over(row, now_ms)}

    @property
    def unsent(self) -> int:
        return len(self._unsent)

    def has_unsent(self, table: str) -> bool:
        return any(name.table == table for name in self._unsent)

    def batch(self) -> list[tuple[RowName, SharedRow]]:
        """The next rows to send."""
        names = islice(self._unsent, MOST_ROWS_AT_ONCE)
        return [(name, row) for name in names if (row := self.row(name)) is not None]

    # -- changing ----------------------------------------------------------------------------------

    def begin(
        self, table: str, texts: Mapping[str, str], known: Known, now_ms: float, *, expiry: Mapping[str, int]
    ) -> None:
        """The table as it was found at the start: what was edited since `known` was written counts as changed now.

        `expiry`: when rows expire, by key, for those that do.
        """
        for key, text in texts.items():
            version = _version_of(text, known.get(RowName(table, key)), now_ms)
            row = SharedRow(text=text, version=version, expires=expiry.get(key, 0))
            self._put(RowName(table, key), row, is_sent=False)
        for name, remembered in known.items():
            if name.table == table and name.key not in texts:
                before = remembered.version
                version = before if remembered.digest is None else _after(before, now_ms)
                self._put(name, SharedRow(text=None, version=version), is_sent=False)

    def change(self, name: RowName, text: str | None, now_ms: float, *, expires: int = 0) -> None:
        """Changed here; to be sent."""
        before = self.row(name)
        version = _after(NEVER_SHARED if before is None else before.version, now_ms)
        self._put(name, SharedRow(text=text, version=version, expires=expires), is_sent=False)

    def confirm(self, name: RowName, row: SharedRow) -> None:
        """Changed here, and Redis has it with this version."""
        if row.counts_more_than(self.row(name)):
            self._put(name, row, is_sent=True)

    def take_in(self, page: RowPage) -> set[str]:
        """What others have changed; the names of the tables that differ from before."""
        differing = set()
        for name, row in page.rows:
            before = self.row(name)
            if len(row.text or "") <= MAX_ROW and row.counts_more_than(before):
                self._put(name, row, is_sent=True)
                if (None if before is None else before.text) != row.text:
                    differing.add(name.table)
            elif before is not None and (before.version, before.text) == (row.version, row.text):
                self._unsent.pop(name, None)
        for name in page.faulty:
            if self.row(name) is not None:
                self._unsent[name] = None
        self.place = max(self.place, page.place)
        return differing

    def acknowledge(self, batch: Iterable[tuple[RowName, SharedRow]]) -> None:
        """Redis has these, or newer ones that are still to be read."""
        for name, row in batch:
            if self.row(name) == row:
                self._unsent.pop(name, None)

    def distrust(self) -> None:
        """Redis may have lost anything: write all again, and read all."""
        self.place, self.boot = 0, None
        self._unsent = {name: None for name, row in self}

    def forget_expired(self, now_ms: float) -> None:
        """Forget rows whose time is over; Redis does the same."""
        for name in [name for name, row in self if _is_over(row, now_ms)]:
            del self._rows[name.table][name.key]
            self._unsent.pop(name, None)

    def __iter__(self) -> Iterator[tuple[RowName, SharedRow]]:
        return ((RowName(table, key), row) for table, rows in self._rows.items() for key, row in rows.items())

    def known(self, tables: Iterable[str]) -> dict[RowName, KnownRow]:
        """What to remember of these tables over a restart."""
        wanted = set(tables)
        return {
            name: KnownRow(version=row.version, digest=None if row.text is None else text_digest(row.text))
            for name, row in self
            if name.table in wanted and row.version != NEVER_SHARED
        }

    def _put(self, name: RowName, row: SharedRow, *, is_sent: bool) -> None:
        if row.text is None and not row.expires:
            row = evolve(row, expires=row.version + TOMBSTONE_MS)
        self._rows.setdefault(name.table, {})[name.key] = row
        if is_sent:
            self._unsent.pop(name, None)
        else:
            self._unsent[name] = None


def _version_of(text: str, known: KnownRow | None, now_ms: float) -> int:
    if known is None:
        return NEVER_SHARED
    return known.version if known.digest == text_digest(text) else _after(known.version, now_ms)


def _after(version: int, now_ms: float) -> int:
    return max(version + 1, int(now_ms))


def _is_over(row: SharedRow, now_ms: float) -> bool:
    return 0 < row.expires <= now_ms
