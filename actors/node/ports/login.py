"""What the nodes of a cluster tell each other about logins."""

from collections.abc import Callable
from typing import Protocol


class NotShared(Exception):
    """The other nodes cannot be reached."""


class LoginPort(Protocol):
    """Secrets that were given to pages and people, by their digests, and failed logins. Implemented by the cluster.

    `table`: which kind of secret; `seconds`: how long it is valid.
    """

    on_failure: Callable[[str], None]
    """Called when somebody has failed to log in on another node, with the address."""
    on_login: Callable[[str], None]
    """The same for one who has logged in."""

    async def put(self, table: str, digest: str, text: str, *, seconds: float) -> None:
        """Any node knows it from now on, if it can be reached."""

    def get(self, table: str, digest: str) -> str | None:
        """What is known of a secret here."""

    def drop(self, table: str, digest: str, *, seconds: float) -> None:
        """It is not valid any more."""

    async def take(self, table: str, digest: str) -> str | None:
        """What is known of a secret, once: then no node knows it. NotShared."""

    async def refresh(self) -> None:
        """Learn now what the other nodes have given; nothing happens if they cannot be reached."""

    def failed(self, address: str) -> None:
        """Somebody has failed to log in here."""

    def logged_in(self, address: str) -> None:
        """Somebody has logged in here."""
