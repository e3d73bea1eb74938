"""Sends stream events that do not come from a publisher's page."""

from typing import Any

import trio

from actors.node.ports.data import NotLive, TooManyAtOnce
from actors.node.supervisor import Supervisor
from actors.stream.published import PublishedStream
from protocol.node.client_data import DeliveryReport
from protocol.node.filters import StreamFilter
from protocol.stream.events import StreamEvent
from protocol.stream.statuses import StreamEventType


class StreamEventDelivery:
    """Implements the port `actors.node.ports.data.StreamEventPort` for one process."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor

    async def send(self, query: StreamFilter, payload: Any) -> DeliveryReport:
        """Send an event of type `data` to the players of the live publication that matches, which must be named.

        Raises NotLive and TooManyAtOnce. Returns once all players have been served; those whose backend may overwrite
        the event get it later.
        """
        publisher = self._publisher(query)
        if not publisher.takes_events:
            raise TooManyAtOnce
        tally = DeliveryTally()
        publisher.stream_event(StreamEvent(StreamEventType.DATA, payload, tally=tally))
        return await tally.report()

    def _publisher(self, query: StreamFilter) -> PublishedStream:
        for stream in self._supervisor.matching(StreamFilter(name=query.name or "")):
            if isinstance(stream, PublishedStream) and stream.is_live and query.matches(stream):
                return stream
        raise NotLive(query.name)


class DeliveryTally:
    """How many receivers an event has reached, as `EventTally`."""

    def __init__(self) -> None:
        self.sent = 0
        self.dropped = 0
        self._finished = trio.Event()

    def count(self, *, sent: bool) -> None:
        if sent:
            self.sent += 1
        else:
            self.dropped += 1

    def finish(self) -> None:
        self._finished.set()

    async def report(self) -> DeliveryReport:
        """Wait for the last receiver."""
        await self._finished.wait()
        return DeliveryReport(sent=self.sent, dropped=self.dropped)
