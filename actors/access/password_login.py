"""Logging in with a name and a password: what it may cost, and how long it is remembered."""

import secrets
from collections import Counter
from collections.abc import Callable

import trio
from attrs import define, field

from actors.access.password_hash import PasswordHashing
from actors.node.ports.login import LoginPort
from actors.storage.account_store import AccountStore
from config.media_addresses import client_key
from protocol.access.accounts import User
from protocol.access.credentials import Basic
from protocol.access.expiring import ExpiringSecrets
from protocol.access.refusals import LoginRefused, too_many_failures, too_many_logins, wrong_password
from protocol.access.throttle import Throttle

REMEMBERED_FOR = 300.0
"""Seconds in which the same name and password need no hash."""
MAX_REMEMBERED = 1024
MAX_WAITING = 8
"""Passwords that wait for the one that is being compared."""
MAX_PER_ADDRESS = 4
"""Passwords of one address that wait or are being compared."""
MAX_CLIENT = 64
"""Characters of an address that another node tells of."""


@define(eq=False)
class _PasswordComparison:
    """One that is under way, for all who have sent the same name and password. Without a refusal it was broken off."""

    ended: trio.Event = field(factory=trio.Event)
    refusal: LoginRefused | None = None


class PasswordLogin:
    """Compares passwords. Backends send theirs with every request, so a right one is remembered for a while."""

    def __init__(self, store: AccountStore, hashing: PasswordHashing, clock: Callable[[], float]) -> None:
        self._store = store
        self._hashing = hashing
        self._clock = clock
        self.shared: LoginPort | None = None
        self._throttle = Throttle()
        self._remembered: ExpiringSecrets[User] = ExpiringSecrets(
            secrets.token_bytes(32), lifetime=REMEMBERED_FOR, size=MAX_REMEMBERED
        )
        self._comparing: dict[bytes, _PasswordComparison] = {}
        self._busy: Counter[str] = Counter()
        self.refused = 0
        """Logins that failed: wrong passwords, tokens and links."""
        self.held_back = 0
        """Logins that were not tried, because there were too many."""

    async def log_in(self, given: Basic, address: str) -> User:
        """The user with this password. LoginRefused: 401, or 429 before anything is compared."""
        secret = f"{given.name}:{given.password}"
        while (user := self._recall(secret)) is None:
            same = self._comparing.get(self._remembered.digest(secret))
            if same is None:
                return await self._compare(given, secret, client_key(address))
            await same.ended.wait()
            if same.refusal is not None:
                raise wrong_password(same.refusal.user)
        return user

    def fail(self, address: str) -> None:
        """Count a failure of another kind of login, such as a wrong token."""
        self._count_failure(client_key(address))

    def check(self, address: str) -> None:
        """LoginRefused (429) while the address has to wait."""
        self._check_wait(client_key(address))

    def failed_elsewhere(self, client: str) -> None:
        """Count a failure on another node of the cluster."""
        self._throttle.fail(client[:MAX_CLIENT], self._clock())

    def logged_in_elsewhere(self, client: str) -> None:
        self._throttle.succeed(client)

    def _recall(self, secret: str) -> User | None:
        """The user, if the password was right lately and the user has not been changed since."""
        user = self._remembered.get(secret, self._clock())
        return user if user is not None and self._store.table.user(user.name) is user else None

    async def _compare(self, given: Basic, secret: str, client: str) -> User:
        self._check_wait(client)
        self._check_room(client)
        digest = self._remembered.digest(secret)
        comparison = self._comparing[digest] = _PasswordComparison()
        self._busy[client] += 1
        try:
            return await self._compared(given, secret, client)
        except LoginRefused as refused:
            comparison.refusal = refused
            raise
        finally:
            self._busy[client] -= 1
            self._busy += Counter()  # forgets those at zero
            del self._comparing[digest]
            comparison.ended.set()

    def _check_wait(self, client: str) -> None:
        wait = self._throttle.wait(client, self._clock())
        if wait > 0:
            self.held_back += 1
            raise too_many_failures(wait)

    def _check_room(self, client: str) -> None:
        if self._busy.total() > MAX_WAITING or self._busy[client] >= MAX_PER_ADDRESS:
            self.held_back += 1
            raise too_many_logins()

    def _count_failure(self, client: str) -> None:
        self.refused += 1
        self._throttle.fail(client, self._clock())
        if self.shared is not None:
            self.shared.failed(client)

    async def _compared(self, given: Basic, secret: str, client: str) -> User:
        user = self._store.table.user(given.name)
        is_right = await self._hashing.matches(given.password, user.password_hash if user is not None else None)
        if user is None or not is_right or not user.is_active:
            self._count_failure(client)
            raise wrong_password(user.name if user is not None else None)
        self._throttle.succeed(client)
        if self.shared is not None:
            self.shared.logged_in(client)
        self._remembered.add(secret, user, self._clock())
        return user
