"""`/rest-api/lb`: to which node a page should connect."""

import random
from collections.abc import Callable, Mapping
from typing import Any

import trio

from actors.cluster.membership import Membership
from actors.cluster.registry.registry import Registry, RegistryUnavailable
from protocol.cluster.balancing import Balancer, placement
from protocol.cluster.members import Member, MemberInfo

LOOK_UP: float = 0.5
"""Seconds to find out who has the stream: the page waits."""


class ClusterBalancer:
    """Implements `actors.node.ports.balancer.BalancerPort`."""

    def __init__(
        self, registry: Registry, membership: Membership, info: Callable[[], MemberInfo], chance: random.Random
    ) -> None:
        self.balancer = Balancer(chance)
        self._registry, self._membership, self._info = registry, membership, info

    async def place(self, *, name: str | None, publishes: bool, reached_as: str | None) -> Mapping[str, Any]:
        """This node, if no other is known or takes new work. Nodes are known by their own names, not `reached_as`."""
        view = self._membership.view
        holder = None if name is None or publishes else await self._holder_of(name)
        chosen = None
        if view is not None and self._membership.is_up:
            chosen = self.balancer.choose(tuple(view.members.values()), holder=holder)
        return placement(chosen or Member(name="here", info=self._info()))

    async def _holder_of(self, name: str) -> str | None:
        if not self._membership.is_up:
            return None
        with trio.move_on_after(LOOK_UP):
            try:
                holder = await self._registry.locate(name)
            except RegistryUnavailable:
                return None
            return None if holder is None else holder.member
        return None
