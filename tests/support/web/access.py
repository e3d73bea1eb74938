"""Users and tokens for tests: with cheap hashes, so that only tests about their cost pay for them."""

import base64
from collections.abc import Callable
from pathlib import Path

import trio
from argon2.low_level import Type, hash_secret

from actors.access.audit import AuditLog
from actors.access.control import AccessControl
from actors.storage.account_store import AccountStore
from config.tables.accounts_file import write_accounts
from protocol.access.accounts import AccountTable, Token, User, token_digest
from protocol.access.roles import Role

TODAY = "2027-01-15"


def cheap_hash(password: str) -> str:
    """A hash with the least parameters that argon2 takes; comparing uses those of the hash."""
    salt = b"saltsaltsaltsalt"
    return hash_secret(
        password.encode(), salt, time_cost=1, memory_cost=8, parallelism=1, hash_len=16, type=Type.ID
    ).decode()


def user(name: str, role: Role = Role.OPERATE, *, apps: frozenset[str] | None = None, is_active: bool = True) -> User:
    """A user whose password is `NAME-secret`."""
    return User(name=name, password_hash=cheap_hash(f"{name}-secret"), role=role, apps=apps, is_active=is_active)


def token(
    name: str, role: Role = Role.OPERATE, *, apps: frozenset[str] | None = None, expires: str | None = None
) -> Token:
    """A token whose text is `wcsd_NAME`."""
    return Token(name=name, digest=token_digest(f"wcsd_{name}"), role=role, apps=apps, expires=expires)


def access_of(
    path: Path,
    *accounts: User | Token,
    is_required: bool = True,
    clock: Callable[[], float] = trio.current_time,
    audit: Callable[[str], object] = lambda line: None,
) -> AccessControl:
    """Access control over these accounts; `path` is their file, which is written when they change."""
    table = AccountTable(
        tuple(each for each in accounts if isinstance(each, User)),
        tuple(each for each in accounts if isinstance(each, Token)),
    )
    store = AccountStore(path, table, None, write_accounts)
    return AccessControl(store, policy=lambda _: is_required, audit=AuditLog(audit), clock=clock, day=lambda: TODAY)


def basic(name: str, password: str | None = None) -> str:
    """The header that logs in by password; the right one, unless another is given."""
    pair = f"{name}:{password if password is not None else f'{name}-secret'}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def bearer(name: str) -> str:
    """The header that shows the token of that name."""
    return f"Bearer wcsd_{name}"
