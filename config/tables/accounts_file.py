"""The table of users and tokens as a file that people can read and edit: TOML, like that of the applications."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from config.tables.toml_text import TomlFault, line_in_table, parse_toml, quote
from protocol.access.accounts import AccountError, AccountTable, Token, User
from protocol.access.roles import Role
from protocol.common.suggestions import did_you_mean

FORMAT = 1

_HEADER = """\
# Who may use the REST API, managed by `wcs add user`, `wcs add token` and so on.
# Edit this file only while the server is stopped. Comments are not preserved.
"""
_KEYS = ("format", "user", "token")
_USER_KEYS = ("name", "password_hash", "role", "apps", "is_active")
_TOKEN_KEYS = ("name", "digest", "role", "apps", "expires", "last_used")

A = TypeVar("A")


class AccountFileError(AccountError):
    """An unusable file of users: `FILE:LINE: what is wrong`, or without the line where it is not known."""

    def __init__(self, file_name: str, line: int | None, message: str) -> None:
        super().__init__(f"{file_name}: {message}" if line is None else f"{file_name}:{line}: {message}")


def write_accounts(table: AccountTable) -> str:
    """The table as the text of its file; `read_accounts` reads an equal table back."""
    users = (_write("user", _USER_KEYS, user) for user in table.users)
    tokens = (_write("token", _TOKEN_KEYS, token) for token in table.tokens)
    return "\n".join([f"{_HEADER}format = {FORMAT}\n", *users, *tokens])


def _write(kind: str, keys: tuple[str, ...], account: User | Token) -> str:
    given = ((key, getattr(account, key)) for key in keys)
    return "\n".join([f"[[{kind}]]", *(f"{key} = {_value(value)}" for key, value in given if value is not None)]) + "\n"


def _value(value: object) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case frozenset():
            return f"[{', '.join(quote(key) for key in sorted(value))}]"
        case _:
            return quote(str(value))


def read_accounts(text: str, *, file_name: str) -> AccountTable:
    """The table described by the text of a file; AccountFileError if any part of it is unusable."""
    try:
        document = parse_toml(text, "a file of users and tokens")
    except TomlFault as fault:
        raise AccountFileError(file_name, fault.line, fault.message) from None
    unknown = next((key for key in document if key not in _KEYS), None)
    if unknown is not None:
        raise AccountFileError(file_name, None, f"unknown key {unknown!r}{did_you_mean(unknown, _KEYS)}")
    if document.get("format") != FORMAT:
        raise AccountFileError(file_name, None, f"'format = {FORMAT}' is missing: not a whole file of users")
    try:
        users = _read_entries(document, "user", _USER_KEYS, _read_user)
        return AccountTable(users, _read_entries(document, "token", _TOKEN_KEYS, _read_token))
    except AccountError as error:
        line = None if error.entry is None else line_in_table(text, *error.entry, error.field)
        raise AccountFileError(file_name, line, str(error)) from None


def _read_entries(
    document: Mapping[str, Any], kind: str, keys: tuple[str, ...], read: Callable[[dict[str, Any]], A]
) -> tuple[A, ...]:
    entries = document.get(kind, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise AccountError(f"{kind}s are written [[{kind}]], with two brackets")
    found: list[A] = []
    for index, entry in enumerate(entries):
        try:
            found.append(_checked(entry, keys, read))
        except AccountError as error:
            error.entry = (kind, index)
            raise
    return tuple(found)


def read_user(entry: dict[str, Any]) -> User:
    """One user as the fields are written. Raises AccountError."""
    return _checked(entry, _USER_KEYS, _read_user)


def read_token(entry: dict[str, Any]) -> Token:
    """One token as its fields are written. Raises AccountError."""
    return _checked(entry, _TOKEN_KEYS, _read_token)


def _checked(entry: dict[str, Any], keys: tuple[str, ...], read: Callable[[dict[str, Any]], A]) -> A:
    for key in entry:
        if key not in keys:
            raise AccountError(f"unknown key{did_you_mean(key, keys)}", field=key)
    return read(entry)


def _read_user(entry: dict[str, Any]) -> User:
    is_active = entry.get("is_active", True)
    if not isinstance(is_active, bool):
        raise AccountError("must be true or false", field="is_active")
    return User(
        name=_text(entry, "name"),
        password_hash=_text(entry, "password_hash"),
        role=_role(entry),
        apps=_apps(entry),
        is_active=is_active,
    )


def _read_token(entry: dict[str, Any]) -> Token:
    return Token(
        name=_text(entry, "name"),
        digest=_text(entry, "digest"),
        role=_role(entry),
        apps=_apps(entry),
        expires=_text(entry, "expires") if "expires" in entry else None,
        last_used=_text(entry, "last_used") if "last_used" in entry else None,
    )


def _text(entry: Mapping[str, Any], key: str) -> str:
    if key not in entry:
        raise AccountError("is missing", field=key)
    value = entry[key]
    if not isinstance(value, str):
        raise AccountError("must be text", field=key)
    return value


def _role(entry: Mapping[str, Any]) -> Role:
    try:
        return Role.parse(_text(entry, "role"))
    except AccountError:
        raise
    except ValueError as error:
        raise AccountError(str(error), field="role") from None


def _apps(entry: Mapping[str, Any]) -> frozenset[str] | None:
    value = entry.get("apps")
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(key, str) for key in value):
        raise AccountError("must be a list of application keys", field="apps")
    return frozenset(value)
