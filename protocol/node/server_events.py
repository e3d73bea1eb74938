"""What the server tells programs that watch it: events as they happen, in the format of server-sent events (SSE).

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from enum import StrEnum
from fnmatch import fnmatchcase
from typing import NamedTuple

from attrs import frozen


class EventType(StrEnum):
    """Every kind of event."""

    SESSION_ESTABLISHED = "session.established"
    SESSION_REFUSED = "session.refused"
    SESSION_ENDED = "session.ended"
    STREAM_STATUS = "stream.status"
    STREAM_ENDED = "stream.ended"
    STREAM_TERMINATED = "stream.terminated"
    CALL_STATUS = "call.status"
    HOOK_FAILED = "hook.failed"
    HOOK_RECOVERED = "hook.recovered"
    HOOK_DROPPED = "hook.dropped"
    BREAKER_CHANGED = "breaker.changed"
    APP_CHANGED = "app.changed"
    CONFIG_RELOADED = "config.reloaded"
    DRAIN_STARTED = "drain.started"
    DRAIN_ENDED = "drain.ended"
    MEDIA_DROPPED = "media.dropped"
    CLUSTER_SCOPE = "cluster.scope"
    """In a cluster: whose events there are from now on. The first event of each reader."""
    CLUSTER_GAP = "cluster.gap"
    """Events of other nodes were lost."""


class ServerEvent(NamedTuple):
    """One event, encoded. `app` and `name`: the application and the stream that it is about, if any."""

    number: int
    type: EventType
    app: str | None
    name: str | None
    data: bytes
    is_own: bool = True
    """Whether it happened on this node."""


@frozen(kw_only=True)
class EventFilter:
    """Which events a reader wants; None: any. `apps`: the only applications whose events it may see."""

    types: tuple[str, ...] | None = None
    """Types, or patterns such as `stream.*`."""
    app: str | None = None
    name: str | None = None
    apps: frozenset[str] | None = None
    is_local: bool = False
    """Only those of this node."""

    def matches(self, event: ServerEvent) -> bool:
        """Whether the reader gets it. One that is bound to applications does not get what is about the whole server."""
        return (
            (event.is_own or not self.is_local)
            and (self.apps is None or event.app in self.apps)
            and (self.app is None or event.app == self.app)
            and (self.name is None or event.name == self.name)
            and (self.types is None or any(fnmatchcase(event.type, pattern) for pattern in self.types))
        )


def encode_event(event_id: str, event_type: str, data: str) -> bytes:
    """An event as a reader gets it; `data` is one line of JSON in ASCII."""
    return f"id: {event_id}\nevent: {event_type}\ndata: {data}\n\n".encode("ascii")


def encode_retry(milliseconds: int) -> bytes:
    """After how long a reader should connect again."""
    return f"retry: {milliseconds}\n\n".encode()


def encode_alive(event_id: str) -> bytes:
    """A comment, so that nobody on the way closes the connection, and the id up to which the reader has everything."""
    return f": alive\nid: {event_id}\n\n".encode()


def data_of(encoded: bytes) -> str:
    """The JSON text of an encoded event."""
    return encoded.partition(b"\ndata: ")[2].decode("ascii").rstrip("\n")
