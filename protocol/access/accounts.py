"""Users and tokens: who may call the REST API, with which role, and for which applications.

A user logs in with a password, of which only a slow hash is kept. A token is random, so a fast digest of it is enough.
"""

import base64
import hashlib
import re
from collections.abc import Callable, Iterable
from typing import Any, Final, TypeVar

from attrs import Attribute, evolve, field, frozen

from protocol.access.roles import Role
from protocol.common.suggestions import did_you_mean, shortened

MAX_NAME_LENGTH: Final = 128
MAX_PASSWORD_LENGTH: Final = 1024
"""Characters: a longer one costs more to hash, and nobody types it."""
MAX_ACCOUNTS: Final = 10_000
"""Users and tokens together."""
MAX_APPS: Final = 1000
"""Applications that one user or token may be bound to."""
TOKEN_PREFIX: Final = "wcsd_"  # noqa: S105 - it marks our tokens, for people and for programs that look for leaked ones
TOKEN_BYTES: Final = 32

_NAME = re.compile(r"[^\s,:-][^\s,:]*")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

A = TypeVar("A", bound="User | Token")


class AccountError(ValueError):
    """A user or token, or a change to one, that cannot be accepted. The message is for the operator.

    `field`: what is invalid; `entry`: the kind and index of the user or token in a file.
    """

    def __init__(self, message: str, *, field: str | None = None, entry: tuple[str, int] | None = None) -> None:
        super().__init__(message if field is None else f"{field}: {message}")
        self.field = field
        self.entry = entry


def check_name(name: object) -> str:
    """A name that can be typed in a shell, sent by Basic (RFC 7617: no colon) and listed with commas."""
    if not isinstance(name, str) or not name:
        raise AccountError("must be text", field="name")
    if len(name) > MAX_NAME_LENGTH:
        raise AccountError(f"must not be longer than {MAX_NAME_LENGTH} characters", field="name")
    if not _NAME.fullmatch(name) or not name.isprintable():
        raise AccountError(
            f"{shortened(name)} must not start with '-' or hold a blank, a comma, a colon or a control character",
            field="name",
        )
    return name


def check_password(password: str) -> str:
    """A password that can be typed in a login form and sent by Basic."""
    if not password:
        raise AccountError("must not be empty", field="password")
    if len(password) > MAX_PASSWORD_LENGTH:
        raise AccountError(f"must not be longer than {MAX_PASSWORD_LENGTH} characters", field="password")
    if not password.isprintable():
        raise AccountError("must not hold control characters", field="password")
    return password


def _named(_: object, __: "Attribute[str]", value: object) -> None:
    check_name(value)


def _few_apps(_: object, attribute: "Attribute[frozenset[str] | None]", value: frozenset[str] | None) -> None:
    if value is None:
        return
    if not value or not all(value):
        raise AccountError("must name at least one application, or be left out for all", field=attribute.name)
    if len(value) > MAX_APPS:
        raise AccountError(f"must not name more than {MAX_APPS} applications", field=attribute.name)


def _form(pattern: re.Pattern[str], what: str) -> Callable[[Any, "Attribute[Any]", Any], None]:
    def check(_: object, attribute: "Attribute[Any]", value: str | None) -> None:
        if value is not None and not pattern.fullmatch(value):
            raise AccountError(f"must be {what}", field=attribute.name)

    return check


@frozen(kw_only=True)
class User:
    """Somebody who logs in with a name and a password, or with a client certificate of that name."""

    name: str = field(validator=_named)
    password_hash: str = field(repr=False, validator=_form(re.compile(r"\$argon2id\$[!-~]{1,500}"), "an argon2id hash"))
    """In the form that names its parameters and salt (PHC string)."""
    role: Role = Role.OPERATE
    apps: frozenset[str] | None = field(default=None, validator=_few_apps)
    """Keys of the applications to which the user is bound; None: all."""
    is_active: bool = True

    @property
    def digest(self) -> str:
        """Another one after any change, also of the password."""
        apps = None if self.apps is None else sorted(self.apps)
        text = repr((self.name, self.password_hash, str(self.role), apps, self.is_active))
        return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


