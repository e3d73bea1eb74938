"""What the web service tells programs that watch the server."""

from attrs import field, frozen

from actors.events.event_log import EventLog
from actors.metrics.metrics import Metrics


@frozen(kw_only=True)
class Monitoring:
    """The metrics and the events of one server."""

    metrics: Metrics = field(factory=Metrics)
    events: EventLog = field(factory=EventLog)
