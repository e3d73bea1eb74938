"""Streams, indexed by what filters use most: id, name, session, application, room, way and status."""

from collections.abc import Collection, Iterator
from typing import Final, Generic, Protocol, TypeVar

from actors.storage.run_record import RunRecord
from protocol.node.filters import StreamFilter


class Indexed(Protocol):
    """The properties a stream is found by. Name and status may change; see `StreamIndex.changed`."""

    @property
    def media_session_id(self) -> str: ...
    @property
    def session_id(self) -> str: ...
    @property
    def app_key(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def published(self) -> bool: ...
    @property
    def status(self) -> str: ...
    @property
    def room_name(self) -> str | None: ...


S = TypeVar("S", bound=Indexed)

STATUS: Final = "status"
NAME: Final = "name"
_KEYS: Final = (NAME, "session_id", "app_key", "published", STATUS, "room_name")
"""Fields of a filter, and properties of a stream."""
_CHANGING: Final = (NAME, STATUS)


class StreamIndex(Generic[S]):
    """All streams of a node, oldest first, each under a unique id; `record` is told of them."""

    def __init__(self, record: RunRecord | None = None) -> None:
        self._record = record or RunRecord()
        self._by_id: dict[str, S] = {}
        self._by: dict[str, dict[object, dict[str, S]]] = {key: {} for key in _KEYS}
        # Where each stands. A stream that crashes as it changes may be something else already.
        self._filed: dict[str, dict[str, object]] = {}

    def __contains__(self, media_session_id: str) -> bool:
        return media_session_id in self._by_id

    def __iter__(self) -> Iterator[S]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def ids(self) -> Collection[str]:
        return self._by_id.keys()

    def having(self, key: str, value: object) -> Collection[S]:
        """The streams of which this property, one of those indexed, has the value; they change with the index."""
        return self._by[key].get(value, {}).values()

    def add(self, stream: S) -> None:
        """Add it; its id must be new."""
        self._by_id[stream.media_session_id] = stream
        self._filed[stream.media_session_id] = {}
        for key in _KEYS:
            self._enter(key, stream)
        self._record.opened(stream)

    def remove(self, stream: S) -> None:
        """Remove it."""
        del self._by_id[stream.media_session_id]
        for key in _KEYS:
            self._leave(key, stream)
        del self._filed[stream.media_session_id]
        self._record.closed(stream.media_session_id)

    def changed(self, stream: S, key: str) -> None:
        """Name or status of `stream` is another one. A stream that is not here is ignored."""
        if self._by_id.get(stream.media_session_id) is stream:
            self._leave(key, stream)
            self._enter(key, stream)
            if key == NAME:
                self._record.renamed(stream)

    def candidates(self, query: StreamFilter, *, by_status: bool = True) -> list[S]:
        """The streams that may match, by the condition with the fewest: usually a few among thousands.

        Without `by_status`, also those that only their status excludes now.
        """
        if query.media_session_ids is not None:
            return [self._by_id[key] for key in query.media_session_ids if key in self._by_id]
        wanted = ((key, getattr(query, key)) for key in _KEYS if by_status or key != STATUS)
        found = [self._by[key].get(value, {}) for key, value in wanted if value is not None]
        return list(min(found, key=len, default=self._by_id).values())

    def _enter(self, key: str, stream: S) -> None:
        value = getattr(stream, key)
        self._by[key].setdefault(value, {})[stream.media_session_id] = stream
        if key in _CHANGING:
            self._filed[stream.media_session_id][key] = value

    def _leave(self, key: str, stream: S) -> None:
        value = self._filed[stream.media_session_id].get(key) if key in _CHANGING else getattr(stream, key)
        entries = self._by[key][value]
        del entries[stream.media_session_id]
        if not entries:
            del self._by[key][value]
