"""Slow hashes of passwords: argon2id, one at a time, in a thread.

One at a time, because each takes a core and its cache for a tenth of a second, and media needs the cores. The hash
releases Python's lock while it runs, so the event loop goes on.
"""

import base64
import secrets
from functools import partial

import trio
from argon2.exceptions import Argon2Error, InvalidHashError
from argon2.low_level import ARGON2_VERSION, Type, hash_secret, verify_secret

TIME_COST = 2
MEMORY_COST = 19 * 1024
"""KiB. These two with one lane are the least that OWASP's "Password Storage Cheat Sheet" recommends."""
HASH_LENGTH = 32
SALT_LENGTH = 16


class PasswordHashing:
    """Makes and compares hashes. `hashed`: how many were made or compared so far."""

    def __init__(self) -> None:
        self._limiter = trio.CapacityLimiter(1)
        self._dummy = _hash_of_nothing()
        self.hashed = 0

    @property
    def waiting(self) -> int:
        """How many wait for the thread."""
        return self._limiter.statistics().tasks_waiting

    async def hash(self, password: str) -> str:
        """The hash of a password, with a new salt."""
        self.hashed += 1
        return await trio.to_thread.run_sync(_hash, password, limiter=self._limiter)

    async def matches(self, password: str, known: str | None) -> bool:
        """Whether `known` is the hash of the password. None: there is no such user, which takes as long to find out."""
        self.hashed += 1
        compare = partial(_matches, password, known or self._dummy)
        return await trio.to_thread.run_sync(compare, limiter=self._limiter) and known is not None


def _hash(password: str) -> str:
    return hash_secret(
        _bytes(password),
        secrets.token_bytes(SALT_LENGTH),
        time_cost=TIME_COST,
        memory_cost=MEMORY_COST,
        parallelism=1,
        hash_len=HASH_LENGTH,
        type=Type.ID,
    ).decode()


def _hash_of_nothing() -> str:
    """What has the form of a hash, and that no password has: it costs as much to compare."""
    salt, digest = (_text(secrets.token_bytes(length)) for length in (SALT_LENGTH, HASH_LENGTH))
    return f"$argon2id$v={ARGON2_VERSION}$m={MEMORY_COST},t={TIME_COST},p=1${salt}${digest}"


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _matches(password: str, known: str) -> bool:
    try:
        return verify_secret(known.encode(), _bytes(password), Type.ID)
    except (Argon2Error, InvalidHashError):
        return False


def _bytes(password: str) -> bytes:
    return password.encode(errors="surrogatepass")