@frozen(kw_only=True)
class Token:
    """A random secret of a program."""

    name: str = field(validator=_named)
    digest: str = field(repr=False, validator=_form(_DIGEST, "a SHA-256 digest, in lower case hexadecimal"))
    """SHA-256 of the token, in hexadecimal."""
    role: Role
    apps: frozenset[str] | None = field(default=None, validator=_few_apps)
    expires: str | None = field(default=None, validator=_form(_DAY, "a day such as 2027-01-31"))
    """The last day (UTC) on which it is valid; None: it does not expire."""
    last_used: str | None = field(default=None, validator=_form(_DAY, "a day such as 2027-01-31"))
    """The day (UTC) on which it was last used."""

    def is_valid_on(self, day: str) -> bool:
        """Whether it has not expired on this day, written as `2027-01-31`."""
        return self.expires is None or day <= self.expires


def new_token(random: bytes) -> str:
    """The text of a token made of TOKEN_BYTES random bytes: letters, digits, `_` and `-`."""
    return TOKEN_PREFIX + base64.urlsafe_b64encode(random).decode().rstrip("=")


def token_digest(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode(errors="surrogatepass")).hexdigest()


@frozen
class AccountTable:
    """All users and all tokens. Names are unique among users and among tokens."""

    users: tuple[User, ...] = ()
    tokens: tuple[Token, ...] = ()
    _users: dict[str, User] = field(init=False, repr=False, eq=False)
    _tokens: dict[str, Token] = field(init=False, repr=False, eq=False)
    _digests: dict[str, Token] = field(init=False, repr=False, eq=False)

    def __attrs_post_init__(self) -> None:
        if len(self.users) + len(self.tokens) > MAX_ACCOUNTS:
            raise AccountError(f"there may be {MAX_ACCOUNTS} users and tokens")
        object.__setattr__(self, "_users", _by_name("user", self.users))
        object.__setattr__(self, "_tokens", _by_name("token", self.tokens))
        object.__setattr__(self, "_digests", {token.digest: token for token in self.tokens})

    # -- looking -----------------------------------------------------------------------------------

    def user(self, name: str) -> User | None:
        return self._users.get(name)

    def token(self, name: str) -> Token | None:
        return self._tokens.get(name)

    def token_by_digest(self, digest: str) -> Token | None:
        """The token that a caller has shown; an attacker cannot choose digests, so a dict may look them up."""
        return self._digests.get(digest)

    def has_credentials(self, day: str) -> bool:
        """Whether anybody can log in on this day: an active user, or a token that has not expired."""
        return any(user.is_active for user in self.users) or any(token.is_valid_on(day) for token in self.tokens)

    def known_user(self, name: str) -> User:
        """The user of that name, or AccountError with the one that was probably meant."""
        return _known("user", name, self._users)

    # -- changing ----------------------------------------------------------------------------------

    def with_user(self, user: User) -> "AccountTable":
        """The table with this user, in place of the one of that name if there is one."""
        return evolve(self, users=_with(self.users, user))

    def without_user(self, name: str) -> "AccountTable":
        return evolve(self, users=tuple(user for user in self.users if user.name != name))

    def with_token(self, token: Token) -> "AccountTable":
        return evolve(self, tokens=_with(self.tokens, token))

    def without_token(self, name: str) -> "AccountTable":
        return evolve(self, tokens=tuple(token for token in self.tokens if token.name != name))


def _by_name(kind: str, accounts: Iterable[A]) -> dict[str, A]:
    found: dict[str, A] = {}
    for index, account in enumerate(accounts):
        if account.name in found:
            raise AccountError(f"there are two of the name {account.name!r}", field="name", entry=(kind, index))
        found[account.name] = account
    return found


def _with(accounts: tuple[A, ...], new: A) -> tuple[A, ...]:
    if all(account.name != new.name for account in accounts):
        return (*accounts, new)
    return tuple(new if account.name == new.name else account for account in accounts)


def _known(kind: str, name: str, accounts: dict[str, A]) -> A:
    found = accounts.get(name)
    if found is None:
        raise AccountError(f"unknown {kind} {shortened(name)}{did_you_mean(name, accounts)}")
    return found
