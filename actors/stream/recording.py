"""The recording of a published stream."""

import socket
from collections.abc import Callable
from contextlib import suppress

from attrs import frozen

from actors.hooks.lanes.lane import HookLane
from actors.media.plane import MediaPlane
from actors.media.publication import Publication
from actors.media.tap import Tap
from actors.node.ports.recorder import RecordingRefused, RecordWish
from actors.workers.recording.recording import Recording
from actors.workers.recording.recordings import OFF, Recordings, RecordRequest
from protocol.hooks import HookContext, HookMethod, recording_status_body
from protocol.stream.record_names import RecordFacts
from protocol.stream.record_status import RecordNotice, RecordStatus


@frozen(kw_only=True)
class RecordableStream:
    """What is recorded, and of whom. `lane` outlasts the session's."""

    publication: Publication
    name: str
    media_session_id: str
    session_id: str
    app_key: str
    context: HookContext
    lane: HookLane

    def tell(self, notice: RecordNotice) -> None:
        """Tell the backend, even when the session has ended."""
        body = recording_status_body(self.context, notice, media_session_id=self.media_session_id, name=self.name)
        is_last = notice.status is not RecordStatus.STARTED
        self.lane.notify(HookMethod.RECORDING_STATUS_EVENT, body, last=is_last)


class StreamRecording:
    """What a published stream knows of its recording; nothing, without `recordings`."""

    def __init__(self, recordings: Recordings | None, plane: MediaPlane, wall_clock: Callable[[], float]) -> None:
        self._recordings = recordings
        self._plane = plane
        self._wall_clock = wall_clock
        self._last: Recording | None = None

    @property
    def is_running(self) -> bool:
        return self._last is not None and not self._last.is_ending

    def start(self, stream: RecordableStream, wish: RecordWish | None) -> Recording:
        """Record from now on; what runs already ends. `wish`: of REST, None for the page. Raises RecordingRefused."""
        if self._recordings is None:
            raise RecordingRefused(OFF, "record_streams")
        publication = stream.publication
        facts = RecordFacts(
            stream_name=stream.name,
            media_session_id=stream.media_session_id,
            session_id=stream.session_id,
            start=int(self._wall_clock() * 1000),
            audio_codec=publication.audio_codec,
            video_codec=publication.video_codec,
        )

        def open_tap(channel: socket.socket, on_end: Callable[[], None]) -> Tap:
            if publication.ended:
                channel.close()
                raise ConnectionResetError("the publication has ended")
            return Tap(publication, self._plane.context, channel, on_end)

        recording = self._recordings.start(
            RecordRequest(facts=facts, app_key=stream.app_key, open_tap=open_tap, wish=wish, tell=stream.tell)
        )
        if wish is None or not wish.group:
            self._last = recording
        return recording

    def try_start(self, stream: RecordableStream) -> None:
        """As its page wants it; where it is refused, the log says why, and the stream goes on."""
        with suppress(RecordingRefused):
            self.start(stream, None)

    def finish(self) -> str | None:
        """End it; the name of the file, None: there will be none."""
        recording, self._last = self._last, None
        if recording is None or recording.refusal is not None:
            return None
        return recording.finish()
