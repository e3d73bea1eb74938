"""What other nodes say: this node listens to Redis, and begins again when that ends."""

from collections.abc import Callable
from typing import Final

import trio

from actors.cluster.membership import Membership
from actors.cluster.registry.registry import Registry, RegistryUnavailable
from actors.runtime.logs import get_logger
from protocol.cluster.members import BEAT_INTERVAL
from protocol.common.growing_pause import GrowingPause

log = get_logger("cluster")

LISTEN_AGAIN: Final = 0.2
"""Seconds until the next attempt to listen; longer after each failure."""
LISTEN_AGAIN_AT_MOST: Final = 1.0
DEAF_AFTER: Final = 2 * BEAT_INTERVAL
"""Seconds in which Redis answers beats until a node that cannot listen says so: an outage ends both."""


class Hearing:
    """See above."""

    def __init__(
        self,
        registry: Registry,
        membership: Membership,
        *,
        on_message: Callable[[str | None, str], None],
        on_open: Callable[[], None],
        on_gap: Callable[[], None],
    ) -> None:
        self.opened = trio.Event()
        """Set once it has listened for the first time."""
        self.gaps = 0
        """How often messages of other nodes may have been missed."""
        self._registry, self._membership = registry, membership
        self._on_message, self._on_open, self._on_gap = on_message, on_open, on_gap
        self.is_deaf = False
        """Whether Redis answers this node, and does not let it hear the others: to them it is silent."""
        self._error: RegistryUnavailable | None = None
        """Why it does not listen."""
        self._answered_since: float | None = None
        """Since when Redis answers beats, while this node does not listen."""

    async def run(self) -> None:
        """Listen until cancelled."""
        await self._membership.joined.wait()
        pause = GrowingPause(LISTEN_AGAIN, LISTEN_AGAIN_AT_MOST)
        while True:
            began = trio.current_time()
            try:
                await self._registry.listen(
                    self._membership.member or "", on_open=self._heard, on_message=self._on_message
                )
            except RegistryUnavailable as error:
                self._error = error
                self.gaps += 1
                self._on_gap()
                log.debug("messages of other nodes may be missed", error=error)
            if trio.current_time() - began > LISTEN_AGAIN_AT_MOST:
                pause.reset()
            await trio.sleep(pause.next())

    def beaten(self, member: str, *, is_intact: bool) -> None:
        """A beat was answered. Some follow each other at once, while others are heard again within a second."""
        if self._error is None:
            return
        now = trio.current_time()
        if self._answered_since is None:
            self._answered_since = now
        elif not self.is_deaf and now - self._answered_since >= DEAF_AFTER:
            self.is_deaf = True
            log.error("other nodes are not heard", error=self._error)

    def failed(self) -> None:
        """A beat was not answered: there is a reason why nobody is heard."""
        self.is_deaf, self._answered_since = False, None

    def _heard(self) -> None:
        if self.is_deaf:
            log.info("other nodes are heard again")
        self.is_deaf, self._error, self._answered_since = False, None, None
        self.opened.set()
        self._on_open()
