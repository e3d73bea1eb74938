"""Keeps a source coming into one publication: a process for each connection, and growing pauses between them."""

import socket
from collections.abc import Sequence
from typing import Final

import trio

from actors.media.events import Failed, Post
from actors.media.ingest.fed_ingest import FedIngest
from actors.media.ingest.feed_reader import FeedReader, Feeds
from actors.runtime.actor import Request, StopReason, crash_guard
from actors.runtime.logs import get_logger
from actors.workers.capturing.capturing import DENIED, DIED, NO_FILE, CaptureSource, Capturing
from actors.workers.capturing.processor_share import COPIED
from actors.workers.processes.worker import WorkerServices
from protocol.common.growing_pause import GrowingPause
from protocol.stream.info_texts import StreamInfo
from protocol.taps import TapError, TrackFormat

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 30.0
"""Seconds before the next connection; each pause is twice the one before."""
LASTED: Final = 30.0
"""Seconds after which a connection counts as good, so that the next pause is short again."""

KEY_FRAME_PATIENCE: Final = 30.0
"""Seconds in which video must have a key frame; without sound the source is given up then."""
NO_KEY_FRAME: Final = "no-key-frame"
NOT_ISOLATED: Final = "not-isolated"
"""The system does not let the process cut itself off, which what clients name needs."""

log = get_logger("capture")

_TRANSCODABLE: Final = frozenset({"h265", "b-frames"})
"""Why a source is refused that `capture.transcode` would let in."""
_SETTINGS: Final = {
    **dict.fromkeys(_TRANSCODABLE, "capture.transcode"),
    "certificate": "capture.tls_verify",
}
"""What the log says that decides."""
_INFOS: Final = {
    "h265": StreamInfo.H265_IS_NOT_SUPPORTED,
    "b-frames": StreamInfo.B_FRAMES_ARE_NOT_SUPPORTED,
    NO_KEY_FRAME: StreamInfo.SOURCE_SENDS_NO_KEY_FRAME,
    "too-large": StreamInfo.PICTURE_IS_TOO_LARGE,
    "not-found": StreamInfo.RTSP_STREAM_NOT_FOUND,
    "video-codec": StreamInfo.RTSP_HAS_WRONG_FORMAT,
    "wrong-format": StreamInfo.RTSP_HAS_WRONG_FORMAT,
    "no-media": StreamInfo.RTSP_HAS_WRONG_FORMAT,
    DENIED: StreamInfo.RESTRICTED_ACCESS,
    NOT_ISOLATED: StreamInfo.RESTRICTED_ACCESS,
    NO_FILE: StreamInfo.FILE_NOT_FOUND,
    DIED: StreamInfo.STREAM_FAILED,
}
_FINAL: Final = frozenset(
    {*_TRANSCODABLE, NO_KEY_FRAME, "too-large", "video-codec", "no-media", NO_FILE, DENIED, NOT_ISOLATED}
)
"""Why it is no use to connect again."""


class SourceFailed(Exception):
    """The source cannot be opened. `info` is for players, `why` a word for operators."""

    def __init__(self, info: StreamInfo, why: str) -> None:
        super().__init__(f"{info} ({why})")
        self.info = info
        self.why = why


class SourceFeed:
    """See above. `post` gets what happens to the media, as from any ingest."""

    def __init__(self, workers: WorkerServices, feeds: Feeds, source: CaptureSource, post: Post) -> None:
        self.opened: Request[FedIngest] = Request()
        """The ingest, once the source is open, or SourceFailed."""
        self.is_connected = False
        self.why = ""
        """A word for how the last connection ended."""
        self.reconnects = 0
        self._workers = workers
        self._feeds = feeds
        self._source = source
        self._post = post
        self._ingest: FedIngest | None = None
        self._worker: Capturing | None = None
        self._misfit = self._is_keyless = False

    @property
    def cores(self) -> float:
        """What of the processors it uses now; what it will, while it is connected to."""
        return COPIED if self._worker is None else self._worker.share.cores

    async def run(self) -> None:
        """Until the source is over for good; the last thing that it does is to tell so."""
        pause = GrowingPause(FIRST_PAUSE, LONGEST_PAUSE)
        while True:
            began = trio.current_time()
            why = self.why = await self._connect()
            info = self._info(why)
            if self._ingest is None:
                setting = {"setting": _SETTINGS[why]} if why in _SETTINGS else {}
                log.warning("source cannot be opened", name=self._source.name, why=why, info=info, **setting)
                self.opened.fail(SourceFailed(info, why))
                return
            if self._is_final(why):
                log.info("source is over", name=self._source.name, why=why, info=info)
                self._post(Failed(info=info))
                return
            if trio.current_time() - began >= LASTED:
                pause.reset()
            self.reconnects += 1
            seconds = pause.next()
            log.warning("source lost", name=self._source.name, why=why, retry_s=seconds)
            await trio.sleep(seconds)

    # -- inside --------------------------------------------------------------------------------------------------

    async def _connect(self) -> str:
        """One process, until its end; why it ended."""
        source = self._source
        worker = self._worker = Capturing(self._workers, source, self._read)
        with crash_guard(lambda error: log.error("capture crashed", crash=error, name=source.name)):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._watch_key_frames, worker)
                try:
                    await worker.run()
                finally:
                    self.is_connected, self._worker = False, None
                nursery.cancel_scope.cancel()
        if self._misfit:
            return "other-tracks"
        return NO_KEY_FRAME if self._is_keyless else worker.why

    async def _watch_key_frames(self, worker: Capturing) -> None:
        """Nobody sees a picture without one; a source that cannot be asked has to send it by itself."""
        await trio.sleep(KEY_FRAME_PATIENCE)
        ingest = self._ingest
        if ingest is None or not ingest.lacks_key_frame:
            return
        log.warning("source sends no key frame", name=self._source.name, waited_s=KEY_FRAME_PATIENCE)
        if ingest.audio_codec is None:
            self._is_keyless = True
            worker.stop(StopReason(cause="refused", info=StreamInfo.SOURCE_SENDS_NO_KEY_FRAME))

    async def _read(self, channel: socket.socket) -> None:
        await FeedReader(channel, self._feeds, self._open).run()

    def _open(self, tracks: Sequence[TrackFormat]) -> FedIngest:
        if self._ingest is None:
            self._ingest = FedIngest(self._feeds.context, tracks, self._post)
            self.opened.reply(self._ingest)
        elif not self._ingest.begins_again(tracks):
            self._misfit = True
            raise TapError("the source has other tracks than before")
        self.is_connected = True
        return self._ingest

    def _is_final(self, why: str) -> bool:
        is_over = why == "ended" and self._source.ends
        return self._misfit or is_over or why in _FINAL or (self._source.file is not None and why != DIED)

    def _info(self, why: str) -> StreamInfo:
        if self._source.file is not None and why == "wrong-format":
            return StreamInfo.FILE_HAS_WRONG_FORMAT
        if why == "ended" and self._ingest is not None:
            return StreamInfo.REQUESTED_STREAM_SHUTDOWN
        return _INFOS.get(why, StreamInfo.FAILED_TO_CONNECT_TO_RTSP_STREAM)
