"""Who publishes under which name.

    request   a stream wants the name; others may want it too, until the backend allows one of them
    take      the stream is allowed: it holds the name until it releases it
    announce  its broadcast can be played

A request blocks nobody: a stream that the backend refuses in the end has not kept the name from others. It only lets
players wait for what may become a broadcast. What is awaited here is answered at once; the directory of a cluster
(`actors.cluster.directory`) asks the others, so streams must handle an answer that arrives together with their stop.
"""

import math
from typing import ClassVar, Generic, TypeVar

import trio

B = TypeVar("B")


class NameInUse(Exception):
    """Another stream holds this name."""


class NameUnavailable(NameInUse):
    """Whether another node holds this name cannot be found out now, and so it is not given."""


class NotPublished(Exception):
    """Nobody publishes under this name."""


class PublishedElsewhere(NotPublished):
    """Nobody on this node: another node has it, or may have it."""


class NotReady(Exception):
    """A stream holds or wants the name, but its media did not start while we waited."""


class Claim(Generic[B]):
    """One stream's request for a name, and its hold on it once taken."""

    def __init__(self, directory: "Directory[B]", name: str, media_session_id: str) -> None:
        self.name = name
        self.media_session_id = media_session_id
        self.broadcast: B | None = None
        self._directory = directory

    async def take(self) -> None:
        """Hold the name from now on. Raises NameInUse if another stream was faster, or NameUnavailable. Idempotent."""
        await self._directory.hold(self)

    def announce(self, broadcast: B) -> None:
        """The broadcast can be played from now on."""
        self.broadcast = broadcast
        self._directory.changed(self.name)

    def release(self) -> None:
        """Give the name back at once; another stream may take it before the caller continues. Idempotent."""
        self.broadcast = None
        self._directory.forget(self)


class _Place(Generic[B]):
    """Everything known about one name."""

    def __init__(self) -> None:
        self.claims: set[Claim[B]] = set()
        self.holder: Claim[B] | None = None
        self.changed = trio.Event()

    @property
    def broadcast(self) -> B | None:
        return self.holder.broadcast if self.holder is not None else None


class Directory(Generic[B]):
    """The names of this node."""

    is_shared: ClassVar[bool] = False
    """Whether other nodes have names too."""

    def __init__(self) -> None:
        self._places: dict[str, _Place[B]] = {}

    def __len__(self) -> int:
        """How many names are held or asked for."""
        return len(self._places)

    async def request(self, name: str, media_session_id: str) -> Claim[B]:
        """Ask for `name` for the stream `media_session_id`. Raises NameInUse if it is held already."""
        place = self._places.get(name)
        if place is not None and place.holder is not None:
            raise NameInUse(name)
        claim = Claim(self, name, media_session_id)
        self._places.setdefault(name, _Place()).claims.add(claim)
        return claim

    def is_announced(self, name: str) -> bool:
        """Whether a player would find a running broadcast under `name` now."""
        place = self._places.get(name)
        return place is not None and place.broadcast is not None

    async def is_available(self, name: str) -> bool:
        """The same for a player of any node."""
        return self.is_announced(name)

    async def locate(self, name: str, *, timeout: float = math.inf) -> B:
        """The broadcast under `name`, waiting at most `timeout` seconds for its media.

        Raises NotPublished when nobody holds or wants the name (or the last one gives it up while we wait),
        PublishedElsewhere when another node has it, and NotReady when time runs out.
        """
        return await self.locate_here(name, timeout=timeout)

    async def locate_here(self, name: str, *, timeout: float = math.inf) -> B:
        """The same of this node alone."""
        # A page's publish and play arrive back to back: let the first stream make its request first.
        await trio.lowlevel.checkpoint()
        with trio.move_on_after(timeout):
            while (place := self._places.get(name)) is not None:
                if place.broadcast is not None:
                    return place.broadcast
                await place.changed.wait()
            raise NotPublished(name)
        raise NotReady(name)

    async def find_elsewhere(self, name: str) -> B | None:
        """The broadcast that another node has under this name, brought here; None: nobody on this node need ask."""
        return None

    def holder_of(self, name: str) -> Claim[B] | None:
        """Who of this node holds a name."""
        place = self._places.get(name)
        return None if place is None else place.holder

    # -- called by claims --------------------------------------------------------------------------

    async def hold(self, claim: Claim[B]) -> None:
        """See `Claim.take`."""
        self.give(claim)

    def give(self, claim: Claim[B]) -> None:
        """Let `claim` hold its name, unless it has been released because its stream ended. Raises NameInUse."""
        place = self._places.get(claim.name)
        if place is None or claim not in place.claims:
            return
        if place.holder not in (None, claim):
            raise NameInUse(claim.name)
        place.holder = claim

    def is_holder(self, claim: Claim[B]) -> bool:
        """Whether `claim` holds its name."""
        place = self._places.get(claim.name)
        return place is not None and place.holder is claim

    def changed(self, name: str) -> None:
        """Wake those who wait for a broadcast under `name`."""
        place = self._places[name]
        place.changed.set()
        place.changed = trio.Event()

    def forget(self, claim: Claim[B]) -> None:
        """Drop a released claim."""
        place = self._places.get(claim.name)
        if place is None or claim not in place.claims:
            return
        place.claims.discard(claim)
        if place.holder is claim:
            place.holder = None
        if place.claims:
            self.changed(claim.name)
        else:
            del self._places[claim.name]
            place.changed.set()
