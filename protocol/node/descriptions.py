"""A stream and a connection as seen from outside, at one moment.

Descriptions are frozen, JSON-able data with a `node_id`: they can cross a process boundary unchanged.
"""

from typing import Protocol

from attrs import frozen


class StreamIdentity(Protocol):
    """Which stream it is, and whose."""

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


class StreamTraits(StreamIdentity, Protocol):
    """What filters look at: descriptions have it, and live streams have it without being described."""

    @property
    def node_id(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def has_video(self) -> bool: ...
    @property
    def has_audio(self) -> bool: ...
    @property
    def media_provider(self) -> str: ...
    @property
    def room_name(self) -> str | None: ...


@frozen(kw_only=True)
class StreamTraffic:
    """Counters of a stream's media since it began: what the server received of a publication, or sent to a playback."""

    packets: int = 0
    bytes: int = 0
    video_bytes: int = 0
    bitrate_kbps: int = 0
    """Measured over the last moments, in kbit/s; not the bitrate that the client asked for."""
    lost: int = 0
    nacks: int = 0
    plis: int = 0
    round_trip_ms: int = 0
    """Between server and client, in milliseconds; 0: not known."""


@frozen(kw_only=True)
class StreamMeasures:
    """What is summed up over all streams."""

    traffic: StreamTraffic
    audio_codec: str | None
    video_codec: str | None


@frozen(kw_only=True)
class StreamDescription:
    """One media session, published or played, at one moment. Contains no secret: the client's `custom` is left out."""

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
    """kbit/s as requested by the client, like the two limits below; 0 means not given."""
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
    """How many playbacks this publication has; always 0 for a playback."""
    traffic: StreamTraffic | None = None
    room_name: str | None = None
    """The room in which it was published or played."""

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
    room_names: tuple[str, ...] = ()
    """The rooms it is in."""
