"""The names that one node holds, or wants to hold, in the registry of the cluster, and what is to be written there.

    wanted    a stream has the name on this node; the registry does not confirm it yet, or no longer
    held      the registry confirms it
    releases  names given up that the registry may still have: repeated until they are acknowledged

Everything goes in numbered batches, one at a time; of a batch whose reply is lost it is not known whether it was
carried out, so what it held is sent again. The registry ignores a batch with a lower number than the last one.
"""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from enum import Enum
from itertools import islice
from typing import Final

from attrs import frozen

MOST_AT_ONCE: Final = 1_000
"""Names in one batch."""
MOST_ACKNOWLEDGED: Final = 5_000
"""Releases that are remembered after they were acknowledged: a registry that goes back in time has them no longer."""


class ClaimSpace(Enum):
    """What names are of. Each has a table of its own in the registry: a stream and a room may have the same name."""

    PUBLICATIONS = "names"
    ROOMS = "rooms"
    SINGLES = "singles"
    """Other things of which the cluster has one: see `actors.cluster.singles`."""


@frozen
class Named:
    """A stream and its name."""

    name: str
    media_session_id: str


@frozen
class Holder:
    """Who holds a name."""

    member: str
    media_session_id: str

    @classmethod
    def decode(cls, value: str) -> "Holder":
        """As the registry has it: the member, a blank, the id, in which there may be blanks."""
        member, _, media_session_id = value.partition(" ")
        return cls(member, media_session_id)

    def encode(self) -> str:
        return f"{self.member} {self.media_session_id}"


@frozen(kw_only=True)
class Batch:
    """What is written at once. Releases come first."""

    number: int
    releases: tuple[Named, ...]
    claims: tuple[Named, ...]


class BatchFate(Enum):
    """What became of a batch in the registry."""

    DONE = "done"
    FENCED = "fenced"
    """This member's lease is over: the releases are done, the claims are not."""
    STALE = "stale"
    """A later batch was carried out before: nothing of this one."""


@frozen(kw_only=True)
class BatchReply:
    """The registry's reply. `holders`, if it is done: for each claim None, or the other member that holds the name."""

    fate: BatchFate
    holders: tuple[Holder | None, ...] = ()


@frozen(kw_only=True)
class Settled:
    """What a reply means for streams: whose name is confirmed, and whose is another's."""

    confirmed: tuple[Named, ...] = ()
    lost: tuple[tuple[Named, Holder], ...] = ()


class ClaimTable:
    """See above. A name has at most one stream of this node at a time."""

    def __init__(self) -> None:
        self._wanted: dict[str, Named] = {}
        self._held: dict[str, Named] = {}
        self._releases: dict[Named, None] = {}
        self._tried: set[Named] = set()
        """Wanted ones that the registry may have."""
        self._acknowledged: OrderedDict[Named, None] = OrderedDict()
        self._number = 0
        self._doubtful = 0
        """Batches up to this one may have been carried out before the registry lost its data."""

    def __len__(self) -> int:
        return len(self._wanted) + len(self._held)

    @property
    def unconfirmed(self) -> int:
        return len(self._wanted)

    @property
    def unreleased(self) -> int:
        return len(self._releases)

    def is_releasing(self, named: Named) -> bool:
        """Whether the registry may still have it, though it was given up."""
        return named in self._releases

    @property
    def is_due(self) -> bool:
        """Whether there is something to write."""
        return bool(self._wanted or self._releases)

    def want(self, named: Named) -> None:
        """A stream of this node has the name from now on."""
        for before in (self._held.get(named.name), self._wanted.get(named.name)):
            if before is not None and before != named:
                self.drop(before)
        if self._held.get(named.name) != named:
            self._wanted[named.name] = named
            self._releases.pop(named, None)
            self._acknowledged.pop(named, None)

    def drop(self, named: Named) -> None:
        """It has it no longer. Idempotent."""
        if self._held.get(named.name) == named:
            del self._held[named.name]
            self._releases[named] = None
        elif self._wanted.get(named.name) == named:
            del self._wanted[named.name]
            if named in self._tried:
                self._releases[named] = None
        self._tried.discard(named)

    def holds(self, named: Named) -> bool:
        """Whether the registry confirms it."""
        return self._held.get(named.name) == named

    def distrust(self) -> None:
        """What the registry confirmed may no longer be there, and what was released be there again: write it again."""
        self._doubtful = self._number
        self._releases.update(self._acknowledged)
        self._acknowledged.clear()
        self._tried.update(self._held.values())
        self._wanted = {**self._held, **self._wanted}
        self._held = {}

    def next_batch(self) -> Batch | None:
        """What to write now; None: nothing. One batch at a time: the next one after `settle`, or `next_batch` again."""
        if not self.is_due:
            return None
        self._number += 1
        releases = tuple(islice(self._releases, MOST_AT_ONCE))
        claims = tuple(islice(self._wanted.values(), MOST_AT_ONCE))
        self._tried.update(claims)
        return Batch(number=self._number, releases=releases, claims=claims)

    def settle(self, batch: Batch, reply: BatchReply) -> Settled:
        """Take in the reply to the latest batch."""
        if reply.fate is BatchFate.STALE:
            return Settled()
        if batch.number <= self._doubtful:
            return Settled()
        self._forget_releases(batch.releases)
        if reply.fate is BatchFate.FENCED:
            return Settled()
        return self._settle_claims(batch.claims, reply.holders)

    def _forget_releases(self, releases: Iterable[Named]) -> None:
        for named in releases:
            self._releases.pop(named, None)
            if self._wanted.get(named.name) != named:
                self._acknowledged[named] = None
        while len(self._acknowledged) > MOST_ACKNOWLEDGED:
            self._acknowledged.popitem(last=False)

    def _settle_claims(self, claims: Sequence[Named], holders: Sequence[Holder | None]) -> Settled:
        confirmed, lost = [], []
        for named, holder in zip(claims, holders, strict=True):
            if self._wanted.get(named.name) != named:
                continue  # given up meanwhile; its release is to be written, if it got the name
            del self._wanted[named.name]
            self._tried.discard(named)
            if holder is None:
                self._held[named.name] = named
                confirmed.append(named)
            else:
                lost.append((named, holder))
        return Settled(confirmed=tuple(confirmed), lost=tuple(lost))
