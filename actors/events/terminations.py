"""Tells, as events, that somebody has stopped streams."""

from actors.events.event_log import EventLog
from protocol.node.filters import StreamFilter, given_conditions
from protocol.node.server_events import EventType


def report_terminated(
    events: EventLog, query: StreamFilter, matched: int, *, by: str, source: str, address: str | None = None
) -> None:
    """`by` has stopped what matches `query`. `source`: `rest` or `wcs`."""
    events.emit(
        EventType.STREAM_TERMINATED,
        app=query.app_key,
        name=query.name,
        by=by,
        source=source,
        address=address,
        filter=given_conditions(query),
        matched=matched,
    )
