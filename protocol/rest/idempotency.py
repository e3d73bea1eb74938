"""Requests that a caller may repeat without their being carried out twice: the header `Idempotency-Key`.

The first request with a key is carried out; for some minutes, the same request with the same key gets the same answer
again, and another request with that key is an error. After draft-ietf-httpapi-idempotency-key-header.
"""

import hashlib
import re
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Final, Generic, TypeVar

from attrs import define

from protocol.rest.errors import RestError, bad_request

HEADER: Final = "Idempotency-Key"
KEPT_SECONDS: Final = 600.0
MAX_KEYS: Final = 1000
MAX_KEYS_PER_CALLER: Final = 250
MAX_KEPT_BYTES: Final = 16 * 1024 * 1024
"""Of all answers together."""
MAX_ANSWER: Final = 64 * 1024
"""Bytes; a larger answer is not kept."""

_KEY: Final = re.compile(r"[\x21-\x7e]{1,255}")

A = TypeVar("A")


def read_key(values: Sequence[str]) -> str | None:
    """The key in the header's values, with or without quotes; None if it is not given. RestError (400) if invalid."""
    if not values:
        return None
    if len(values) > 1:
        raise bad_request(f"{HEADER} is given twice", key=HEADER)
    key = values[0].strip()
    if len(key) > 1 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not _KEY.fullmatch(key):
        raise bad_request(f"{HEADER} must be 1 to 255 visible ASCII characters", key=HEADER)
    return key


def fingerprint(*parts: bytes) -> bytes:
    """A digest that tells requests apart."""
    return hashlib.sha256(b"".join(len(part).to_bytes(8) + part for part in parts)).digest()


@define(eq=False)
class KeptAnswer(Generic[A]):
    """A request that is being carried out, or the answer to it."""

    caller: str
    fingerprint: bytes
    expires: float
    answer: A | None = None
    """None: it is being carried out."""
    size: int = 0
    """Bytes of the answer."""


class IdempotencyKeys(Generic[A]):
    """The keys in use: a bounded number in all, and for each caller. Beyond it, the oldest answer is forgotten; so
    it is beyond the bytes that all answers may have.

    Those of one caller are nothing to another. `forgotten` is told the caller and the key of each that goes.
    """

    def __init__(self, forgotten: Callable[[str, str], None] = lambda caller, key: None) -> None:
        self._forgotten = forgotten
        self._kept: OrderedDict[tuple[str, str], KeptAnswer[A]] = OrderedDict()
        self._counts: dict[str, int] = {}
        self._size = 0

    def __len__(self) -> int:
        return len(self._kept)

    def find(self, caller: str, key: str, fingerprint: bytes, now: float) -> KeptAnswer[A] | None:
        """What is known of an earlier request with this key. RestError (422) if that was a different one."""
        self._forget_expired(now)
        kept = self._kept.get((caller, key))
        if kept is not None and kept.fingerprint != fingerprint:
            raise RestError(
                HTTPStatus.UNPROCESSABLE_ENTITY, f"this {HEADER} was used for a different request", key=HEADER
            )
        return kept

    def begin(self, caller: str, key: str, fingerprint: bytes, now: float) -> KeptAnswer[A]:
        """A request with a new key is about to be carried out. Then call `keep`, or `forget`.

        RestError (503) if too many are being carried out.
        """
        if self._counts.get(caller, 0) >= MAX_KEYS_PER_CALLER:
            self._drop_oldest(caller)
        elif len(self._kept) >= MAX_KEYS:
            self._drop_oldest(max(self._counts, key=self._counts.__getitem__))
        kept = KeptAnswer[A](caller, fingerprint, now + KEPT_SECONDS)
        self._kept[caller, key] = kept
        self._counts[caller] = self._counts.get(caller, 0) + 1
        return kept

    def keep(self, key: str, kept: KeptAnswer[A], answer: A, size: int) -> bool:
        """The request was carried out, with this answer of `size` bytes. False: it is too large, and forgotten.

        Beyond the bytes that all answers may have, the caller whose answers have the most loses its oldest.
        """
        if size > MAX_ANSWER:
            self.forget(kept.caller, key)
            return False
        while self._size + size > MAX_KEPT_BYTES:
            self._drop_oldest(self._largest_holder())
        kept.answer = answer
        if self._kept.get((kept.caller, key)) is kept:  # it may have expired meanwhile
            kept.size = size
            self._size += size
        return True

    def forget(self, caller: str, key: str) -> None:
        """The request was not carried out: it may be repeated. Idempotent."""
        kept = self._kept.pop((caller, key), None)
        if kept is None:
            return
        self._forgotten(caller, key)
        self._size -= kept.size
        self._counts[caller] -= 1
        if not self._counts[caller]:
            del self._counts[caller]

    def _largest_holder(self) -> str:
        sizes: Counter[str] = Counter()
        for kept in self._kept.values():
            sizes[kept.caller] += kept.size
        return sizes.most_common(1)[0][0]

    def _drop_oldest(self, caller: str) -> None:
        answered = (place for place, kept in self._kept.items() if place[0] == caller and kept.answer is not None)
        oldest = next(answered, None)
        if oldest is None:
            raise RestError(HTTPStatus.SERVICE_UNAVAILABLE, f"too many requests with {HEADER} at a time", key=HEADER)
        self.forget(*oldest)

    def _forget_expired(self, now: float) -> None:
        while self._kept:
            place, kept = next(iter(self._kept.items()))
            if kept.expires > now:
                return
            self.forget(*place)
