"""Who publishes under which name.

A name belongs to one stream from its claim to its release; in between, the stream announces its broadcast, and from
then on players find it. Both questions are asked with `await` although they are answered here and at once: a
directory shared by several nodes would have to ask over the network.
"""

import math
from typing import Generic, TypeVar

import trio

B = TypeVar("B")


class NameInUse(Exception):
    """Another stream holds this name."""


class NotPublished(Exception):
    """Nobody publishes under this name."""


class NotReady(Exception):
    """Somebody holds the name, but their media did not come up while we waited."""


class Claim(Generic[B]):
    """One stream's hold on a name."""

    def __init__(self, directory: "Directory[B]", name: str, media_session_id: str) -> None:
        self.name = name
        self.media_session_id = media_session_id
        self.broadcast: B | None = None
        self.settled = trio.Event()
        """Set once the claim is announced or released."""
        self._directory = directory

    def announce(self, broadcast: B) -> None:
        """The broadcast can be played from now on."""
        self.broadcast = broadcast
        self.settled.set()

    def release(self) -> None:
        """Give the name back, at once; another stream may claim it before this call's caller goes on. Idempotent."""
        self.broadcast = None
        self.settled.set()
        self._directory.forget(self)


class Directory(Generic[B]):
    """The names of this node."""

    def __init__(self) -> None:
        self._claims: dict[str, Claim[B]] = {}

    def __len__(self) -> int:
        return len(self._claims)

    async def claim(self, name: str, media_session_id: str) -> Claim[B]:
        """Take `name` for the stream `media_session_id`. Raises NameInUse."""
        if name in self._claims:
            raise NameInUse(name)
        claim = Claim(self, name, media_session_id)
        self._claims[name] = claim
        return claim

    def is_announced(self, name: str) -> bool:
        """Whether a player would find a running broadcast under `name` now."""
        claim = self._claims.get(name)
        return claim is not None and claim.broadcast is not None

    async def locate(self, name: str, *, timeout: float = math.inf) -> B:
        """The broadcast under `name`, waiting at most `timeout` seconds for its media.

        Raises NotPublished when nobody holds the name (or gives it up while we wait) and NotReady when time runs out.
        """
        # A publish and a play of one page arrive back to back: let the stream that came first make its claim first.
        await trio.lowlevel.checkpoint()
        claim = self._claims.get(name)
        if claim is None:
            raise NotPublished(name)
        with trio.move_on_after(timeout) as patience:
            await claim.settled.wait()
        if patience.cancelled_caught:
            raise NotReady(name)
        if claim.broadcast is None:
            raise NotPublished(name)
        return claim.broadcast

    def forget(self, claim: Claim[B]) -> None:
        """Drop a released claim; called by `Claim.release`."""
        if self._claims.get(claim.name) is claim:
            del self._claims[claim.name]
