"""When each peer is woken. Packets move deadlines all the time, so most of that is put off to the end of a wake-up."""

from collections.abc import Callable
from typing import Generic

from actors.media.peer.deadline_heap import Deadlines
from actors.media.peer.peer import P


class PeerTimers(Generic[P]):
    """The deadlines of all peers. `woken` is called when one may have become the earliest."""

    def __init__(self, woken: Callable[[float], None]) -> None:
        self._deadlines: Deadlines[P] = Deadlines()
        self._unsettled: dict[P, float] = {}
        self._woken = woken

    @property
    def earliest(self) -> float:
        """No peer is due before this; math.inf when none waits."""
        return self._deadlines.earliest

    def due(self, now: float) -> list[P]:
        """The peers whose deadline has come; each is to be scheduled again, or is never woken again."""
        return self._deadlines.due(now)

    def schedule(self, peer: P) -> None:
        """The peer's deadline may have changed. A closed peer has none."""
        if peer.closed:
            return
        when = peer.deadline
        self._deadlines.set(peer, when)
        self._woken(when)

    def put_off(self, peer: P) -> None:
        """What the peer was to be woken for is done: it is not looked at before its next deadline."""
        self._deadlines.remove(peer)
        self.schedule(peer)

    def hasten(self, peer: P, when: float) -> None:
        """The peer has something to do at `when`. If that is sooner than it was to be woken, `settle` sees to it."""
        if when < self._deadlines.entered(peer):
            self._unsettled[peer] = when

    def settle(self) -> None:
        """The wake-up ends. Nobody is woken: the caller looks at `earliest` then."""
        while self._unsettled:
            peer, when = self._unsettled.popitem()
            if not peer.closed:
                self._deadlines.set(peer, when)

    def remove(self, peer: P) -> None:
        self._unsettled.pop(peer, None)
        self._deadlines.remove(peer)
