"""Secrets that are valid for a while: only their digests are kept, in a bounded table.

The time is passed in, in seconds of any monotonic clock.
"""

import hashlib
from typing import Generic, TypeVar

from attrs import frozen

T = TypeVar("T")


@frozen
class _KeptSecret(Generic[T]):
    value: T
    expires: float


class ExpiringSecrets(Generic[T]):
    """Values by secret. `key`: random bytes, so that the digests mean nothing outside this process.

    Beyond `size`, the one that was added first is forgotten.
    """

    def __init__(self, key: bytes, *, lifetime: float, size: int) -> None:
        self._key = key
        self._lifetime = lifetime
        self._size = size
        self._entries: dict[bytes, _KeptSecret[T]] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def digest(self, secret: str) -> bytes:
        return hashlib.blake2b(secret.encode(errors="surrogatepass"), key=self._key, digest_size=32).digest()

    def add(self, secret: str, value: T, now: float) -> None:
        """Remember `value` for `lifetime` seconds."""
        digest = self.digest(secret)
        self._entries.pop(digest, None)
        while self._entries and (len(self._entries) >= self._size or self._oldest().expires <= now):
            del self._entries[next(iter(self._entries))]
        self._entries[digest] = _KeptSecret(value, now + self._lifetime)

    def get(self, secret: str, now: float) -> T | None:
        """The value, while the secret is valid."""
        entry = self._entries.get(self.digest(secret))
        return None if entry is None or entry.expires <= now else entry.value

    def take(self, secret: str, now: float) -> T | None:
        """As `get`, and the secret is not valid any more."""
        value = self.get(secret, now)
        self._entries.pop(self.digest(secret), None)
        return value

    def _oldest(self) -> _KeptSecret[T]:
        return next(iter(self._entries.values()))
