"""What both ends of relays need of the server."""

from typing import Protocol

import trio
from attrs import field, frozen

from actors.cluster.membership import Membership
from actors.cluster.requests.asking import Asking
from actors.media.relay_legs import RelayLegs
from actors.node.directory import Directory
from actors.relay.counts import RelayCounts
from actors.runtime.logs import RateLimitedLog, get_logger
from actors.stream import Broadcast
from config.settings import Settings
from protocol.cluster.claims import Holder

log = get_logger("relay")


class Locating(Protocol):
    """Who knows which node has a name."""

    async def locate(self, name: str) -> Holder | None:
        """The other member that holds `name`. Raises RegistryUnavailable."""


@frozen(eq=False, kw_only=True)
class RelayServices:
    """See above."""

    settings: Settings
    legs: RelayLegs
    directory: Directory[Broadcast]
    asking: Asking
    membership: Membership
    registry: Locating
    counts: RelayCounts = field(factory=RelayCounts)
    log: RateLimitedLog = field(factory=lambda: RateLimitedLog(log, clock=trio.current_time))
    """Of what is refused."""
