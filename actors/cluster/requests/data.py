"""Data and stream events for pages on any node. Each session is on one node, and so is each publication.

What is sent is asked for until it is acknowledged, and sent once: a node that does not answer in time may have sent it
or not, and the answer names it. 200 means that every node has acknowledged its part.
"""

from collections.abc import Callable
from typing import Any

from attrs import evolve

from actors.cluster.requests.asking import Asking, Gathered
from actors.cluster.requests.control import ClusterControl
from actors.node.ports.data import DataPort, NotLive, StreamEventPort
from protocol.cluster.messages import DeliverData, DeliverEvent, DeliverToAll
from protocol.node.client_data import ClientData, DeliveryReport
from protocol.node.filters import ConnectionFilter, StreamFilter


class ClusterData:
    """Implements `actors.node.ports.data.DataPort` for all nodes."""

    def __init__(
        self, local: DataPort, asking: Asking, control: ClusterControl, *, answer_timeout: Callable[[], float]
    ) -> None:
        self._local, self._asking, self._control = local, asking, control
        self._answer_timeout = answer_timeout

    async def send(
        self, data: ClientData, session_ids: tuple[str, ...], query: ConnectionFilter, *, node_id: str | None
    ) -> DeliveryReport:
        """Send to those that are here, and ask the others about the rest."""
        local = await self._local.send(data, session_ids, query, node_id=node_id)
        if not local.missing:
            return evolve(local, coverage=self._control.alone())
        elsewhere = frozenset(local.missing)
        ask = DeliverData(
            filter=query,
            session_ids=tuple(elsewhere),
            payload=data.payload,
            node_id=node_id,
            operation_id=data.operation_id,
        )
        gathered = await self._asking.ask_all(
            ask, timeout=self._answer_timeout(), surely=True, is_enough=lambda count: count >= len(elsewhere)
        )
        nowhere = elsewhere.intersection(*(reply.missing for reply in gathered.replies))
        missing = tuple(each for each in local.missing if each in nowhere)
        return self._summed(evolve(local, missing=missing), gathered, is_decided=not missing)

    async def broadcast(self, data: ClientData, query: ConnectionFilter, stream_name: str | None) -> DeliveryReport:
        """Send to every session that matches, on all nodes."""
        local = await self._local.broadcast(data, query, stream_name)
        ask = DeliverToAll(filter=query, payload=data.payload, stream_name=stream_name, operation_id=data.operation_id)
        gathered = await self._asking.ask_all(ask, timeout=self._answer_timeout(), surely=True)
        return self._summed(local, gathered, is_decided=False)

    def _summed(self, local: DeliveryReport, gathered: Gathered, *, is_decided: bool) -> DeliveryReport:
        return evolve(
            local,
            sent=local.sent + sum(reply.sent for reply in gathered.replies),
            dropped=local.dropped + sum(reply.dropped for reply in gathered.replies),
            coverage=self._control.coverage(gathered, is_decided=is_decided),
        )


class ClusterEvents:
    """Implements `actors.node.ports.data.StreamEventPort` for all nodes."""

    def __init__(
        self, local: StreamEventPort, asking: Asking, control: ClusterControl, *, answer_timeout: Callable[[], float]
    ) -> None:
        self._local, self._asking, self._control = local, asking, control
        self._answer_timeout = answer_timeout

    async def send(self, query: StreamFilter, payload: Any) -> DeliveryReport:
        """Send it here, if the publication is here; else ask the others."""
        try:
            return evolve(await self._local.send(query, payload), coverage=self._control.alone())
        except NotLive:
            pass  # here
        ask = DeliverEvent(filter=query, payload=payload)
        gathered = await self._asking.ask_all(
            ask, timeout=self._answer_timeout(), surely=True, is_enough=lambda count: count >= 1
        )
        coverage = self._control.coverage(gathered, is_decided=gathered.count > 0)
        if not gathered.count and coverage.is_complete:
            raise NotLive
        sent = sum(reply.sent for reply in gathered.replies)
        return DeliveryReport(sent=sent, dropped=sum(reply.dropped for reply in gathered.replies), coverage=coverage)
