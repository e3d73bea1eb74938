"""When a process that captures is taken for hung: later than any of its timeouts can be over."""

import socket

from trio.testing import MockClock

from actors.workers.capturing.capturing import CaptureSource, Capturing, SourceJob
from actors.workers.processes.worker import Reported, WorkerServices


async def read_nothing(channel: socket.socket) -> None:
    channel.close()


async def test_a_process_that_still_waits_for_its_source_does_not_hang(autojump_clock: MockClock) -> None:
    job = SourceJob(url="rtsp://camera.example/", connect_timeout=600, read_timeout=60)
    capturing = Capturing(WorkerServices(), CaptureSource(name="lobby", job=job), read_nothing)
    await capturing.handle(Reported({"event": "ready", "refused": {}}))
    assert capturing._silence.deadline - autojump_clock.current_time() > job.connect_timeout + job.read_timeout
