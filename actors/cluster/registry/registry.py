"""What a node asks of the registry: implemented over Redis, and in memory for tests."""

from collections.abc import Callable, Sequence
from typing import Final, Protocol

from actors.cluster.registry.rows import RowRegistry
from protocol.cluster.claims import Batch, BatchReply, ClaimSpace, Holder
from protocol.cluster.members import Beat
from protocol.cluster.scripts import Joined, LogEntry, Sent

PUBLICATIONS: Final = ClaimSpace.PUBLICATIONS


class RegistryUnavailable(Exception):
    """The registry does not answer. What was asked may have been done, or may be done yet."""


class Registry(Protocol):
    """Every method raises RegistryUnavailable. What each does: see its script in `protocol.cluster.scripts`.

    `space`: what the names are of.
    """

    @property
    def rows(self) -> RowRegistry:
        """The shared tables."""

    async def join(self, *, node: str, place: str, info: str) -> Joined: ...
    async def beat(self, *, member: str, place: str, info: str, boot: str) -> Beat: ...
    async def write(self, member: str, batch: Batch, *, space: ClaimSpace = PUBLICATIONS) -> BatchReply: ...
    async def locate(self, name: str, *, space: ClaimSpace = PUBLICATIONS) -> Holder | None: ...
    async def send(self, text: str, *, logged: bool) -> Sent:
        """To all members, this one included."""

    async def tell(self, member: str, text: str) -> None:
        """To one member."""

    async def reply(self, member: str, text: str) -> None:
        """The same, at the end of a task that may wait for it in any case: it is not cancelled before it is done."""

    async def read_log(self, after: str) -> Sequence[LogEntry]:
        """The next entries of the log; none: that was the last page."""

    async def purge(self, cursor: int, *, space: ClaimSpace = PUBLICATIONS) -> int: ...
    async def leave(self, member: str) -> None: ...

    async def listen(
        self, member: str, *, on_open: Callable[[], None], on_message: Callable[[str | None, str], None]
    ) -> None:
        """Hear what is sent to all and what is told to `member`, until it fails: with the id in the log, or None.

        `on_open`: from here on nothing is missed.
        """
