"""What the web service asks of the rest of the server."""

from collections.abc import Mapping
from typing import Protocol

from actors.actor import StopReason
from protocol.filters import ConnectionDescription, ConnectionFilter, StreamDescription, StreamFilter
from protocol.rest.streams import TerminateAnswer


class Streams(Protocol):
    """Looking at streams and sessions, and stopping them. Deadlines are absolute, on trio's clock."""

    async def terminate(
        self, query: StreamFilter, reason: StopReason, *, dry_run: bool, deadline: float
    ) -> TerminateAnswer:
        """Stop what matches and wait for its end until `deadline`; with `dry_run` only say what would be stopped."""

    def find(self, query: StreamFilter) -> tuple[StreamDescription, ...]:
        """The streams that match, oldest first."""

    def find_connections(self, query: ConnectionFilter) -> tuple[ConnectionDescription, ...]:
        """The sessions that match, oldest first."""

    async def terminate_connections(self, query: ConnectionFilter, reason: StopReason, *, deadline: float) -> int:
        """Disconnect the sessions that match, wait for their end until `deadline`; how many they were."""

    def statistics(self) -> Mapping[str, Mapping[str, int | str]]:
        """Counters and facts for `/?action=stat`: group (letters only) -> key -> value."""
