"""What the web service asks of the rest of the server."""

from collections.abc import Mapping
from typing import Protocol

from actors.runtime.actor import StopReason
from protocol.node.descriptions import ConnectionDescription, StreamDescription
from protocol.node.filters import ConnectionFilter, StreamFilter
from protocol.rest.paging import Found, Page
from protocol.rest.streams import TerminateAnswer


class NodeControl(Protocol):
    """Looking at streams and sessions, and stopping them. Deadlines are absolute, on trio's clock."""

    async def terminate(
        self, query: StreamFilter, reason: StopReason, *, dry_run: bool, deadline: float
    ) -> TerminateAnswer:
        """Stop what matches and wait for its end until `deadline`; with `dry_run` only say what would be stopped."""

    async def find(self, query: StreamFilter, page: Page) -> Found[StreamDescription]:
        """How many streams match, and those on the page, oldest first."""

    async def find_connections(self, query: ConnectionFilter, page: Page) -> Found[ConnectionDescription]:
        """How many sessions match, and those on the page, oldest first."""

    async def terminate_connections(self, query: ConnectionFilter, reason: StopReason, *, deadline: float) -> int:
        """Disconnect the sessions that match, wait for their end until `deadline`; how many they were."""

    def statistics(self) -> Mapping[str, Mapping[str, int | str]]:
        """Counters and facts for `/?action=stat`: group (letters only) -> key -> value."""
