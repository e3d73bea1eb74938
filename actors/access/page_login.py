"""How people log in to the start page: a token for the page, and the one-time link of `wcs console`."""

import secrets
from collections.abc import Callable

from attrs import frozen

from actors.node.ports.login import LoginPort, NotShared
from actors.storage.account_store import AccountStore
from protocol.access.accounts import TOKEN_BYTES, User, new_token, token_digest
from protocol.access.expiring import ExpiringSecrets
from protocol.access.identity import Identity, PageOwner, Proof, identity_of_user
from protocol.access.roles import Role

PAGE_LIFETIME = 12 * 3600.0
"""Seconds that a page stays logged in."""
MAX_PAGES = 1024
MAX_PAGES_EACH = 64
"""Of one user, or of all who came by links."""
LINK_LIFETIME = 60.0
"""Seconds in which the link of `wcs console` has to be opened."""
MAX_LINKS = 64


PAGES, LINKS = "pages", "links"
"""As the nodes of a cluster call them."""


@frozen
class _Page:
    """A page that is logged in; `user` is None for one that came by a link. `digest`: of its token."""

    identity: Identity
    user: User | None
    digest: str


class PageLogin:
    """Pages that are logged in, and links that have not been opened yet. A restart of the server forgets both.

    In a cluster, any node knows those of the others.
    """

    def __init__(self, store: AccountStore, clock: Callable[[], float]) -> None:
        self.shared: LoginPort | None = None
        self._store = store
        self._clock = clock
        key = secrets.token_bytes(32)
        self._pages: ExpiringSecrets[_Page] = ExpiringSecrets(
            key, lifetime=PAGE_LIFETIME, size=MAX_PAGES, share=MAX_PAGES_EACH
        )
        self._pages.on_forget = self._forgotten
        self._links: ExpiringSecrets[Role] = ExpiringSecrets(key, lifetime=LINK_LIFETIME, size=MAX_LINKS)

    async def make_link(self, role: Role) -> str:
        """A secret that is worth one login with this role."""
        secret = secrets.token_urlsafe(TOKEN_BYTES)
        self._links.add(secret, role, self._clock())
        if self.shared is not None:
            await self.shared.put(LINKS, token_digest(secret), str(role), seconds=LINK_LIFETIME)
        return secret

    async def open_link(self, secret: str) -> Identity | None:
        """Who came by the link, the first time it is opened; None for any other secret."""
        role = self._links.take(secret, self._clock())
        if self.shared is not None:
            try:
                text = await self.shared.take(LINKS, token_digest(secret))
                role = None if text is None else Role.parse(text)
            except NotShared:  # then it is worth a login on the node that has made it
                self.shared.drop(LINKS, token_digest(secret), seconds=LINK_LIFETIME)
        return None if role is None else Identity(proof=Proof.LINK, name="console", role=role)

    async def open_page(self, who: Identity | User) -> tuple[str, Identity]:
        """A token for a page, and whom it stands for. That of a user ends when the user is changed or removed."""
        user = who if isinstance(who, User) else None
        identity = who if isinstance(who, Identity) else identity_of_user(who)
        token = new_token(secrets.token_bytes(TOKEN_BYTES))
        page = _Page(identity, user, token_digest(token))
        self._pages.add(token, page, self._clock(), owner=str(identity))
        if self.shared is not None:
            owner = PageOwner(identity, None if user is None else user.digest)
            await self.shared.put(PAGES, page.digest, owner.encode(), seconds=PAGE_LIFETIME)
        return token, identity

    async def close_page(self, token: str) -> None:
        """Log out."""
        self._pages.take(token, self._clock())
        if self.shared is not None:
            self.shared.drop(PAGES, token_digest(token), seconds=PAGE_LIFETIME)
            await self.shared.refresh()

    def identity(self, token: str) -> Identity | None:
        """Whom the token of a page stands for; None if it is none, or not any more."""
        if self.shared is not None:
            return self._shared_identity(self.shared.get(PAGES, token_digest(token)))
        page = self._pages.get(token, self._clock())
        if page is None or (page.user is not None and self._store.table.user(page.user.name) is not page.user):
            return None
        return page.identity

    def _shared_identity(self, text: str | None) -> Identity | None:
        owner = None if text is None else PageOwner.decode(text)
        if owner is None or owner.user_digest is None:
            return None if owner is None else owner.identity
        user = self._store.table.user(owner.identity.name)
        return owner.identity if user is not None and user.digest == owner.user_digest else None

    def _forgotten(self, page: _Page) -> None:
        if self.shared is not None:
            self.shared.drop(PAGES, page.digest, seconds=PAGE_LIFETIME)
