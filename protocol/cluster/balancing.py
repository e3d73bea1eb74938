"""Which node a page should connect to: the less loaded of two that are chosen at random (two-choice).

To send everybody to the least loaded one would send all of a moment to the same, until its next beat says otherwise.
"""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from protocol.cluster.members import Member
from protocol.node.server_state import ServerState

PLACED: Final = 0.01
"""What a page that was sent to a node since its last beat counts, in its load."""


class Balancer:
    """Chooses among members, and remembers whom it has sent where since the last beat."""

    def __init__(self, chance: random.Random) -> None:
        self.placed = 0
        """How many have been placed since the start."""
        self._chance = chance
        self._since_beat: Counter[str] = Counter()

    def beaten(self) -> None:
        """The loads are those of now."""
        self._since_beat.clear()

    def choose(self, members: Sequence[Member], *, holder: str | None = None) -> Member | None:
        """A member that takes new work; None: none does. `holder`: the one that has the stream that is wanted."""
        serving = [member for member in members if _is_serving(member)]
        chosen = next((member for member in serving if member.name == holder), None) or self._one_of_two(serving)
        if chosen is not None:
            self.placed += 1
            self._since_beat[chosen.name] += 1
        return chosen

    def _one_of_two(self, serving: Sequence[Member]) -> Member | None:
        two = self._chance.sample(serving, min(2, len(serving)))
        return min(two, key=lambda member: member.info.load + PLACED * self._since_beat[member.name], default=None)


def _is_serving(member: Member) -> bool:
    return member.info.state == ServerState.SERVING and bool(member.info.host)


def placement(member: Member) -> dict[str, Any]:
    """What the WebSDK's `lbUrl` must answer; it chooses the port by the scheme of its `urlServer`."""
    info = member.info
    server = f"[{info.host}]" if ":" in info.host else info.host
    return {"server": server, "ws": str(info.ws), "wss": str(info.wss), "flash": ""}
