"""A request to publish or play a stream."""

from collections.abc import Mapping
from typing import Any, Final

from attrs import evolve, field, frozen


@frozen(kw_only=True)
class StreamRequest:
    """A request for one stream, independent of the protocol it came in.

    Bitrates are in kbps, sizes in pixels; 0 means not given. `has_video` and `has_audio` apply until there is media,
    which then decides. Fields with secrets or whole SDPs stay out of `repr`, so that a request can be logged.
    """

    media_session_id: str
    """The stream's id; no two streams of a node have the same id at the same time."""
    name: str
    """The name to publish under, or the name of the stream to play."""
    sdp: str = field(repr=False)
    """The offer."""
    has_video: bool = True
    has_audio: bool = True
    record: bool = False
    media_provider: str = "WebRTC"
    bitrate: int = 0
    min_bitrate: int = 0
    max_bitrate: int = 0
    width: int = 0
    height: int = 0
    quality: int = 0
    custom: Any = field(default=None, repr=False)
    """Any JSON, for the backend only."""
    over_tcp: bool = False
    """Whether the client asks for media by TCP."""
    rtmp_url: str | None = field(default=None, repr=False)
    """The RTMP server to which the publication is pushed, whose key is a secret."""
    room: str | None = None
    """The room that the stream belongs to."""

    def overwritten(self, body: Mapping[str, Any]) -> "StreamRequest":
        """The request with the changes from the backend's answer to the first hook.

        What the media decide (codecs, tracks) is left alone, and so is the name, which the stream itself changes.
        """
        return evolve(self, **{name: body[key] for key, name in _OVERWRITABLE.items() if key in body})


_OVERWRITABLE: Final = {
    "custom": "custom",
    "record": "record",
    "width": "width",
    "height": "height",
    "bitrate": "bitrate",
    "minBitrate": "min_bitrate",
    "maxBitrate": "max_bitrate",
    "quality": "quality",
}
"""Hook field -> field that later hooks, statuses and REST repeat."""
