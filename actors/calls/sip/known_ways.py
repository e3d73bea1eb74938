"""What has been learnt about the way to SIP servers: which have failed a moment ago, and which do not take TCP."""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Final

import trio

from protocol.sip.transactions.machines import Hop

DOWN: Final = 120.0
"""Seconds for which a server that has failed is tried after others."""
UDP_ONLY: Final = 3_600.0
"""Seconds for which a server is not tried by TCP again."""
MAX_KNOWN: Final = 1_000


class KnownWays:
    """See above."""

    def __init__(self) -> None:
        self._down: OrderedDict[Hop, float] = OrderedDict()
        self._udp_only: OrderedDict[Hop, float] = OrderedDict()

    def note_down(self, hop: Hop) -> None:
        """It did not answer, or refused for now, and another one is tried."""
        _note(self._down, hop, DOWN)

    def note_udp_only(self, hop: Hop) -> None:
        """It did not take TCP."""
        _note(self._udp_only, hop, UDP_ONLY)

    def is_udp_only(self, hop: Hop) -> bool:
        return self._udp_only.get(hop, 0.0) > trio.current_time()

    def alive_first(self, hops: Iterable[Hop]) -> tuple[Hop, ...]:
        """The same, those that have failed at the end."""
        now = trio.current_time()
        return tuple(sorted(hops, key=lambda hop: self._down.get(hop, 0.0) > now))


def _note(known: OrderedDict[Hop, float], hop: Hop, seconds: float) -> None:
    known[hop] = trio.current_time() + seconds
    known.move_to_end(hop)
    if len(known) > MAX_KNOWN:
        known.popitem(last=False)
