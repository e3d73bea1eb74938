"""Publications that are pushed by the real process."""

import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import av
import av.error
import trio
from attrs import evolve

from actors.media.context import MediaContext
from actors.media.events import discard
from actors.media.tap import Tap
from actors.runtime.overload import Overload
from actors.workers.pushing.push import Push, PushStatus
from actors.workers.pushing.pushes import PushedStream, Pushes, PushTo
from config.settings import Settings
from protocol.webrtc.rtcp import SenderReport
from protocol.webrtc.sdp import Codec, MediaKind
from tests.support.media.media_rig import media_rig
from tests.support.media.media_tapes import STARTED, arrivals, opus_arrivals
from tests.support.media.plain_media import PlainSource
from tests.support.workers.flv_reader import Heard, read_media
from tests.support.workers.rtmp_server import RtmpServer

TIME = 60.0
ALL_SOUND = 90
"""Frames of 1024 samples in the two seconds that are played, but for the last ones."""


class Studio:
    """Publications that are pushed."""

    def __init__(self, pushes: Pushes, context: MediaContext) -> None:
        self.pushes = pushes
        self.context = context
        self.failures = 0

    def source(self, video: str = "H264") -> PlainSource:
        codec = Codec(payload_type=0, name=video, clock_rate=90_000)
        return PlainSource(self.context, post=discard, video=codec)

    def push(self, source: PlainSource, url: str, *, audio: str = "OPUS", **to: Any) -> Push:
        def open_tap(channel: socket.socket, on_end: Callable[[], None]) -> Tap:
            return Tap(source.publication, self.context, channel, on_end)

        stream = PushedStream(
            media_session_id="m1",
            name="news",
            app_key="app",
            video_codec=source.publication.video_codec,
            audio_codec=audio,
            size=lambda: (160, 96),
            open_tap=open_tap,
        )
        return self.pushes.start(stream, PushTo(url=url, on_failure=self._count, **to))

    def play(
        self, source: PlainSource, begin: float = 0.0, end: float = 2.0, sound: Sequence[bytes] | None = None
    ) -> None:
        """A part of a tape comes, all at once, and before it what aligns the tracks. `sound`: None for silence."""
        for track in source.publication.tracks.values():
            report = SenderReport(ssrc=1, ntp_timestamp=1 << 40, rtp_timestamp=0, packet_count=0, octet_count=0)
            track.take_report(report, self.context.clock())
        video = arrivals(source.publication.video_codec or "")
        for kind, packets in ((MediaKind.VIDEO, video), (MediaKind.AUDIO, opus_arrivals(2))):
            wanted = [each.packet for each in packets if begin <= each.time - STARTED < end]
            source.feed(kind, wanted if sound is None or kind is MediaKind.VIDEO else sound)

    def _count(self) -> None:
        self.failures += 1


@asynccontextmanager
async def studio(folder: Path, **settings: Any) -> AsyncIterator[Studio]:
    changed = evolve(Settings(), **settings)
    async with media_rig() as rig:
        pushes = Pushes(changed, folder, Overload(float("inf")), changed.push_allow.allows)
        await rig.nursery.start(pushes.run)
        yield Studio(pushes, rig.plane.context)
        await pushes.drain()


async def taken(push: Push) -> None:
    """Wait until the target takes the stream."""
    with trio.fail_after(TIME):
        await push.begun.wait()
    assert push.status is PushStatus.PUSHING, push.cause


async def over(push: Push) -> str:
    """Wait for its end; why."""
    with trio.fail_after(TIME):
        await push.over.wait()
    return push.cause


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that tells no one of its change."""
    with trio.fail_after(TIME):
        while True:
            if condition():
                return
            await trio.sleep(0.01)


async def recorded(server: RtmpServer, name: str, frames: int, *, sound: int = 0) -> Heard:
    """What the server has got, when it has so many pictures of it, and so many frames of sound."""
    with trio.fail_after(TIME):
        while True:
            heard = await trio.to_thread.run_sync(_read, server.recorded(name))
            if heard is not None and heard.frames["video"] >= frames and heard.frames["audio"] >= sound:
                return heard
            await trio.sleep(0.02)


def _read(file: Path) -> Heard | None:
    try:
        return read_media(str(file), frames=10_000)
    except (OSError, av.error.FFmpegError):
        return None
