"""Calls that REST begins, and what phones hear, on any node."""

from collections.abc import Awaitable, Callable
from functools import partial

from actors.cluster.owned.calls import ClusterCalls
from actors.cluster.owned.owners import SLACK, Owners
from actors.node.ports.call_order import CallOrderPort
from protocol.calls.filters import CallFilter
from protocol.calls.order import CallOrder
from protocol.cluster.owner_messages import InjectSound, InjectStream, StopInjection
from protocol.node.filters import StreamFilter

WAIT = SLACK
"""Seconds that another node may take: to bring a stream from a third one, or to read a file."""


class ClusterCallOrders:
    """Implements `actors.node.ports.call_order.CallOrderPort` for all nodes."""

    def __init__(self, local: CallOrderPort, calls: ClusterCalls, owners: Owners) -> None:
        self.here = local
        self._calls, self._owners = calls, owners
        owners.serve(InjectStream, self._serve_stream)
        owners.serve(InjectSound, self._serve_sound)
        owners.serve(StopInjection, self._serve_stop)

    async def start(self, order: CallOrder) -> None:
        """Here."""
        await self.here.start(order)

    async def inject_stream(self, query: CallFilter, stream: StreamFilter) -> None:
        here = partial(self.here.inject_stream, query, stream)
        await self._owners.anywhere(here, self._holder(query), InjectStream(filter=query, stream=stream), WAIT)

    async def inject_sound(self, query: CallFilter, file: str) -> None:
        here = partial(self.here.inject_sound, query, file)
        await self._owners.anywhere(here, self._holder(query), InjectSound(filter=query, file=file), WAIT)

    async def stop_injection(self, query: CallFilter) -> None:
        here = partial(self.here.stop_injection, query)
        await self._owners.anywhere(here, self._holder(query), StopInjection(filter=query), WAIT)

    def _holder(self, query: CallFilter) -> Callable[[], Awaitable[str | None]]:
        return partial(self._calls.holder, query)

    async def _serve_stream(self, ask: InjectStream) -> None:
        await self.here.inject_stream(ask.filter, ask.stream)

    async def _serve_sound(self, ask: InjectSound) -> None:
        await self.here.inject_sound(ask.filter, ask.file)

    async def _serve_stop(self, ask: StopInjection) -> None:
        await self.here.stop_injection(ask.filter)
