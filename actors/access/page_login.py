"""How people log in to the start page: a token for the page, and the one-time link of `wcs console`."""

import secrets
from collections.abc import Callable

from attrs import frozen

from actors.storage.account_store import AccountStore
from protocol.access.accounts import TOKEN_BYTES, User, new_token
from protocol.access.expiring import ExpiringSecrets
from protocol.access.identity import Identity, Proof, identity_of_user
from protocol.access.roles import Role

PAGE_LIFETIME = 12 * 3600.0
"""Seconds that a page stays logged in."""
MAX_PAGES = 1024
MAX_PAGES_EACH = 64
"""Of one user, or of all who came by links."""
LINK_LIFETIME = 60.0
"""Seconds in which the link of `wcs console` has to be opened."""
MAX_LINKS = 64


@frozen
class _Page:
    """A page that is logged in; `user` is None for one that came by a link."""

    identity: Identity
    user: User | None


class PageLogin:
    """Pages that are logged in, and links that have not been opened yet. A restart of the server forgets both."""

    def __init__(self, store: AccountStore, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        key = secrets.token_bytes(32)
        self._pages: ExpiringSecrets[_Page] = ExpiringSecrets(
            key, lifetime=PAGE_LIFETIME, size=MAX_PAGES, share=MAX_PAGES_EACH
        )
        self._links: ExpiringSecrets[Role] = ExpiringSecrets(key, lifetime=LINK_LIFETIME, size=MAX_LINKS)

    def make_link(self, role: Role) -> str:
        """A secret that is worth one login with this role."""
        secret = secrets.token_urlsafe(TOKEN_BYTES)
        self._links.add(secret, role, self._clock())
        return secret

    def open_link(self, secret: str) -> Identity | None:
        """Who came by the link, the first time it is opened; None for any other secret."""
        role = self._links.take(secret, self._clock())
        return None if role is None else Identity(proof=Proof.LINK, name="console", role=role)

    def open_page(self, who: Identity | User) -> tuple[str, Identity]:
        """A token for a page, and whom it stands for. That of a user ends when the user is changed or removed."""
        user = who if isinstance(who, User) else None
        identity = who if isinstance(who, Identity) else identity_of_user(who)
        token = new_token(secrets.token_bytes(TOKEN_BYTES))
        self._pages.add(token, _Page(identity, user), self._clock(), owner=str(identity))
        return token, identity

    def close_page(self, token: str) -> None:
        """Log out."""
        self._pages.take(token, self._clock())

    def identity(self, token: str) -> Identity | None:
        """Whom the token of a page stands for; None if it is none, or not any more."""
        page = self._pages.get(token, self._clock())
        if page is None or (page.user is not None and self._store.table.user(page.user.name) is not page.user):
            return None
        return page.identity
