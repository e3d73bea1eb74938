"""Requests of REST that may be repeated to any node of a cluster, and are carried out by one: those with a key."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from attrs import field, frozen


@frozen
class KeptResponse:
    """An answer as it was sent."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def size(self) -> int:
        """About its bytes."""
        return len(self.body) + sum(len(name) + len(value) for name, value in self.headers.items())


Recall = Callable[[str, bytes], Awaitable[KeptResponse | None]]
"""The answer to the request that has this place and fingerprint, once there is one. None: there is none, or not yet.

Raises RestError (422) if the request was a different one.
"""


class KeyedRequests(Protocol):
    """`place`: a digest of a key and of whose it is."""

    def serve(self, recall: Recall) -> None:
        """Other nodes get this node's answers from there."""

    async def answer_of_others(self, place: str, fingerprint: bytes) -> KeptResponse | None:
        """What another node has answered. None: this node is to carry it out, and has it until `forget`.

        Raises RestError (422) if it was a different request, or NodesSilent.
        """

    def forget(self, place: str) -> None:
        """The answer is not kept any more, or there was none. Never waits; idempotent."""
