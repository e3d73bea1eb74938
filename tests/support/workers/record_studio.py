"""Publications without WebRTC that are recorded by the real process."""

import io
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import av
import trio
from attrs import evolve

from actors.media.context import MediaContext
from actors.media.events import discard
from actors.media.tap import Tap
from actors.node.ports.recorder import RecordWish
from actors.workers.recording.recording import Recording
from actors.workers.recording.recordings import Recordings, RecordRequest
from config.settings import RecordPolicy, Settings
from protocol.stream.record_names import RecordFacts
from protocol.webrtc.rtcp import SenderReport
from protocol.webrtc.sdp import Codec, MediaKind
from tests.support.media.media_rig import media_rig
from tests.support.media.media_tapes import OPUS_SILENCE, STARTED, arrivals, opus_arrivals
from tests.support.media.plain_media import PlainSource
from tests.support.media.rtp_packets import build_header
from tests.support.webrtc.media_peer import vp8_key_frame

FREE = evolve(Settings(), records_min_free=0, stream_record_policy=RecordPolicy.STREAM_NAME)


class Studio:
    """Publications that are recorded."""

    def __init__(self, recordings: Recordings, context: MediaContext) -> None:
        self.recordings = recordings
        self.context = context
        self.number = 1000
        """Of the next packet that is made by hand."""

    def source(self, video: str = "VP8") -> PlainSource:
        codec = Codec(payload_type=0, name=video, clock_rate=90_000)
        return PlainSource(self.context, post=discard, video=codec)

    def request(
        self, source: PlainSource, media_session_id: str = "m1", *, wish: RecordWish | None = None
    ) -> RecordRequest:
        def open_tap(channel: socket.socket, on_end: Callable[[], None]) -> Tap:
            return Tap(source.publication, self.context, channel, on_end)

        facts = RecordFacts(
            stream_name="news",
            media_session_id=media_session_id,
            session_id="s1",
            start=1_000,
            audio_codec="OPUS",
            video_codec=source.publication.video_codec,
        )
        return RecordRequest(facts=facts, app_key="app", open_tap=open_tap, wish=wish)

    async def record(self, source: PlainSource, media_session_id: str = "m1") -> Recording:
        recording = self.recordings.start(self.request(source, media_session_id))
        with trio.fail_after(60):
            await recording.started.wait()
        return recording

    def play(self, source: PlainSource, begin: float = 0.0, end: float = 2.0) -> None:
        """A part of a tape comes, all at once, and before it what aligns the tracks."""
        for track in source.publication.tracks.values():
            report = SenderReport(ssrc=1, ntp_timestamp=1 << 40, rtp_timestamp=0, packet_count=0, octet_count=0)
            track.take_report(report, self.context.clock())
        video = arrivals(source.publication.video_codec or "")
        for kind, packets in ((MediaKind.VIDEO, video), (MediaKind.AUDIO, opus_arrivals(2))):
            source.feed(kind, [each.packet for each in packets if begin <= each.time - STARTED < end])


@asynccontextmanager
async def studio(folder: Path, settings: Settings = FREE) -> AsyncIterator[Studio]:
    async with media_rig() as rig:
        recordings = Recordings(settings, folder, lambda: 5.0)
        await rig.nursery.start(recordings.run)
        yield Studio(recordings, rig.plane.context)
        await recordings.drain()


async def ended(recording: Recording) -> Path | None:
    with trio.fail_after(60):
        await recording.stopped.wait()
    return recording.file


async def written(recording: Recording) -> None:
    """Wait until what came is in the file."""
    with trio.fail_after(60):
        await recording.writing.wait()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def pictures(file: Path) -> int:
    with av.open(io.BytesIO(file.read_bytes()), "r") as opened:
        return sum(1 for _ in opened.decode(opened.streams.video[0]))


async def rotated(made: Studio, recording: Recording, source: PlainSource) -> None:
    """Key frames come until the recording is in its next file."""
    files = recording.files
    with trio.fail_after(60):
        while recording.files == files:
            feed_key_frame(made, source)
            await trio.sleep(0.02)  # as cameras do: a picture now and then


def feed_key_frame(made: Studio, source: PlainSource) -> None:
    """A key frame comes, and some sound."""
    header = build_header(payload_type=0, marker=True, sequence=made.number, timestamp=made.number * 3000, ssrc=1)
    source.feed(MediaKind.VIDEO, [header + vp8_key_frame(b"x" * 500)])
    sound = build_header(payload_type=0, marker=False, sequence=made.number, timestamp=made.number * 960, ssrc=1)
    source.feed(MediaKind.AUDIO, [sound + OPUS_SILENCE])
    made.number += 1
