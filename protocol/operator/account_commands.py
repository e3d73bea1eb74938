"""The operator's commands about users, tokens and the console, as frozen objects.

`show users`, `add user`, `update user`, `passwd` and `remove user` are those of WCS.
"""

import re
from collections.abc import Callable

from attrs import field, frozen

from protocol.access.roles import Role
from protocol.operator.grammar import CommandError, Words

MOST_DAYS = 3650
"""Days that a token may be valid."""


@frozen(kw_only=True)
class ShowUsers:
    """`show users [-d]`"""

    detail: bool = False


@frozen(kw_only=True)
class AddUser:
    """`add user NAME [PASSWORD]`; `apps`: None for all applications."""

    name: str
    password: str | None = field(repr=False)
    role: Role
    apps: frozenset[str] | None


@frozen(kw_only=True)
class UpdateUser:
    """`update user NAME`; None: nothing is said. An empty set of applications lifts the bond."""

    name: str
    is_active: bool | None
    role: Role | None
    apps: frozenset[str] | None


@frozen(kw_only=True)
class SetPassword:
    """`passwd NAME [PASSWORD]`"""

    name: str
    password: str | None = field(repr=False)


@frozen(kw_only=True)
class RemoveUser:
    """`remove user NAME`"""

    name: str


@frozen(kw_only=True)
class ShowTokens:
    """`show tokens`"""


@frozen(kw_only=True)
class AddToken:
    """`add token NAME --role ROLE`; `days`: how long it is valid, None for ever."""

    name: str
    role: Role
    apps: frozenset[str] | None
    days: int | None


@frozen(kw_only=True)
class RemoveToken:
    """`remove token NAME`"""

    name: str


@frozen(kw_only=True)
class OpenConsole:
    """`console`: a link to the start page that logs in once."""

    role: Role


AccountCommand = (
    ShowUsers | AddUser | UpdateUser | SetPassword | RemoveUser | ShowTokens | AddToken | RemoveToken | OpenConsole
)


def _role(words: Words, default: Role | None) -> Role | None:
    if "role" not in words.options:
        return default
    try:
        return Role.parse(words.options["role"])
    except ValueError as error:
        raise CommandError(f"--role {error}") from None


def _needed_role(words: Words, default: Role | None = None) -> Role:
    role = _role(words, default)
    if role is None:
        raise CommandError(f"needs --role: one of {', '.join(map(str, Role))}")
    return role


def _apps(words: Words) -> frozenset[str] | None:
    given = words.options.get("app")
    return None if given is None else frozenset(filter(None, given.split(",")))


def _some_apps(words: Words) -> frozenset[str] | None:
    apps = _apps(words)
    if apps is not None and not apps:
        raise CommandError("--app needs the key of an application; leave it out for all")
    return apps


def _days(words: Words) -> int | None:
    given = words.options.get("expires")
    if given is None:
        return None
    written = re.fullmatch(r"([0-9]{1,5})d", given)
    if written is None or not 1 <= int(written[1]) <= MOST_DAYS:
        raise CommandError(f"--expires must be a number of days from 1d to {MOST_DAYS}d, such as 90d")
    return int(written[1])


def _password(words: Words) -> str | None:
    return words.operands[1] if len(words.operands) > 1 else None


def _build_update_user(words: Words) -> UpdateUser:
    active = words.options.get("active")
    if active not in (None, "true", "false"):
        raise CommandError("-a must be true or false")
    if not words.options:
        raise CommandError("nothing to change; give an option")
    return UpdateUser(
        name=words.operands[0],
        is_active=None if active is None else active == "true",
        role=_role(words, None),
        apps=_apps(words),
    )


BUILDERS: dict[str, Callable[[Words], AccountCommand]] = {
    "show users": lambda words: ShowUsers(detail="detail" in words.options),
    "add user": lambda words: AddUser(
        name=words.operands[0],
        password=_password(words),
        role=_needed_role(words, Role.OPERATE),
        apps=_some_apps(words),
    ),
    "update user": _build_update_user,
    "passwd": lambda words: SetPassword(name=words.operands[0], password=_password(words)),
    "remove user": lambda words: RemoveUser(name=words.operands[0]),
    "show tokens": lambda words: ShowTokens(),
    "add token": lambda words: AddToken(
        name=words.operands[0], role=_needed_role(words), apps=_some_apps(words), days=_days(words)
    ),
    "remove token": lambda words: RemoveToken(name=words.operands[0]),
    "console": lambda words: OpenConsole(role=_needed_role(words, Role.OPERATE)),
}
