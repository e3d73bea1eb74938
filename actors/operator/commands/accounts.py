"""What the commands about users, tokens and the console do."""

import secrets
from collections.abc import Callable, Iterable
from datetime import date, timedelta

from attrs import evolve, frozen

from actors.access.control import AccessControl
from config.apps import AppTable
from protocol.access.accounts import (
    TOKEN_BYTES,
    AccountError,
    AccountTable,
    Token,
    User,
    check_name,
    check_password,
    new_token,
    token_digest,
)
from protocol.common.suggestions import did_you_mean, shortened
from protocol.operator.account_commands import (
    AccountCommand,
    AddToken,
    AddUser,
    OpenConsole,
    RemoveToken,
    RemoveUser,
    SetPassword,
    ShowTokens,
    ShowUsers,
    UpdateUser,
)
from protocol.operator.messages import Done, Row

Result = tuple[AccountTable, Done]


class PasswordNeeded(Exception):
    """The command needs a password that was not given with it; the text says whose."""


@frozen
class AccountCommands:
    """Carries out commands on the table of accounts.

    `page_url` is the address of the start page, for people; `all_apps` the applications as of now.
    """

    _access: AccessControl
    _all_apps: Callable[[], AppTable]
    _page_url: Callable[[], str]

    async def execute(self, command: AccountCommand) -> Done:
        """What came of it. AccountError if it is refused, PasswordNeeded; nothing was changed then."""
        match command:
            case ShowUsers(detail=detail):
                return _show_users(self._access.store.table, detail)
            case ShowTokens():
                return self._show_tokens()
            case AddUser():
                return await self._add_user(command)
            case SetPassword():
                return await self._set_password(command)
            case AddToken():
                return await self._add_token(command)
            case UpdateUser():
                return await self._change(lambda table: self._update_user(command, table))
            case RemoveUser(name=name):
                return await self._change(lambda table: self._remove_user(name, table))
            case RemoveToken(name=name):
                return await self._change(lambda table: _remove_token(name, table))
            case OpenConsole(role=role):
                link = f"{self._page_url()}#login={await self._access.pages.make_link(role)}"
                return Done(rows=[{"link": link}], message="opens the console once, within 60 s", changed=True)

    async def _change(self, change: Callable[[AccountTable], Result]) -> Done:
        """Change the table, unless that would lock everybody out; say what follows."""

        def checked(before: AccountTable) -> Result:
            table, done = change(before)
            self._check_last(before, table)
            return table, evolve(done, message=done.message + self._consequence(before, table))

        return await self._access.store.change(checked)

    def _check_last(self, before: AccountTable, after: AccountTable) -> None:
        day = self._access.day()
        if self._access.is_required and before.has_credentials(day) and not after.has_credentials(day):
            raise AccountError(
                "nobody could call REST any more: this is the last user or token; add another one first, "
                "or restart the server with rest.auth=off"
            )

    def _consequence(self, before: AccountTable, after: AccountTable) -> str:
        """What the first account means for a server that runs without authentication."""
        if self._access.is_required or self._access.would_require(before) or not self._access.would_require(after):
            return ""
        return (
            "\nNobody has to log in to REST yet. After the next reload (wcs reload) everybody has to: "
            "give your backends a user or a token before that"
        )

    # -- users -------------------------------------------------------------------------------------

    async def _add_user(self, command: AddUser) -> Done:
        check_name(command.name)
        self._check_apps(command.apps)
        password = _given(command.password, command.name)
        present = self._access.store.table.user(command.name)
        if present is not None:
            return await self._present(present, command, password)
        user = User(
            name=command.name,
            password_hash=await self._access.hashing.hash(password),
            role=command.role,
            apps=command.apps,
        )

        def add(table: AccountTable) -> Result:
            if table.user(user.name) is not None:
                raise AccountError(f"user {user.name!r} is there already")
            return table.with_user(user), Done(message=f"user {user.name!r} added, role {user.role}", changed=True)

        return await self._change(add)

    async def _present(self, present: User, command: AddUser, password: str) -> Done:
        is_same = (present.role, present.apps) == (command.role, command.apps)
        if is_same and await self._access.hashing.matches(password, present.password_hash):
            return Done(message=f"user {command.name!r} is there already")
        raise AccountError(
            f"user {command.name!r} is there already, and differs; change it by 'update user' or 'passwd'"
        )

    async def _set_password(self, command: SetPassword) -> Done:
        self._access.store.table.known_user(command.name)
        made = await self._access.hashing.hash(_given(command.password, command.name))

        def change(table: AccountTable) -> Result:
            user = evolve(table.known_user(command.name), password_hash=made)
            return table.with_user(user), Done(message=f"password of user {user.name!r} changed", changed=True)

        return await self._change(change)

    def _update_user(self, command: UpdateUser, table: AccountTable) -> Result:
        user = table.known_user(command.name)
        self._check_apps(command.apps)
        changed = evolve(
            user,
            is_active=user.is_active if command.is_active is None else command.is_active,
            role=command.role or user.role,
            apps=user.apps if command.apps is None else command.apps or None,
        )
        if changed == user:
            return table, Done(message=f"user {user.name!r} is like that already")
        return table.with_user(changed), Done(message=f"user {user.name!r} updated", changed=True)

    def _remove_user(self, name: str, table: AccountTable) -> Result:
        if table.user(name) is None:
            hint = did_you_mean(name, [user.name for user in table.users])
            return table, Done(message=f"no user {shortened(name)}{hint}; nothing to remove")
        owned = [app.name for app in self._all_apps().apps if app.owner == name]
        if owned:
            raise AccountError(f"user {name!r} owns the application {owned[0]!r}; change that by 'update app -o' first")
        return table.without_user(name), Done(message=f"user {name!r} removed", changed=True)

    def _check_apps(self, apps: Iterable[str] | None) -> None:
        known = self._all_apps()
        for key in sorted(apps or ()):
            if known.by_key(key) is None:
                hint = did_you_mean(key, [app.key for app in known.apps])
                raise AccountError(f"unknown application key {shortened(key)}{hint}")

    # -- tokens ------------------------------------------------------------------------------------

    async def _add_token(self, command: AddToken) -> Done:
        check_name(command.name)
        self._check_apps(command.apps)
        text = new_token(secrets.token_bytes(TOKEN_BYTES))
        token = Token(
            name=command.name,
            digest=token_digest(text),
            role=command.role,
            apps=command.apps,
            expires=None if command.days is None else _day_after(self._access.day(), command.days),
        )

        def add(table: AccountTable) -> Result:
            if table.token(token.name) is not None:
                raise AccountError(f"token {token.name!r} is there already; remove it first")
            told = f"token {token.name!r} added, role {token.role}; it is shown only now"
            return table.with_token(token), Done(rows=[{"token": text}], message=told, changed=True)

        return await self._change(add)

    def _show_tokens(self) -> Done:
        rows: list[Row] = [
            {
                "name": token.name,
                "role": str(token.role),
                "apps": _listed(token.apps),
                "expires": token.expires,
                "valid": token.is_valid_on(self._access.day()),
                "last_used": self._access.last_used(token.name),
            }
            for token in self._access.store.table.tokens
        ]
        return Done(rows=rows, message="" if rows else "there are no tokens")


def _remove_token(name: str, table: AccountTable) -> Result:
    if table.token(name) is None:
        hint = did_you_mean(name, [token.name for token in table.tokens])
        return table, Done(message=f"no token {shortened(name)}{hint}; nothing to remove")
    return table.without_token(name), Done(message=f"token {name!r} removed", changed=True)


def _show_users(table: AccountTable, detail: bool) -> Done:
    if not table.users:
        return Done(message="there are no users")
    return Done(rows=[_user_row(user, detail) for user in table.users])


def _user_row(user: User, detail: bool) -> Row:
    row: Row = {"name": user.name, "role": str(user.role), "active": user.is_active}
    return {**row, "apps": _listed(user.apps)} if detail else row


def _listed(apps: frozenset[str] | None) -> list[str] | str:
    return "all" if apps is None else sorted(apps)


def _given(password: str | None, name: str) -> str:
    if password is None:
        raise PasswordNeeded(f"password of {shortened(name)}")
    return check_password(password)


def _day_after(day: str, days: int) -> str:
    return (date.fromisoformat(day) + timedelta(days=days)).isoformat()
