"""This node as the REST API sees it: its streams and sessions, found, counted and stopped.

With several nodes, another implementation of the same port would ask each node in turn; the answer has room for it.
"""

from collections.abc import Callable, Iterable, Mapping

import trio

from actors.actor import StopReason
from actors.supervisor import Supervisor
from protocol.filters import ConnectionDescription, ConnectionFilter, StreamDescription, StreamFilter
from protocol.rest.streams import NodeReport, TerminateAnswer

Counters = Mapping[str, Mapping[str, int | str]]
"""Group -> key -> value, as `/?action=stat` shows them."""


class LocalNode:
    """The port that `actors.web.ports.Streams` describes, for one process."""

    def __init__(self, node_id: str, supervisor: Supervisor, counters: Callable[[], Counters]) -> None:
        self._node_id = node_id
        self._supervisor = supervisor
        self._counters = counters

    async def terminate(
        self, query: StreamFilter, reason: StopReason, *, dry_run: bool, deadline: float
    ) -> TerminateAnswer:
        """Stop what matches, at once, and wait for the last of it to end until `deadline` (trio's clock)."""
        if dry_run:
            return self._answer(self._supervisor.find(query), all_stopped=True)
        matches = self._supervisor.terminate(query, reason)
        all_stopped = await _all_set((match.stopped for match in matches), deadline)
        return self._answer(tuple(match.description for match in matches), all_stopped=all_stopped)

    def find(self, query: StreamFilter) -> tuple[StreamDescription, ...]:
        """The streams that match, oldest first."""
        return self._supervisor.find(query)

    def find_connections(self, query: ConnectionFilter) -> tuple[ConnectionDescription, ...]:
        """The sessions that match, oldest first."""
        return self._supervisor.find_connections(query)

    async def terminate_connections(self, query: ConnectionFilter, reason: StopReason, *, deadline: float) -> int:
        """Disconnect the sessions that match and wait for their end until `deadline`; how many they were."""
        stopped = self._supervisor.terminate_connections(query, reason)
        await _all_set(stopped, deadline)
        return len(stopped)

    def statistics(self) -> Counters:
        """The counters of this node."""
        return self._counters()

    def _answer(self, matched: tuple[StreamDescription, ...], *, all_stopped: bool) -> TerminateAnswer:
        cascades = tuple(stream.viewers for stream in matched)
        report = NodeReport(node_id=self._node_id, matched=matched, cascades=cascades, all_stopped=all_stopped)
        return TerminateAnswer(nodes=(report,))


async def _all_set(events: Iterable[trio.Event], deadline: float) -> bool:
    """Wait for all events until `deadline`; whether all came."""
    with trio.CancelScope(deadline=deadline) as patience:
        for event in events:
            await event.wait()
    return not patience.cancelled_caught
