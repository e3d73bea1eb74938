"""The table of users and tokens, stored in one file of the state folder (`actors.storage.table_store`)."""

from datetime import UTC, datetime
from pathlib import Path

from actors.storage.table_store import TableStore, read_file, resolved
from config.tables.accounts_file import read_accounts, write_accounts
from protocol.access.accounts import AccountTable


class AccountStore(TableStore[AccountTable]):
    """The only owner of the table of users and tokens. Create it with `open_account_store`."""


def open_account_store(path: Path) -> AccountStore:
    """The store for the file at `path`, which need not exist: it is created with the first user or token.

    Raises AccountFileError for a file that is not a valid table, TableStoreError for one that cannot be read.
    """
    path = resolved(path)
    text = read_file(path)
    return AccountStore(path, _table_of(text, path), text, write_accounts)


def read_account_file(path: Path) -> AccountTable:
    """The table in the file at `path`; an empty one if there is no file. Raises like `open_account_store`."""
    return _table_of(read_file(resolved(path)), path)


def utc_day() -> str:
    """Today, as `2027-01-31`, the form in which tokens keep their days."""
    return datetime.now(UTC).date().isoformat()


def _table_of(text: str | None, path: Path) -> AccountTable:
    return AccountTable() if text is None else read_accounts(text, file_name=str(path))
