"""Where pages connect to if this server is the only one, or all nodes share its ports."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from protocol.cluster.balancing import placement
from protocol.cluster.members import Member, MemberInfo


@frozen(kw_only=True)
class OwnAddress:
    """Implements `actors.node.ports.balancer.BalancerPort` for a server without others elsewhere: it names itself.

    It does so while it drains or is overloaded, too: its refusal reaches the page, and no answer never would.
    """

    name: str | None
    """By which pages reach this server, as its operator says."""
    address: str
    """The first one for media."""
    ws: int
    wss: int

    async def place(self, *, name: str | None, publishes: bool, reached_as: str | None) -> Mapping[str, Any]:
        """The name by which a page has reached this server leads to it, and is the one that its certificate has."""
        host = self.name or reached_as or self.address
        return placement(Member(name="here", info=MemberInfo(node_id="", host=host, ws=self.ws, wss=self.wss)))
