"""A few places for connections, which nobody can occupy by keeping the server waiting.

When all are taken, a new connection gets the place of the one whose client has kept the server waiting longest: for its
next request, for the rest of one, or for reading an answer. Only connections whose command is being executed are safe.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import trio


class Seat:
    """One connection's place."""

    def __init__(self) -> None:
        self.scope = trio.CancelScope()
        """Cancelled when the place goes to another one."""
        self.waits_since = trio.current_time()
        self.is_working = False

    @contextmanager
    def working(self) -> Iterator[None]:
        """While this lasts, the server does something for the client, and the place is safe."""
        self.is_working = True
        try:
            yield
        finally:
            self.is_working = False
            self.waits_since = trio.current_time()


class Seats:
    """All places of one listener."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._taken: set[Seat] = set()

    def take(self) -> Seat | None:
        """A place, possibly taken from another connection; None if the server is busy with all of them."""
        if len(self._taken) >= self._size and not self._make_room():
            return None
        seat = Seat()
        self._taken.add(seat)
        return seat

    def leave(self, seat: Seat) -> None:
        """Give the place back, unless another connection has taken it."""
        self._taken.discard(seat)

    def _make_room(self) -> bool:
        waiting = [seat for seat in self._taken if not seat.is_working]
        if waiting:
            longest = min(waiting, key=lambda seat: seat.waits_since)
            self._taken.discard(longest)
            longest.scope.cancel()
        return bool(waiting)
