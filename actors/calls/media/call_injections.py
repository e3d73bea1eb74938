"""What a phone hears in its page's place: one stream or one sound at a time; the next one replaces it."""

from collections.abc import Callable

from actors.calls.media.both_ends import BothEnds
from actors.media.call.call_media import CallMedia
from actors.media.call.injections import SoundInjection, StreamInjection, takes_sounds
from actors.media.publication import Publication
from protocol.calls.sound import Sound
from protocol.webrtc.sdp import MediaKind

NOT_UP = "the call is not up"


def _nobody() -> None:
    """Nobody waits for it."""


class CallInjections:
    """See above. Each method gives None, or why it does nothing."""

    def __init__(self, ends: BothEnds, media: CallMedia, *, session_id: str) -> None:
        self._ends, self._media, self._session_id = ends, media, session_id
        self._running: StreamInjection | SoundInjection | None = None
        self._on_over = _nobody

    def stream(self, publication: Publication, on_over: Callable[[], None] = _nobody) -> str | None:
        """Have a stream heard, until it ends. `on_over` is called when it is heard no more, not if it does nothing."""
        bridge = self._ends.bridge
        if bridge is None:
            return NOT_UP
        track = publication.tracks.get(MediaKind.AUDIO)
        if track is None:
            return "the stream has no audio"
        if not bridge.takes(track.source.codec):
            return f"the phone does not take {track.source.codec.name}, and nothing is transcoded"
        self.stop()
        self._running, self._on_over = StreamInjection(track, bridge, self._over), on_over
        return None

    def sound(self, sound: Sound) -> str | None:
        """Have a sound heard, once."""
        bridge = self._ends.bridge
        if bridge is None:
            return NOT_UP
        if not takes_sounds(bridge):
            return "the phone takes no G.711, in which sounds are"
        self.stop()
        self._running = self._media.inject_sound(sound, bridge, self._over, session_id=self._session_id)
        return None

    def stop(self) -> bool:
        """The page is heard again; whether anything was heard in its place."""
        running, self._running = self._running, None
        if running is not None:
            running.stop()
            self._over()
        return running is not None

    def _over(self) -> None:
        on_over, self._on_over = self._on_over, _nobody
        self._running = None
        on_over()
