"""Streams, indexed by what filters use most: id, name and session."""

from collections.abc import Collection, Iterator
from typing import Generic, Protocol, TypeVar

from protocol.node.filters import StreamFilter


class Indexed(Protocol):
    """The properties a stream is found by. Its name may change; see `renamed`."""

    @property
    def media_session_id(self) -> str: ...
    @property
    def session_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def published(self) -> bool: ...


S = TypeVar("S", bound=Indexed)


class StreamIndex(Generic[S]):
    """All streams of a node, oldest first, each under a unique id."""

    def __init__(self) -> None:
        self._by_id: dict[str, S] = {}
        self._by_name: dict[str, dict[str, S]] = {}
        self._by_session: dict[str, dict[str, S]] = {}
        self.published = 0
        """How many of the streams are publications."""

    def __contains__(self, media_session_id: str) -> bool:
        return media_session_id in self._by_id

    def __iter__(self) -> Iterator[S]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def ids(self) -> Collection[str]:
        return self._by_id.keys()

    def add(self, stream: S) -> None:
        """Add it; its id must be new."""
        self._by_id[stream.media_session_id] = stream
        _enter(self._by_name, stream.name, stream)
        _enter(self._by_session, stream.session_id, stream)
        self.published += stream.published

    def remove(self, stream: S) -> None:
        """Remove it."""
        del self._by_id[stream.media_session_id]
        _leave(self._by_name, stream.name, stream)
        _leave(self._by_session, stream.session_id, stream)
        self.published -= stream.published

    def renamed(self, stream: S, before: str) -> None:
        """`stream` has another name now."""
        _leave(self._by_name, before, stream)
        _enter(self._by_name, stream.name, stream)

    def candidates(self, query: StreamFilter) -> list[S]:
        """The streams that may match, by the first condition that is indexed: usually a few among thousands."""
        if query.media_session_ids is not None:
            return [self._by_id[key] for key in query.media_session_ids if key in self._by_id]
        if query.name is not None:
            return list(self._by_name.get(query.name, {}).values())
        if query.session_id is not None:
            return list(self._by_session.get(query.session_id, {}).values())
        return list(self._by_id.values())


def _enter(index: dict[str, dict[str, S]], key: str, stream: S) -> None:
    index.setdefault(key, {})[stream.media_session_id] = stream


def _leave(index: dict[str, dict[str, S]], key: str, stream: S) -> None:
    entries = index[key]
    del entries[stream.media_session_id]
    if not entries:
        del index[key]
