"""All nodes as the REST API sees them: this one first, then the others, and one answer out of all."""

from collections.abc import Callable

import trio

from actors.cluster.membership import Membership
from actors.cluster.requests.asking import Asking, Gathered, IsEnough
from actors.node.control import Counters, LocalNode
from actors.runtime.actor import StopReason
from protocol.cluster.ends import End
from protocol.cluster.merging import (
    MOST_ITEMS,
    bounded,
    coverage_of,
    is_decided,
    merged_end,
    merged_list,
    needed_of_each,
)
from protocol.cluster.messages import (
    Ask,
    EndConnections,
    EndStreams,
    FindConnections,
    FindStreams,
    SetLogLevel,
)
from protocol.node.coverage import Coverage
from protocol.node.descriptions import ConnectionDescription, StreamDescription
from protocol.node.filters import ConnectionFilter, StreamFilter
from protocol.rest.paging import NOTHING, Found, Page
from protocol.rest.resources.streams import TerminateAnswer


class ClusterControl:
    """Implements `actors.node.ports.control.NodeControl` for all nodes."""

    def __init__(
        self, local: LocalNode, asking: Asking, membership: Membership, *, answer_timeout: Callable[[], float]
    ) -> None:
        self._local = local
        self._asking = asking
        self._membership = membership
        self._answer_timeout = answer_timeout

    @property
    def here(self) -> LocalNode:
        """This node alone."""
        return self._local

    async def terminate(
        self, query: StreamFilter, reason: StopReason, *, dry_run: bool, deadline: float
    ) -> TerminateAnswer:
        """Stop what matches on this node, and ask the others.

        Who has all ids that are given does not wait for them. They are told nevertheless: ids of players are chosen by
        pages, and one that gives the same to two nodes is to end on both.
        """
        if dry_run:
            return await self._preview(query, reason, deadline)
        here = await self._count_here(query)

        def is_enough(count: int) -> bool:
            return is_decided(query, matched=here + count)

        is_all_here = query.media_session_ids is not None and is_enough(0)
        ask = _Ask(self._asking, EndStreams(filter=query, end=_end(reason)), self._timeout(deadline), is_enough)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask.run)  # it begins when this task waits: after the streams of this node are stopped
            local = await self._local.terminate(query, reason, dry_run=False, deadline=deadline)
            if is_all_here:
                nursery.cancel_scope.cancel()  # others are told, but nobody waits for them
        if is_all_here:
            return self._merged_end(local, None, reason, is_decided=True)
        total = local.count + ask.gathered.count
        return self._merged_end(local, ask.gathered, reason, is_decided=is_decided(query, matched=total))

    async def find(self, query: StreamFilter, page: Page, *, traffic: bool) -> Found[StreamDescription]:
        """The matching streams of all nodes, oldest first."""
        shown = bounded(page)
        part = needed_of_each(shown)
        local = await self._local.find(query, part, traffic=traffic)

        def is_enough(count: int) -> bool:
            return is_decided(query, matched=local.total + count)

        if is_enough(0):
            return merged_list(local, (), shown, self.alone())
        ask = FindStreams(filter=query, limit=part.limit or 0, traffic=traffic)
        gathered = await self._asking.ask_all(ask, timeout=self._answer_timeout(), is_enough=is_enough)
        others = [(reply.count, reply.streams) for reply in gathered.replies]
        return merged_list(local, others, shown, self.coverage(gathered, is_decided=is_enough(gathered.count)))

    async def find_connections(self, query: ConnectionFilter, page: Page) -> Found[ConnectionDescription]:
        """The matching sessions of all nodes, oldest first."""
        shown = bounded(page)
        part = needed_of_each(shown)
        local = await self._local.find_connections(query, part)
        if _is_decided(query, local.total):
            return merged_list(local, (), shown, self.alone())
        ask = FindConnections(filter=query, limit=part.limit or 0)
        gathered = await self._ask_about(query, ask)
        others = [(reply.count, reply.connections) for reply in gathered.replies]
        coverage = self.coverage(gathered, is_decided=_is_decided(query, gathered.count))
        return merged_list(local, others, shown, coverage)

    async def terminate_connections(
        self, query: ConnectionFilter, reason: StopReason, *, deadline: float
    ) -> TerminateAnswer:
        """Disconnect the matching sessions of all nodes."""
        here = await self._local.find_connections(query, NOTHING)
        if _is_decided(query, here.total):
            local = await self._local.terminate_connections(query, reason, deadline=deadline)
            return self._merged_end(local, None, reason, is_decided=True)

        def is_enough(count: int) -> bool:
            return _is_decided(query, count)

        end = EndConnections(filter=query, end=_end(reason))
        ask = _Ask(self._asking, end, self._timeout(deadline), is_enough)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask.run)
            local = await self._local.terminate_connections(query, reason, deadline=deadline)
        return self._merged_end(local, ask.gathered, reason, is_decided=is_enough(local.count + ask.gathered.count))

    async def set_log_level(self, query: ConnectionFilter, level: str) -> TerminateAnswer:
        """Log more, or less, about the matching sessions of all nodes."""
        local = await self._local.set_log_level(query, level)
        if _is_decided(query, local.count):
            return self._merged_end(local, None, None, is_decided=True)
        gathered = await self._ask_about(query, SetLogLevel(filter=query, level=level))
        return self._merged_end(local, gathered, None, is_decided=_is_decided(query, gathered.count))

    def statistics(self) -> Counters:
        """Those of this node."""
        return self._local.statistics()

    # -- inside ------------------------------------------------------------------------------------

    async def _preview(self, query: StreamFilter, reason: StopReason, deadline: float) -> TerminateAnswer:
        local = await self._local.terminate(query, reason, dry_run=True, deadline=deadline)

        def is_enough(count: int) -> bool:
            return is_decided(query, matched=local.count + count)

        if is_enough(0):
            return self._merged_end(local, None, None, is_decided=True)
        ask = FindStreams(filter=query, limit=MOST_ITEMS)
        gathered = await self._asking.ask_all(ask, timeout=self._answer_timeout(), is_enough=is_enough)
        return self._merged_end(local, gathered, None, is_decided=is_enough(gathered.count))

    async def _count_here(self, query: StreamFilter) -> int:
        """How many of this node match, if it matters."""
        if query.media_session_ids is None and not (query.name is not None and query.published):
            return 0
        return (await self._local.find(query, NOTHING, traffic=False)).total

    async def _ask_about(self, query: ConnectionFilter, ask: Ask) -> Gathered:
        return await self._asking.ask_all(
            ask, timeout=self._answer_timeout(), is_enough=lambda count: _is_decided(query, count)
        )

    def _timeout(self, deadline: float) -> float:
        return min(self._answer_timeout(), max(0.0, deadline - trio.current_time()))

    @property
    def _others(self) -> dict[str, str]:
        """The other members, as far as they are known: name -> node id as REST shows it."""
        view = self._membership.view
        return {} if view is None else {each.name: each.info.node_id or each.name for each in view.others}

    def alone(self) -> Coverage:
        """Nobody else can add anything."""
        return Coverage(asked=len(self._others) + 1, is_decided=True)

    def coverage(self, gathered: Gathered, *, is_decided: bool) -> Coverage:
        """Which nodes have answered."""
        names = self._others
        asked = tuple(names) if gathered.is_cut_off else gathered.asked
        return coverage_of(asked, gathered.answered, names=names, is_cut_off=gathered.is_cut_off, is_decided=is_decided)

    def _merged_end(
        self, local: TerminateAnswer, gathered: Gathered | None, reason: StopReason | None, *, is_decided: bool
    ) -> TerminateAnswer:
        (own,) = local.nodes
        if gathered is None:
            return TerminateAnswer(nodes=(own,), coverage=self.alone())
        if reason is not None and reason.kick is not None and reason.kick.ban is not None:
            reason.kick.ban.placed += sum(reply.banned for reply in gathered.replies)
        return merged_end(own, gathered.replies, self.coverage(gathered, is_decided=is_decided))


class _Ask:
    """A request to all, beside what this node does itself."""

    def __init__(self, asking: Asking, ask: Ask, timeout: float, is_enough: IsEnough) -> None:
        self.gathered = Gathered(asked=(), replies=(), is_cut_off=True)
        self._asking, self._ask, self._timeout, self._is_enough = asking, ask, timeout, is_enough

    async def run(self) -> None:
        self.gathered = await self._asking.ask_all(
            self._ask, timeout=self._timeout, logged=True, is_enough=self._is_enough
        )


def _end(reason: StopReason) -> End:
    return End.of(reason.cause, reason.info, reason.kick)


def _is_decided(query: ConnectionFilter, matched: int) -> bool:
    """Whether no further node can have a session that matches: ids of sessions are unique in the cluster."""
    return query.session_id is not None and matched >= 1
