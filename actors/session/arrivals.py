"""Connections on their way to becoming a session: few at a time, each for a short time, in fair shares per address.

They are counted separately from sessions, so that unfinished connections take no session's place. When there are too
many in total, the address with the most loses its oldest.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from actors.runtime.timeouts import fail_after

T = TypeVar("T")


class TooManyArrivals(Exception):
    """There is no room for one more; `limit` is the setting."""

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit


class Arrival:
    """One connection that is not a session yet."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._dropped = False
        self._step: fail_after | None = None

    async def take(self, step: Callable[[], Awaitable[T]], *, seconds: float) -> T:
        """Run one step. Raises trio.TooSlowError after `seconds`, or as soon as the arrival is dropped."""
        with fail_after(seconds) as limit:
            if self._dropped:
                limit.cancel()
            self._step = limit
            try:
                return await step()
            finally:
                self._step = None

    def drop(self) -> None:
        """End the current step, and any that would follow."""
        self._dropped = True
        if self._step is not None:
            self._step.cancel()


class Arrivals:
    """All arrivals: at most `limit`, and at most `share` per address."""

    def __init__(self, *, limit: int, share: int) -> None:
        self.limit = limit
        self.share = share
        self._count = 0
        self._by_address: dict[str, dict[Arrival, None]] = {}

    def __len__(self) -> int:
        return self._count

    def count_of(self, address: str) -> int:
        """How many of one address there are."""
        return len(self._by_address.get(address, ()))

    def enter(self, address: str, *, is_proxy: bool = False) -> Arrival:
        """Add one from `address`; the caller must pass it to `leave` in the end. Raises TooManyArrivals.

        A proxy has no share: each client that it forwards for has one, from `move` on.
        """
        if not is_proxy:
            self._check_share(address)
        if self._count >= self.limit:
            self._make_room(address)
        arrival = Arrival(address)
        self._add(arrival)
        return arrival

    def move(self, arrival: Arrival, address: str) -> None:
        """From now on it counts as one from `address`. Raises TooManyArrivals if there are too many of those."""
        self._check_share(address)
        self.leave(arrival)
        arrival.address = address
        self._add(arrival)

    def leave(self, arrival: Arrival) -> None:
        """Remove one that is a session now, or gone. Idempotent."""
        of_address = self._by_address.get(arrival.address)
        if of_address is None or arrival not in of_address:
            return
        del of_address[arrival]
        self._count -= 1
        if not of_address:
            del self._by_address[arrival.address]

    def drop_all(self) -> None:
        """End every one of them."""
        for of_address in self._by_address.values():
            for arrival in of_address:
                arrival.drop()

    def _add(self, arrival: Arrival) -> None:
        self._by_address.setdefault(arrival.address, {})[arrival] = None
        self._count += 1

    def _check_share(self, address: str) -> None:
        if self.count_of(address) >= self.share:
            raise TooManyArrivals("ws.max_arrivals_per_address")

    def _make_room(self, newcomer: str) -> None:
        fullest = max(self._by_address.values(), key=len)
        if len(fullest) <= self.count_of(newcomer) + 1:
            raise TooManyArrivals("ws.max_arrivals")
        oldest = next(iter(fullest))
        oldest.drop()
        self.leave(oldest)
