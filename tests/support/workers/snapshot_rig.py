"""The real process that takes pictures, of publications that are fed by hand."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import evolve

from actors.media.events import discard
from actors.media.tap import Tap
from actors.node.ports.snapshot import SnapshotRefused
from actors.workers.processes.worker import WorkerServices
from actors.workers.snapshots.snapshots import SnapshotRequest, Snapshots
from config.settings import Settings
from protocol.stream.pictures import PictureSpec
from protocol.webrtc.sdp import Codec, MediaKind
from tests.support.media.media_rig import Rig, media_rig
from tests.support.media.plain_media import PlainSource
from tests.support.media.rtp_packets import build_header
from tests.support.workers.colour_frames import HEIGHT, WIDTH, Colour, payloads

PATIENT = evolve(Settings(), snapshot_timeout=60.0)
PATIENCE = 60.0
PNG = PictureSpec()


class Camera:
    """A publication, whose key frames come when they are told to."""

    def __init__(self, rig: Rig, codec: str = "VP8") -> None:
        self._rig = rig
        self._codec = codec
        self._sequence = 100
        video = Codec(payload_type=0, name=codec, clock_rate=90_000)
        self.source = PlainSource(rig.plane.context, post=discard, video=video)

    def shows(self, left: Colour, right: Colour, width: int = WIDTH, height: int = HEIGHT) -> None:
        """A key frame comes."""
        parts = payloads(self._codec, left, right, width, height)
        for number, part in enumerate(parts, 1):
            self._sequence += 1
            header = build_header(
                payload_type=0,
                marker=number == len(parts),
                sequence=self._sequence,
                timestamp=self._sequence // 100 * 90_000,
                ssrc=1,
            )
            self.source.feed(MediaKind.VIDEO, [header + part])
        self._sequence = (self._sequence // 100 + 1) * 100

    def request(
        self, spec: PictureSpec = PNG, *, timeout: float = PATIENCE, publisher: str = "alice"
    ) -> SnapshotRequest:
        def open_tap(channel: socket.socket, on_end: Callable[[], None]) -> Tap:
            return Tap(self.source.publication, self._rig.plane.context, channel, on_end)

        stream_id = self.source.publication.stream_id
        return SnapshotRequest(
            publication=stream_id,
            publisher=publisher,
            open_tap=open_tap,
            spec=spec,
            deadline=trio.current_time() + timeout,
        )


@asynccontextmanager
async def taking(settings: Settings = PATIENT) -> AsyncIterator[tuple[Snapshots, Rig]]:
    async with media_rig() as rig:
        snapshots = Snapshots(settings, WorkerServices())
        await rig.nursery.start(snapshots.run)
        yield snapshots, rig


async def refusal(snapshots: Snapshots, request: SnapshotRequest) -> SnapshotRefused:
    with pytest.raises(SnapshotRefused) as refused:
        await snapshots.take(request)
    return refused.value


async def pid(snapshots: Snapshots) -> int:
    """Of the process, when it takes requests."""
    worker = snapshots._worker
    assert worker is not None
    await worker.ready.wait()
    assert worker.pid is not None
    return worker.pid
