"""A push connects anew when its publication's tracks change, but not as often as these do."""

import socket
from collections.abc import Callable

import trio
from trio.testing import MockClock

from actors.workers.processes.tap_channel import WorkerTap
from actors.workers.processes.worker import WorkerServices
from actors.workers.pushing.push import Push, PushRequest
from actors.workers.pushing.push_worker import PushJob
from protocol.rtmp.target import read_target

CHANGES = 5


def open_tap(channel: socket.socket, on_end: Callable[[], None]) -> WorkerTap:
    raise OSError("nothing is connected here")


class ChangingPush(Push):
    """Its publication's tracks change as soon as it is connected, CHANGES times; then it ends."""

    async def _try(self) -> tuple[str, float]:
        self.tries += 1
        await trio.lowlevel.checkpoint()
        return ("changed" if self.tries <= CHANGES else "ended"), 0.0


async def test_tracks_that_keep_changing_do_not_make_it_connect_at_once(autojump_clock: MockClock) -> None:
    job = PushJob(
        target=read_target("rtmp://target.example/live", "key", is_full=False),
        open_tap=open_tap,
        transcode=0,
        timeout=1.0,
    )
    request = PushRequest(
        id="p1",
        stream_id="m1",
        stream_name="news",
        app_key="app",
        target_name="news",
        size=lambda: (0, 0),
        job=job,
        rule=lambda host, address: True,
        has_audio=True,
        retry_delay=2.0,
    )
    push, began = ChangingPush(request, WorkerServices()), trio.current_time()
    await push.run()
    assert (push.tries, push.cause) == (CHANGES + 1, "ended")
    assert trio.current_time() - began == CHANGES * 2.0
