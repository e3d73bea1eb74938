"""Viewers that join between two key frames of a long picture group: they get all since the last one, in slices.

What a capture keeps for them is up to 8 MiB, 50 ms of work; in one pass it would delay everybody else's packets. So a
pass sends SLICE packets, and the next pass goes on. A viewer joins its fan-out when it has got the newest packet, in
the same pass, so that every packet reaches it once, and in order.

They are served one after the other, and each begins with what is the last key frame when it is its turn: however many
join at once, what a viewer is being sent is not forgotten meanwhile, and all together get little more than they need.
"""

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import trio

SLICE: Final = 256
"""Packets of the past that are sent in a pass, at 8 µs each."""


class Behind(Protocol):
    """A viewer that has yet to catch up."""

    has_caught_up: bool

    def send_past(self, most: int) -> int:
        """Send up to so many packets of the past; how many it were. None only if it has caught up then."""


class CatchUps:
    """All viewers of a plane that are catching up, or wait for their turn."""

    def __init__(self) -> None:
        self._behind: deque[Behind] = deque()
        self._left = SLICE
        self._idle = trio.lowlevel.ParkingLot()

    def __len__(self) -> int:
        return len(self._behind)

    def add(self, viewer: Behind) -> None:
        """It begins at once, if this pass has room and nobody waits."""
        self._behind.append(viewer)
        if len(self._behind) == 1:
            self._advance()
        if self._behind:
            self._idle.unpark()

    def discard(self, viewer: Behind) -> None:
        """It gets no more of the past."""
        if viewer in self._behind:
            self._behind.remove(viewer)

    def end_pass(self) -> None:
        """Others have had their turn: there is room again."""
        self._left = SLICE

    def go_on(self) -> None:
        """What a pass of its own sends."""
        self.end_pass()
        self._advance()

    async def until_wanted(self) -> None:
        """Wait until somebody is behind, and others have had their turn."""
        await trio.lowlevel.checkpoint()
        if not self._behind:
            await self._idle.park()

    def _advance(self) -> None:
        while self._behind and self._left:
            viewer = self._behind[0]
            try:
                self._left -= viewer.send_past(self._left)
            except Exception:
                self.discard(viewer)  # or all others would wait behind it for ever
                raise
            if viewer.has_caught_up:
                self.discard(viewer)


class CatchUp:
    """A viewer's way from the last key frame of a track to its newest packet.

    `begin`: called when it is its turn, gives the number with which it begins; None: there is nothing to begin with
    any more, and it is none of ours. `send`: sends it the packet of this number; `newest`: the newest number; `arrive`:
    called when it is there.
    """

    def __init__(
        self,
        begin: Callable[[], int | None],
        newest: Callable[[], int],
        send: Callable[[int], None],
        arrive: Callable[[], None],
    ) -> None:
        self.has_caught_up = False
        self._next = -1
        self._begin = begin
        self._newest = newest
        self._send = send
        self._arrive = arrive

    def send_past(self, most: int) -> int:
        """See `Behind`."""
        if self._next < 0:
            start = self._begin()
            if start is None:
                self.has_caught_up = True
                return 0
            self._next = start
        first, newest = self._next, self._newest()
        self._next = min(newest + 1, first + most)
        for number in range(first, self._next):
            self._send(number)
        if self._next > newest:
            self.has_caught_up = True
            self._arrive()
        return self._next - first
