"""What recordings cost: processor time and memory of their processes, each alone, and ten together, as they are.

    python -m tests.bench.workers.recorders [--recordings 10] [--seconds 20]

Each publication sends 30 pictures a second of 1.2 kB and two packets (600 kbit/s), and 50 packets of sound.
"""

import argparse
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import trio
from attrs import evolve

from actors.media.events import discard
from actors.media.tap import Tap
from actors.workers.processes.shared_process import RecorderHosts
from actors.workers.recording.recordings import Recordings, RecordRequest
from config.settings import Settings
from protocol.stream.record_names import RecordFacts
from protocol.webrtc.rtcp import SenderReport
from protocol.webrtc.sdp import MediaKind
from tests.bench.workers.worker_starts import memory_of, processor_time
from tests.support.media.media_rig import Rig, media_rig
from tests.support.media.plain_media import PlainSource
from tests.support.media.rtp_packets import build_header
from tests.support.webrtc.media_peer import vp8_key_frame

PICTURES, SOUNDS = 30, 50


class Camera:
    """A publication that sends all the time."""

    def __init__(self, rig: Rig, number: int) -> None:
        self.source = PlainSource(rig.plane.context, post=discard)
        self.id = f"m{number}"
        self._rig = rig
        self._sent = dict.fromkeys(MediaKind, 0)
        for track in self.source.publication.tracks.values():
            report = SenderReport(ssrc=1, ntp_timestamp=1 << 40, rtp_timestamp=0, packet_count=0, octet_count=0)
            track.take_report(report, rig.plane.context.clock())

    def request(self) -> RecordRequest:
        def open_tap(channel: socket.socket, on_end: Callable[[], None]) -> Tap:
            return Tap(self.source.publication, self._rig.plane.context, channel, on_end)

        facts = RecordFacts(
            stream_name=self.id,
            media_session_id=self.id,
            session_id="s",
            start=1,
            audio_codec="OPUS",
            video_codec="VP8",
        )
        return RecordRequest(facts=facts, app_key="app", open_tap=open_tap)

    def show(self) -> None:
        number = self._sent[MediaKind.VIDEO]
        self._sent[MediaKind.VIDEO] += 1
        picture = vp8_key_frame(b"x" * 1100) if not number % PICTURES else b"\x10\x01" + b"x" * 1100
        packets = [
            build_header(payload_type=0, marker=last, sequence=2 * number + last, timestamp=number * 3000, ssrc=1)
            + (b"\0" + b"y" * 1100 if last else picture)
            for last in (False, True)
        ]
        self.source.feed(MediaKind.VIDEO, packets)

    def sound(self) -> None:
        number = self._sent[MediaKind.AUDIO]
        self._sent[MediaKind.AUDIO] += 1
        header = build_header(payload_type=0, marker=False, sequence=number, timestamp=number * 960, ssrc=1)
        self.source.feed(MediaKind.AUDIO, [header + b"z" * 80])

    async def send(self) -> None:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_every, 1 / PICTURES, self.show)
            nursery.start_soon(_every, 1 / SOUNDS, self.sound)


async def _every(interval: float, act: Callable[[], None]) -> None:
    due = trio.current_time()
    while True:
        act()
        due += interval
        await trio.sleep_until(due)


async def measure(count: int, seconds: float, folder: Path, *, shared: bool) -> None:
    settings = evolve(Settings(), records_min_free=0)
    async with media_rig() as rig:
        recordings = Recordings(settings, folder, time.time)
        await rig.nursery.start(recordings.run)
        if not shared:
            recordings.services.recorder_hosts = RecorderHosts()  # that nobody runs
        cameras = [Camera(rig, number) for number in range(count)]
        began, running = time.perf_counter(), []
        for camera in cameras:
            running.append(recordings.start(camera.request()))
            await running[-1].started.wait()
        ready = time.perf_counter() - began
        async with trio.open_nursery() as nursery:
            for camera in cameras:
                nursery.start_soon(camera.send)
            await trio.sleep(5)
            pids = list({recording.pid for recording in running if recording.pid is not None})
            before = sum(map(processor_time, pids))
            await trio.sleep(seconds)
            spent = sum(map(processor_time, pids)) - before
            memory = [memory_of(pid) for pid in pids]
            nursery.cancel_scope.cancel()
        sums = {kind: round(sum(each[kind] for each in memory), 1) for kind in memory[0]}
        row = f"{'together' if shared else 'alone':8} {count} in {len(pids)} processes, begun in {ready:.2f} s"
        print(f"{row}, {spent / seconds / 10:.2f} % of a core together, MB: {sums}")
        await recordings.drain()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recordings", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=20)
    given = parser.parse_args()
    for shared in (False, True, False, True):
        with tempfile.TemporaryDirectory() as folder:
            await measure(given.recordings, given.seconds, Path(folder), shared=shared)


if __name__ == "__main__":
    trio.run(main)
