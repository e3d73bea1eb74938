"""What a stream and a connection look like from outside, and the filters that choose among them.

A filter is a set of conditions joined by AND; a condition that is `None` is not given and lets everything pass. So a
filter without any condition matches everything, while an empty set of ids matches nothing: an empty list that a
backend computed must never widen into "all streams" (WCS page "Stopping the video stream on the server side").

Descriptions and filters are frozen, JSON-able data with a `node_id`: they may cross a process border as they are.
"""

from typing import Protocol

from attrs import frozen


class StreamTraits(Protocol):
    """What filters look at: a description has it, and a living stream has it without being described."""

    @property
    def node_id(self) -> str: ...
    @property
    def app_key(self) -> str: ...
    @property
    def session_id(self) -> str: ...
    @property
    def media_session_id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def published(self) -> bool: ...
    @property
    def status(self) -> str: ...
    @property
    def has_video(self) -> bool: ...
    @property
    def has_audio(self) -> bool: ...
    @property
    def media_provider(self) -> str: ...


@frozen(kw_only=True)
class StreamTraffic:
    """Counters of a stream's media since it began: what the server received of a publication, or sent to a playback."""

    packets: int = 0
    bytes: int = 0
    bitrate_kbps: int = 0
    """Measured over the last moments, in kbit/s; not the bitrate that the client asked for."""
    lost: int = 0
    nacks: int = 0
    plis: int = 0


@frozen(kw_only=True)
class StreamDescription:
    """One media session, published or played, at one moment. Holds no secret: the client's `custom` data stay out."""

    node_id: str
    app_key: str
    session_id: str
    media_session_id: str
    name: str
    published: bool
    """True for a publication, False for a playback."""
    has_video: bool
    has_audio: bool
    status: str
    """A `StreamStatus` value."""
    create_date: int
    """Milliseconds since the epoch."""
    record: bool = False
    width: int = 0
    height: int = 0
    bitrate: int = 0
    """kbit/s as asked for by the client, like the two limits below; 0 means not given."""
    min_bitrate: int = 0
    max_bitrate: int = 0
    quality: int = 0
    media_provider: str = "WebRTC"
    audio_codec: str | None = None
    video_codec: str | None = None
    transport: str = "UDP"
    info: str | None = None
    sdp: str = ""
    """The offer of the client."""
    viewers: int = 0
    """How many playbacks hang on this publication; always 0 for a playback."""
    traffic: StreamTraffic | None = None

    @property
    def media_type(self) -> str:
        """`publish` or `play`, the same fact as `published` in the words of the WCS stream object."""
        return "publish" if self.published else "play"


@frozen(kw_only=True)
class ConnectionDescription:
    """One client session (one WebSocket) at one moment, without the `custom` data of the client."""

    node_id: str
    app_key: str
    session_id: str
    status: str
    """A `SessionStatus` value."""
    create_date: int
    """Milliseconds since the epoch."""
    client_version: str | None = None
    client_os_version: str | None = None
    client_browser_version: str | None = None
    media_providers: tuple[str, ...] = ()
    origin: str | None = None
    streams: int = 0


@frozen(kw_only=True)
class StreamFilter:
    """Conditions on streams, joined by AND. `media_session_ids` means "one of these": the empty set matches nothing."""

    name: str | None = None
    published: bool | None = None
    status: str | None = None
    media_session_ids: frozenset[str] | None = None
    session_id: str | None = None
    app_key: str | None = None
    has_video: bool | None = None
    has_audio: bool | None = None
    media_provider: str | None = None
    node_id: str | None = None
    text: str | None = None
    """Something that its name, status or one of its ids contains, in whatever case; from the start page's search."""

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
            and self.has_video in (None, stream.has_video)
            and self.has_audio in (None, stream.has_audio)
            and self.media_provider in (None, stream.media_provider)
            and self.node_id in (None, stream.node_id)
            and _contain(self.text, stream.name, stream.media_session_id, stream.session_id, stream.status)
        )


@frozen(kw_only=True)
class ConnectionFilter:
    """Conditions on client sessions, joined by AND."""

    session_id: str | None = None
    app_key: str | None = None
    client_version: str | None = None
    text: str | None = None
    """Something that its id, application key, status or origin contains, in whatever case."""

    @property
    def is_everything(self) -> bool:
        """True when no condition is given, so that every connection of the server matches."""
        return self == _ALL_CONNECTIONS

    def matches(self, connection: ConnectionDescription) -> bool:
        """Whether `connection` fulfils every condition given."""
        return (
            self.session_id in (None, connection.session_id)
            and self.app_key in (None, connection.app_key)
            and self.client_version in (None, connection.client_version)
            and _contain(self.text, connection.session_id, connection.app_key, connection.status, connection.origin)
        )


def _contain(wanted: str | None, *texts: str | None) -> bool:
    """Whether one of the texts contains what is wanted, or nothing is."""
    if not wanted:
        return True
    folded = wanted.casefold()
    return any(folded in text.casefold() for text in texts if text)


_ALL_STREAMS = StreamFilter()
_ALL_CONNECTIONS = ConnectionFilter()
