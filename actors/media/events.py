"""What the media plane tells the owner of a stream, and how it refuses a stream."""

from collections.abc import Callable

from attrs import frozen

from protocol.stream.info_texts import StreamInfo


@frozen
class Connected:
    """DTLS is up: the peer proved its certificate and SRTP keys are installed."""


@frozen
class Flowing:
    """The first RTP packet of a publisher was accepted."""


@frozen(kw_only=True)
class Resized:
    """The published picture has a new size, in pixels. The first size known counts as new."""

    width: int
    height: int


@frozen(kw_only=True)
class Failed:
    """The media failed and has ended. `close` is still to be called."""

    info: StreamInfo


@frozen
class PeerClosed:
    """The browser ended its side (DTLS close_notify). The media has ended; `close` is still to be called."""


@frozen(kw_only=True)
class NotEnoughBandwidth:
    """A player's path has carried less than the stream's bitrate for a while. Repeated from time to time.

    `bitrate` is the stream's, `bandwidth` the player's estimate for its path, both in bits per second.
    """

    bitrate: int
    bandwidth: int


MediaEvent = Connected | Flowing | Resized | Failed | PeerClosed | NotEnoughBandwidth
Post = Callable[[MediaEvent], None]


def discard(event: MediaEvent) -> None:
    """The `Post` of media whose owner already knows that it ended."""


class MediaRefused(Exception):
    """The offer is refused. `info` is the text for the peer, `detail` is for the log."""

    def __init__(self, info: StreamInfo, detail: str) -> None:
        super().__init__(f"{info}: {detail}")
        self.info = info
        self.detail = detail
