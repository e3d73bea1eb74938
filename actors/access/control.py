"""Who calls the REST API: from what a request shows to an identity, or a refusal."""

from collections.abc import Callable

import trio
from attrs import evolve, frozen

from actors.access.audit import AuditLog
from actors.access.page_login import PageLogin
from actors.access.password_hash import PasswordHashing
from actors.access.password_login import PasswordLogin
from actors.node.ports.login import LoginPort
from actors.runtime.logs import get_logger
from actors.runtime.loop_clock import real_time
from actors.storage.account_store import AccountStore, utc_day
from actors.storage.table_store import TableStoreError
from config.rest_auth import requires_login
from config.settings import Settings
from protocol.access.accounts import AccountTable, token_digest
from protocol.access.credentials import Basic, Bearer, read_authorization
from protocol.access.identity import ANYBODY, Identity, Proof, identity_of_token, identity_of_user
from protocol.access.refusals import LoginRefused, dead_link, no_credentials, wrong_token

log = get_logger("access")

SAVE_INTERVAL = 60.0
"""Seconds between two looks at which tokens were used on a new day."""
SAVE_TIMEOUT = 2.0
"""Seconds to write that at the end."""


@frozen(kw_only=True)
class ShownCredentials:
    """What a request shows of who sends it. `certificate`: the name in its client certificate, checked by TLS."""

    authorization: str | None
    certificate: str | None
    address: str


class AccessControl:
    """One for the server. `policy` says whether callers must log in where there are accounts: `config.rest_auth`.

    It is asked at the start and by `decide`, not when an account is added: backends that run would be locked out.
    `clock` has the time in which the server stood still, so that no login outlives what people were told.
    """

    def __init__(
        self,
        store: AccountStore,
        *,
        policy: Callable[[bool], bool],
        audit: AuditLog,
        clock: Callable[[], float] = real_time,
        day: Callable[[], str] = utc_day,
    ) -> None:
        self.store = store
        self.audit = audit
        self._policy = policy
        self.hashing = PasswordHashing()
        self.passwords = PasswordLogin(store, self.hashing, clock)
        self.pages = PageLogin(store, clock)
        self.day = day
        self._used: dict[str, str] = {}
        self.is_required = self.would_require(store.table)

    def share(self, shared: LoginPort) -> None:
        """In a cluster: any node knows what another one has given, and failures count on all."""
        self.pages.shared = self.passwords.shared = shared
        shared.on_failure = self.passwords.failed_elsewhere
        shared.on_login = self.passwords.logged_in_elsewhere

    def would_require(self, table: AccountTable) -> bool:
        """Whether callers would have to log in after a reload with these accounts."""
        return self._policy(table.has_credentials(self.day()))

    def requires_login(self, settings: Settings | None = None) -> bool:
        """Whether callers must log in; with settings, whether they would have to after a reload with these."""
        if settings is None:
            return self.is_required
        return requires_login(settings, self.store.table.has_credentials(self.day()))

    def decide(self) -> None:
        """Look again whether callers must log in."""
        before, self.is_required = self.is_required, self.would_require(self.store.table)
        if before is not self.is_required:
            log.warning("whether callers of REST have to log in has changed", required=self.is_required)

    async def run(self) -> None:
        """Keep on disk when each token was last used; until cancelled."""
        try:
            while True:
                await trio.sleep(SAVE_INTERVAL)
                await self.save_use()
        finally:
            with trio.move_on_after(SAVE_TIMEOUT, shield=True):
                await self.save_use()

    async def identify(self, caller: ShownCredentials) -> Identity:
        """Who calls. LoginRefused if nobody who may; BadCredentials for a malformed header."""
        if not self.is_required:
            return ANYBODY
        if caller.authorization is None:
            return self._by_certificate(caller.certificate)
        match read_authorization(caller.authorization):
            case Bearer(token):
                return await self._by_token(token, caller.address)
            case Basic() as given:
                return identity_of_user(await self.passwords.log_in(given, caller.address))

    async def log_in(self, given: Basic, address: str) -> tuple[str, Identity]:
        """A token for the page of this user. LoginRefused if the password is wrong."""
        return await self.pages.open_page(await self.passwords.log_in(given, address))

    async def follow_link(self, secret: str, address: str) -> tuple[str, Identity]:
        """A token for the page that was opened by a one-time link. LoginRefused if it is used or expired."""
        self.passwords.check(address)
        identity = await self.pages.open_link(secret)
        if identity is None:
            self.passwords.fail(address)
            raise dead_link()
        return await self.pages.open_page(identity)

    def _by_certificate(self, name: str | None) -> Identity:
        if name is None:
            raise no_credentials()
        user = self.store.table.user(name)
        if user is None or not user.is_active:
            raise LoginRefused("the client certificate names no active user", user=user.name if user else None)
        return identity_of_user(user, Proof.CERTIFICATE)

    async def _by_token(self, text: str, address: str) -> Identity:
        """A token cannot be guessed, so a right one passes even while its address has to wait."""
        found = self._known_by(text)
        if found is None:
            self.passwords.check(address)
            if self.pages.shared is not None:  # another node may have given it a moment ago
                await self.pages.shared.refresh()
                found = self._known_by(text)
        if found is None:
            self.passwords.fail(address)
            raise wrong_token()
        return found

    def _known_by(self, text: str) -> Identity | None:
        page = self.pages.identity(text)
        if page is not None:
            return page
        token = self.store.table.token_by_digest(token_digest(text))
        today = self.day()
        if token is None or not token.is_valid_on(today):
            return None
        if token.last_used != today:
            self._used[token.name] = today
        return identity_of_token(token)

    def statistics(self) -> dict[str, int]:
        """Counts since the start, for `/?action=stat`."""
        return {
            "passwords_compared": self.hashing.hashed,
            "logins_refused": self.passwords.refused,
            "logins_held_back": self.passwords.held_back,
        }

    # -- what is kept of use -----------------------------------------------------------------------

    def last_used(self, name: str) -> str | None:
        """The day on which the token was last used."""
        token = self.store.table.token(name)
        return self._used.get(name) or (token.last_used if token is not None else None)

    async def save_use(self) -> None:
        """Write the days of use that are not on disk yet."""
        used, self._used = self._used, {}
        if not used:
            return

        def mark(table: AccountTable) -> tuple[AccountTable, None]:
            for name, day in used.items():
                token = table.token(name)
                if token is not None:
                    table = table.with_token(evolve(token, last_used=day))
            return table, None

        try:
            await self.store.change(mark)
        except TableStoreError as error:
            log.warning("the use of tokens is not kept", cause=str(error))
