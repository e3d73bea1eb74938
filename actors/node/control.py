"""This node as the REST API sees it: its streams and sessions, found, counted and stopped.

With several nodes, `actors.cluster.requests.control` implements the same port, and asks this one first.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

import psutil
import trio

from actors.node.supervisor import Supervisor
from actors.node.termination import Candidate, Termination
from actors.runtime.actor import StopReason
from actors.runtime.logs import set_session_level
from actors.runtime.loop_clock import real_time
from config.settings import LogLevel
from protocol.node.descriptions import ConnectionDescription, StreamDescription
from protocol.node.filters import ConnectionFilter, StreamFilter
from protocol.rest.paging import Found, Page
from protocol.rest.resources.streams import NodeReport, TerminateAnswer

_MEBIBYTE = 1024 * 1024

A = TypeVar("A", bound=Candidate)

Counters = Mapping[str, Mapping[str, int | str]]
"""Group -> key -> value, as `/?action=stat` shows them."""


class LocalNode:
    """Implements the port `actors.node.ports.control.NodeControl` for one process."""

    def __init__(self, node_id: str, supervisor: Supervisor, counters: Callable[[], Counters]) -> None:
        self.node_id = node_id
        self._supervisor = supervisor
        self._counters = counters
        self.started_at = real_time()
        self._process = psutil.Process()
        self.relays: Callable[[], Iterable[StreamDescription]] = tuple
        """What passes between this node and others, which is no stream."""
        self.end_absent: Callable[[ConnectionFilter, StopReason], int] = _nobody
        """Puts out clients that are away and may come back, whose session matches; how many."""
        self._process.cpu_percent()  # the first question only sets the mark that the next one counts from

    @property
    def here(self) -> "LocalNode":
        """This node alone."""
        return self

    async def terminate(
        self, query: StreamFilter, reason: StopReason, *, dry_run: bool, deadline: float
    ) -> TerminateAnswer:
        """Stop what matches, and wait for the last of it to end until `deadline` (trio's clock)."""
        if dry_run:
            matched = (await self._supervisor.find(query, traffic=False)).items
            return TerminateAnswer(nodes=(NodeReport.preview(self.node_id, matched),))
        termination = self._supervisor.terminate(query, reason)
        all_stopped = await self._ended(termination, reason, deadline)
        report = NodeReport(node_id=self.node_id, count=termination.count, all_stopped=all_stopped)
        return TerminateAnswer(nodes=(report,))

    async def find(self, query: StreamFilter, page: Page, *, traffic: bool) -> Found[StreamDescription]:
        """The number of matching streams, and those on the page, oldest first; with their counters if `traffic`."""
        if not query.relays:
            return await self._supervisor.find(query, page, traffic=traffic)
        streams = await self._supervisor.find(query, traffic=traffic)
        items = [*streams.items, *filter(query.matches, self.relays())]
        items.sort(key=lambda item: item.create_date)
        return Found(total=len(items), items=tuple(page.of(items)))

    async def find_connections(self, query: ConnectionFilter, page: Page) -> Found[ConnectionDescription]:
        """The number of matching sessions, and those on the page, oldest first."""
        return await self._supervisor.find_connections(query, page)

    async def terminate_connections(
        self, query: ConnectionFilter, reason: StopReason, *, deadline: float
    ) -> TerminateAnswer:
        """Disconnect the matching sessions and wait for them to end until `deadline`."""
        absent = self.end_absent(query, reason)
        termination = self._supervisor.terminate_connections(query, reason)
        all_stopped = await self._ended(termination, reason, deadline)
        report = NodeReport(node_id=self.node_id, count=termination.count + absent, all_stopped=all_stopped)
        return TerminateAnswer(nodes=(report,))

    async def set_log_level(self, query: ConnectionFilter, level: str) -> TerminateAnswer:
        """Log more, or less, about the matching sessions than about others, until they end."""
        found = await self._supervisor.find_connections(query)
        for session in found.items:
            set_session_level(session.session_id, LogLevel(level))
        return TerminateAnswer(nodes=(NodeReport(node_id=self.node_id, count=found.total),))

    async def _ended(self, termination: Termination[A], reason: StopReason, deadline: float) -> bool:
        began = trio.current_time()
        all_stopped = await termination.wait(deadline)
        seconds = trio.current_time() - began
        self._supervisor.counts.terminated(
            reason.cause, matched=termination.count, all_stopped=all_stopped, seconds=seconds
        )
        return all_stopped

    def statistics(self) -> Counters:
        """The counters of this node, and the resources its process uses."""
        return {**self._counters(), **self._machine()}

    def _machine(self) -> Counters:
        """The groups and keys that the SDK's console shows, whatever the server is written in."""
        memory = psutil.virtual_memory()
        return {
            "system": {
                "system_java_cpu_usage": f"{self._process.cpu_percent():.1f}",
                "system_memory_total": memory.total // _MEBIBYTE,
                "system_memory_free": memory.available // _MEBIBYTE,
            },
            "core": {"core_threads": self._process.num_threads()},
        }


def _nobody(query: ConnectionFilter, reason: StopReason) -> int:
    """Nobody is waited for."""
    return 0
