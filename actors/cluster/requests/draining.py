"""Draining any node of the cluster from any other."""

import math
from collections.abc import Callable
from typing import Final

from attrs import evolve

from actors.cluster.membership import Membership
from actors.cluster.registry.registry import RegistryUnavailable
from actors.cluster.requests.asking import Asking
from actors.node.drain import NotDrainable
from actors.node.ports.drain import LocalDrain
from protocol.cluster.drain_messages import DrainAnswer, DrainNode
from protocol.cluster.members import Member
from protocol.cluster.messages import NodeReply
from protocol.common.suggestions import shortened
from protocol.node.server_state import Drained

LONGEST: Final = 30 * 60.0
"""Seconds that a node drains if nothing else is said: players of other nodes' streams might stay for ever."""


class ClusterDrain:
    """Implements `actors.node.ports.drain.DrainPort` for all nodes."""

    def __init__(
        self, local: LocalDrain, asking: Asking, membership: Membership, *, answer_timeout: Callable[[], float]
    ) -> None:
        self._local, self._asking, self._membership = local, asking, membership
        self._answer_timeout = answer_timeout

    async def begin(self, timeout: float, *, by: str, node: str | None = None) -> Drained:
        if self._local.is_meant(node):
            return await self._local.begin(timeout, by=by)
        return await self._ask(node or "", DrainNode(by=by, timeout=None if math.isinf(timeout) else timeout))

    async def cancel(self, *, by: str, node: str | None = None) -> Drained:
        if self._local.is_meant(node):
            return await self._local.cancel(by=by)
        return await self._ask(node or "", DrainNode(by=by, is_over=True))

    async def carry_out(self, ask: DrainNode, blank: NodeReply) -> NodeReply:
        """Another node asks."""
        timeout = math.inf if ask.timeout is None else ask.timeout
        try:
            done = await (self._local.cancel(by=ask.by) if ask.is_over else self._local.begin(timeout, by=ask.by))
        except NotDrainable as error:
            return evolve(blank, drain=DrainAnswer(refusal=str(error)))
        return evolve(blank, count=1, drain=DrainAnswer(done=done))

    async def _ask(self, node: str, ask: DrainNode) -> Drained:
        member = self._named(node)
        try:
            reply = await self._asking.ask_one(member.name, ask, timeout=self._answer_timeout())
        except RegistryUnavailable as error:
            raise NotDrainable(f"Redis does not answer, so node {member.info.node_id!r} cannot be asked") from error
        if reply is None or reply.drain is None:
            raise NotDrainable(f"node {member.info.node_id!r} does not answer; look at it with 'show nodes'")
        if reply.drain.done is None:
            raise NotDrainable(f"node {member.info.node_id!r}: {reply.drain.refusal}")
        return reply.drain.done

    def _named(self, node: str) -> Member:
        """The member that is meant; exactly, or the only one that begins like that."""
        view = self._membership.view
        others = () if view is None else view.others
        found = [each for each in others if node and each.info.node_id.startswith(node)]
        exact = [each for each in found if each.info.node_id == node]
        if len(exact or found) == 1:
            return (exact or found)[0]
        known = ", ".join(sorted(each.info.node_id for each in (found or others))) or "none"
        what = "is none of the other nodes" if not found else "may be several nodes"
        raise NotDrainable(f"{shortened(node)} {what}: {known}")
