"""Secrets that are valid for a while: only their digests are kept, in a bounded table.

The time is passed in, in seconds of any monotonic clock.
"""

import hashlib
from collections import Counter
from collections.abc import Callable
from typing import Generic, TypeVar

from attrs import frozen

T = TypeVar("T")


@frozen
class _KeptSecret(Generic[T]):
    value: T
    expires: float
    owner: str


class ExpiringSecrets(Generic[T]):
    """Values by secret. `key`: random bytes, so that the digests mean nothing outside this process.

    Beyond `share` of one owner, and beyond `size` of all of them, one is forgotten: the first of that owner, or of the
    owner who has most.
    """

    def __init__(self, key: bytes, *, lifetime: float, size: int, share: int | None = None) -> None:
        self.on_forget: Callable[[T], None] = lambda value: None
        """Called for each that is not valid any more, or was taken."""
        self._key = key
        self._lifetime = lifetime
        self._size = size
        self._share = size if share is None else share
        self._owners: Counter[str] = Counter()
        self._entries: dict[bytes, _KeptSecret[T]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def digest(self, secret: str) -> bytes:
        return hashlib.blake2b(secret.encode(errors="surrogatepass"), key=self._key, digest_size=32).digest()

    def add(self, secret: str, value: T, now: float, *, owner: str = "") -> None:
        """Remember `value` for `lifetime` seconds."""
        digest = self.digest(secret)
        self._forget(digest)
        while self._entries and self._entries[next(iter(self._entries))].expires <= now:
            self._forget(next(iter(self._entries)))
        if self._owners[owner] >= self._share:
            self._forget_first_of(owner)
        elif len(self._entries) >= self._size:
            self._forget_first_of(max(self._owners, key=self._owners.__getitem__))
        self._entries[digest] = _KeptSecret(value, now + self._lifetime, owner)
        self._owners[owner] += 1

    def get(self, secret: str, now: float) -> T | None:
        """The value, while the secret is valid."""
        entry = self._entries.get(self.digest(secret))
        return None if entry is None or entry.expires <= now else entry.value

    def take(self, secret: str, now: float) -> T | None:
        """As `get`, and the secret is not valid any more."""
        value = self.get(secret, now)
        self._forget(self.digest(secret))
        return value

    def _forget_first_of(self, owner: str) -> None:
        self._forget(next(digest for digest, entry in self._entries.items() if entry.owner == owner))

    def _forget(self, digest: bytes) -> None:
        entry = self._entries.pop(digest, None)
        if entry is not None:
            self._owners[entry.owner] -= 1
            self._owners += Counter()  # forgets those at zero
            self.on_forget(entry.value)
