"""What the web service needs from the rest of the server."""

from collections.abc import Mapping
from typing import Protocol

from actors.runtime.actor import StopReason
from protocol.node.descriptions import ConnectionDescription, StreamDescription
from protocol.node.filters import ConnectionFilter, StreamFilter
from protocol.rest.paging import Found, Page
from protocol.rest.resources.streams import TerminateAnswer


class NodeControl(Protocol):
    """Finds, describes and stops streams and sessions. Deadlines are absolute, on trio's clock."""

    @property
    def here(self) -> "NodeControl":
        """The same for this node alone."""

    async def terminate(
        self, query: StreamFilter, reason: StopReason, *, dry_run: bool, deadline: float
    ) -> TerminateAnswer:
        """Stop what matches and wait for it to end until `deadline`; with `dry_run` only report what would stop."""

    async def find(self, query: StreamFilter, page: Page, *, traffic: bool) -> Found[StreamDescription]:
        """The number of matching streams, and those on the page, oldest first; with their counters if `traffic`."""

    async def find_connections(self, query: ConnectionFilter, page: Page) -> Found[ConnectionDescription]:
        """The number of matching sessions, and those on the page, oldest first."""

    async def terminate_connections(
        self, query: ConnectionFilter, reason: StopReason, *, deadline: float
    ) -> TerminateAnswer:
        """Disconnect the matching sessions and wait for them to end until `deadline`."""

    async def set_log_level(self, query: ConnectionFilter, level: str) -> TerminateAnswer:
        """Log more, or less, about the matching sessions than about others, until they end; how many there are."""

    def statistics(self) -> Mapping[str, Mapping[str, int | str]]:
        """Counters and other values for `/?action=stat`: group (letters only) -> key -> value."""
