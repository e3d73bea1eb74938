"""The filters that select streams, connections and rooms.

A filter is a set of conditions combined with AND; a condition that is `None` is not given and matches everything. So a
filter without any condition matches everything, while an empty set of ids matches nothing: an empty list computed by a
backend must never widen into "all streams" (WCS page "Stopping the video stream on the server side").

Filters are frozen, JSON-able data with a `node_id`: they can cross a process boundary unchanged.
"""

from collections.abc import Iterable

from attrs import AttrsInstance, asdict, frozen

from protocol.node.descriptions import ConnectionDescription, StreamTraits


@frozen(kw_only=True)
class StreamFilter:
    """Conditions on streams, combined with AND. `media_session_ids`: one of these; the empty set matches nothing."""

    name: str | None = None
    published: bool | None = None
    status: str | None = None
    media_session_ids: frozenset[str] | None = None
    session_id: str | None = None
    app_key: str | None = None
    app_keys: frozenset[str] | None = None
    """The applications that a caller is bound to; see `Identity.apps`."""
    has_video: bool | None = None
    has_audio: bool | None = None
    media_provider: str | None = None
    node_id: str | None = None
    room_name: str | None = None
    relays: bool | None = None
    """Not a condition: what passes between nodes is to be shown too, which is no stream otherwise."""
    text: str | None = None
    """Text contained in its name, status or one of its ids, ignoring case; from the start page's search."""

    @property
    def is_everything(self) -> bool:
        """True when no condition is given, so that every stream of the server matches."""
        return self == _ALL_STREAMS

    def matches(self, stream: StreamTraits) -> bool:
        """Whether `stream` fulfils every condition given."""
        return (
            (self.media_session_ids is None or stream.media_session_id in self.media_session_ids)
            and self.name in (None, stream.name)
            and self.published in (None, stream.published)
            and self.status in (None, stream.status)
            and self.session_id in (None, stream.session_id)
            and self.app_key in (None, stream.app_key)
            and (self.app_keys is None or stream.app_key in self.app_keys)
            and self.has_video in (None, stream.has_video)
            and self.has_audio in (None, stream.has_audio)
            and self.media_provider in (None, stream.media_provider)
            and self.node_id in (None, stream.node_id)
            and self.room_name in (None, stream.room_name)
            and _contain(self.text, stream.name, stream.media_session_id, stream.session_id, stream.status)
        )


@frozen(kw_only=True)
class ConnectionFilter:
    """Conditions on client sessions, combined with AND."""

    session_id: str | None = None
    app_key: str | None = None
    app_keys: frozenset[str] | None = None
    """The applications that a caller is bound to; see `Identity.apps`."""
    client_version: str | None = None
    room_name: str | None = None
    text: str | None = None
    """Text contained in its id, application key, status or origin, ignoring case."""

    @property
    def is_everything(self) -> bool:
        """True when no condition is given, so that every connection of the server matches."""
        return self == _ALL_CONNECTIONS

    def matches(self, connection: ConnectionDescription) -> bool:
        """Whether `connection` fulfils every condition given."""
        return (
            self.session_id in (None, connection.session_id)
            and self.app_key in (None, connection.app_key)
            and (self.app_keys is None or connection.app_key in self.app_keys)
            and self.client_version in (None, connection.client_version)
            and (self.room_name is None or self.room_name in connection.room_names)
            and _contain(self.text, connection.session_id, connection.app_key, connection.status, connection.origin)
        )


@frozen(kw_only=True)
class RoomFilter:
    """Conditions on rooms, combined with AND. Rooms of different applications may have the same name."""

    name: str | None = None
    app_key: str | None = None
    app_keys: frozenset[str] | None = None
    """The applications that a caller is bound to; see `Identity.apps`."""
    text: str | None = None
    """Text that its name, its application's key or a member's login contains, in any case."""

    def matches(self, *, app_key: str, name: str, logins: Iterable[str] = ()) -> bool:
        """Whether the room of this application and name, with these members, fulfils every condition given."""
        return (
            self.name in (None, name)
            and self.app_key in (None, app_key)
            and (self.app_keys is None or app_key in self.app_keys)
            and (not self.text or _contain(self.text, name, app_key, *logins))
        )


def given_conditions(query: AttrsInstance) -> dict[str, object]:
    """The conditions of a filter, for the log and the audit file."""
    conditions = asdict(query, filter=lambda _, value: value is not None)
    sets = {"media_session_ids": "ids", "app_keys": "bound_to"}
    listed = {shown: ",".join(sorted(conditions.pop(name))) for name, shown in sets.items() if name in conditions}
    return conditions | listed


def _contain(wanted: str | None, *texts: str | None) -> bool:
    """Whether one of the texts contains the wanted text, or none is wanted."""
    if not wanted:
        return True
    folded = wanted.casefold()
    return any(folded in text.casefold() for text in texts if text)


_ALL_STREAMS = StreamFilter()
_ALL_CONNECTIONS = ConnectionFilter()
