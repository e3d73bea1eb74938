"""The tables of applications, accounts and sources row by row, as the nodes of a cluster share them.

Rows are merged one by one, so together they may break a rule of their table: two applications with one key, if two
nodes that did not see each other added them. Then the one that was added first is in force, and the fault is told.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Generic, TypeVar

from attrs import asdict, frozen

from config.apps import App, AppTable
from config.tables.accounts_file import read_token, read_user
from config.tables.apps_file import read_app
from protocol.access.accounts import AccountTable, Token, User
from protocol.access.roles import Role
from protocol.capture.named_sources import NamedSource, SourceTable

T = TypeVar("T")
MAX_TOLD: Final = 5
"""Faults of one table that are told at a time."""


@frozen
class Assembled(Generic[T]):
    """A table made of rows, and what is wrong with those that are left out."""

    table: T
    faults: tuple[str, ...] = ()


@frozen
class TableForm(Generic[T]):
    """How a table is written in rows: `texts` by key, and read: `table`, given what it was before."""

    name: str
    texts: Callable[[T], dict[str, str]]
    table: Callable[[Mapping[str, str], T], Assembled[T]]


def _written(entry: App | User | Token | NamedSource) -> str:
    fields = {key: _plain(value) for key, value in asdict(entry).items() if value is not None}
    return json.dumps(fields, separators=(",", ":"), sort_keys=True)


def _plain(value: Any) -> Any:
    if isinstance(value, frozenset):
        return sorted(value)
    return str(value) if isinstance(value, Role) else value


def _entry(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _in_order(keys: Iterable[str], before: Iterable[str]) -> list[str]:
    """Those that were there in their order, then the others in theirs."""
    wanted = dict.fromkeys(keys)
    known = [key for key in before if key in wanted]
    return known + [key for key in wanted if key not in set(known)]


class _RowReader:
    """Reads rows and keeps what is wrong with some."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self._texts = texts
        self.faults: list[str] = []

    def entries(self, keys: Iterable[str], read: Callable[[dict[str, Any]], T]) -> list[T]:
        found = []
        for key in keys:
            try:
                found.append(read(_entry(self._texts[key])))
            except (ValueError, TypeError) as error:
                self.fault(key, str(error))
        return found

    def fault(self, key: str, why: str) -> None:
        if len(self.faults) < MAX_TOLD:
            self.faults.append(f"{key}: {why}")


# -- applications ------------------------------------------------------------------------------------------------------


def _app_texts(table: AppTable) -> dict[str, str]:
    return {app.name: _written(app) for app in table.apps}


def _app_table(texts: Mapping[str, str], before: AppTable) -> Assembled[AppTable]:
    reader = _RowReader(texts)
    owners: dict[str, str] = {}
    apps = {}
    for app in reader.entries(texts, read_app):  # those that were written first come first
        if app.key in owners:
            reader.fault(app.name, f"its key {app.key!r} is taken by the application {owners[app.key]!r}")
        else:
            owners[app.key], apps[app.name] = app.name, app
    order = _in_order(apps, (app.name for app in before.apps))
    return Assembled(AppTable(tuple(apps[name] for name in order), before.shipped), tuple(reader.faults))


APP_ROWS: Final = TableForm("apps", _app_texts, _app_table)


# -- accounts ----------------------------------------------------------------------------------------------------------

_USER, _TOKEN = "user:", "token:"


def _account_texts(table: AccountTable) -> dict[str, str]:
    users = {f"{_USER}{user.name}": _written(user) for user in table.users}
    return {**users, **{f"{_TOKEN}{token.name}": _written(token) for token in table.tokens}}


def _account_table(texts: Mapping[str, str], before: AccountTable) -> Assembled[AccountTable]:
    reader = _RowReader(texts)
    keys = _in_order(texts, _account_texts(before))
    users = reader.entries((key for key in keys if key.startswith(_USER)), read_user)
    tokens = reader.entries((key for key in keys if key.startswith(_TOKEN)), read_token)
    unchanged = {user: user for user in before.users}  # logins are bound to the very same object
    return Assembled(
        AccountTable(tuple(unchanged.get(user, user) for user in users), tuple(tokens)), tuple(reader.faults)
    )


ACCOUNT_ROWS: Final = TableForm("accounts", _account_texts, _account_table)


# -- sources -----------------------------------------------------------------------------------------------------------


def _source_texts(table: SourceTable) -> dict[str, str]:
    return {source.name: _written(source) for source in table.sources}


def _source_table(texts: Mapping[str, str], before: SourceTable) -> Assembled[SourceTable]:
    reader = _RowReader(texts)
    keys = _in_order(texts, (source.name for source in before.sources))
    sources = reader.entries(keys, lambda entry: NamedSource(**entry))
    return Assembled(SourceTable(tuple(sources)), tuple(reader.faults))


SOURCE_ROWS: Final = TableForm("sources", _source_texts, _source_table)
