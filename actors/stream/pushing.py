"""The pushes of a published stream to RTMP servers."""

import socket
from collections.abc import Callable

from actors.media.plane import MediaPlane
from actors.media.tap import Tap
from actors.node.ports.push import AlreadyPushed, PushRefused, UnusableTarget
from actors.stream.recording import RecordableStream
from actors.workers.pushing.push import Push
from actors.workers.pushing.pushes import OFF, PushedStream, Pushes, PushTo
from protocol.stream.info_texts import StreamInfo


class StreamPushing:
    """What a published stream knows of its pushes; nothing, without `pushes`."""

    def __init__(self, pushes: Pushes | None, plane: MediaPlane) -> None:
        self._pushes = pushes
        self._plane = plane

    def start(self, stream: RecordableStream, to: PushTo) -> Push:
        """Push it from now on. Raises UnusableTarget, AlreadyPushed or PushRefused."""
        if self._pushes is None:
            raise PushRefused(OFF)
        publication = stream.publication

        def open_tap(channel: socket.socket, on_end: Callable[[], None]) -> Tap:
            return Tap(publication, self._plane.context, channel, on_end)

        pushed = PushedStream(
            media_session_id=stream.media_session_id,
            name=stream.name,
            app_key=stream.app_key,
            video_codec=publication.video_codec,
            audio_codec=publication.audio_codec,
            size=lambda: (publication.width, publication.height),
            open_tap=open_tap,
        )
        return self._pushes.start(pushed, to)

    def start_for_page(self, stream: RecordableStream, url: str, on_failure: Callable[[], None]) -> str | None:
        """As its page wants it; if it cannot be, the info with which the stream ends."""
        try:
            self.start(stream, PushTo(url=url, by_page=True, on_failure=on_failure))
        except UnusableTarget:
            return StreamInfo.BAD_URI
        except PushRefused as refused:
            return refused.info
        except AlreadyPushed:
            return None
        return None

    def finish(self, media_session_id: str) -> None:
        """The stream is over."""
        if self._pushes:  # mostly there are none
            self._pushes.stream_ended(media_session_id)
