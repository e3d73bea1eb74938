"""Sends data to sessions: to those named, or to all that match.

Thousands of receivers are a lot of work, so they are served in slices, one delivery after the other, and everything
else, above all the media, gets a turn in between. A delivery to few sessions does not wait for those under way: it goes
at once, but each of its receivers first gets what earlier deliveries still have for it. So nothing is reordered for one
session.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

import trio
from attrs import frozen

from actors.node.ports.data import TooManyAtOnce
from actors.node.supervisor import SessionActor, Supervisor
from actors.runtime.slices import SliceBudget
from protocol.node.client_data import ClientData, DeliveryReport
from protocol.node.filters import ConnectionFilter, StreamFilter

SLICE: Final = 12
"""Receivers served in one go, at most."""
SLICE_TIME: Final = 0.00025
"""Seconds after which no more of them are served in one go: a long text takes its time."""
MAX_UNDER_WAY: Final = 32
"""Deliveries to more receivers than that which may be under way at a time."""


@frozen(kw_only=True)
class DataStatistics:
    """Counters since the start, for `/?action=stat`."""

    data_sent: int
    """Data sent to clients, counted for each receiver."""
    data_dropped: int
    """The same that was not sent, because too much was queued for all clients."""
    data_under_way: int
    """Deliveries to many receivers that have not reached all of them."""


def _wanted(query: ConnectionFilter) -> Callable[[SessionActor], bool] | None:
    """Whether a session matches; None if all do."""
    return None if query.is_everything else lambda session: query.matches(session.describe())


class _Delivering:
    """One piece of data on its way to its receivers."""

    def __init__(
        self, data: ClientData, receivers: dict[str, SessionActor], *, wanted: Callable[[SessionActor], bool] | None
    ) -> None:
        self.sent = 0
        self.dropped = 0
        self._data = data
        self._wanted = wanted
        self._among_many = len(receivers) > 1
        self._remaining = receivers

    def remaining(self) -> list[str]:
        """The ids of the sessions that have not been served."""
        return list(self._remaining)

    def serve(self, session_id: str) -> None:
        """Serve that session, unless it has been served, does not match, or is gone."""
        session = self._remaining.pop(session_id, None)
        if session is None or not session.takes_data or not (self._wanted is None or self._wanted(session)):
            return
        if session.pass_data(self._data, among_many=self._among_many):
            self.sent += 1
        else:
            self.dropped += 1


class DataDelivery:
    """Implements the port `actors.node.ports.data.DataPort` for one process."""

    def __init__(self, node_id: str, supervisor: Supervisor) -> None:
        self._node_id = node_id
        self._supervisor = supervisor
        self._under_way: deque[_Delivering] = deque()
        self._turn = trio.StrictFIFOLock()
        self._sent = 0
        self._dropped = 0

    async def send(
        self, data: ClientData, session_ids: tuple[str, ...], query: ConnectionFilter, *, node_id: str | None
    ) -> DeliveryReport:
        """Send to those of the sessions named that match; the others are missing.

        With a `node_id` other than this server's all of them are. Raises TooManyAtOnce.
        """
        wanted = _wanted(query)
        found = self._receivers(session_ids) if node_id in (None, self._node_id) else {}
        if wanted is not None:
            found = {each: session for each, session in found.items() if wanted(session)}
        missing = tuple(each for each in session_ids if each not in found)
        delivery = await self._deliver(_Delivering(data, found, wanted=None))
        return DeliveryReport(sent=delivery.sent, dropped=delivery.dropped, missing=missing)

    async def broadcast(self, data: ClientData, query: ConnectionFilter, stream_name: str | None) -> DeliveryReport:
        """Send to every session that matches and, if `stream_name` is given, publishes or plays that stream.

        Raises TooManyAtOnce.
        """
        receivers = self._supervisor.all_sessions() if stream_name is None else self._around(stream_name)
        return await self._deliver(_Delivering(data, receivers, wanted=_wanted(query)))

    def statistics(self) -> DataStatistics:
        """Counters for `/?action=stat`."""
        return DataStatistics(data_sent=self._sent, data_dropped=self._dropped, data_under_way=len(self._under_way))

    # -- inside ------------------------------------------------------------------------------------------------------

    def _receivers(self, session_ids: tuple[str, ...]) -> dict[str, SessionActor]:
        named = ((each, self._supervisor.session(each)) for each in session_ids)
        return {each: session for each, session in named if session is not None and session.takes_data}

    def _around(self, stream_name: str) -> dict[str, SessionActor]:
        """The sessions that publish or play a stream."""
        streams = self._supervisor.matching(StreamFilter(name=stream_name))
        return self._receivers(tuple(stream.session_id for stream in streams))

    async def _deliver(self, delivering: _Delivering) -> DeliveryReport:
        waiting = delivering.remaining()
        if len(waiting) <= SLICE:
            self._catch_up(waiting)
            for session_id in waiting:
                delivering.serve(session_id)
        elif len(self._under_way) >= MAX_UNDER_WAY:
            raise TooManyAtOnce
        else:
            await self._deliver_in_turn(delivering)
        self._sent += delivering.sent
        self._dropped += delivering.dropped
        return DeliveryReport(sent=delivering.sent, dropped=delivering.dropped)

    def _catch_up(self, session_ids: list[str]) -> None:
        """Bring the deliveries under way to these sessions first."""
        for earlier in self._under_way:
            for session_id in session_ids:
                earlier.serve(session_id)

    async def _deliver_in_turn(self, delivering: _Delivering) -> None:
        self._under_way.append(delivering)
        try:
            async with self._turn:
                budget = SliceBudget(SLICE, SLICE_TIME)
                for session_id in delivering.remaining():
                    delivering.serve(session_id)
                    budget.spend(1)
                    if budget.is_spent:
                        await trio.lowlevel.checkpoint()
                        budget = SliceBudget(SLICE, SLICE_TIME)
        finally:
            self._under_way.remove(delivering)
