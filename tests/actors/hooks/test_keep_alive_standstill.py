"""The walk for keep-alives where nothing is asked: it stands still until there is something to do again."""

import gc
import weakref

import httpx
import trio
from attrs import evolve
from trio.testing import MockClock

from actors.stream.keep_alive_schedule import StreamKeepAlive
from config.live import Live
from tests.support.hooks.hook_rig import TEST_OVER, hook_rig, status
from tests.support.hooks.keep_alive_rig import keep_alive_settings, stream, walker_over


async def test_a_limited_time_ends_also_when_it_is_told_after_keep_alives_were_turned_off(
    autojump_clock: MockClock,
) -> None:
    live, may_answer = Live(keep_alive_settings()), trio.Event()

    async def late(request: httpx.Request) -> httpx.Response:
        await may_answer.wait()
        return await status(200, {"expiresInMs": 1000})(request)

    async with hook_rig() as rig, trio.open_nursery() as nursery:
        rig.backend.script("*", late)
        limited = stream(rig.lane(), "a")
        walker = walker_over(live.settings, [limited])
        nursery.start_soon(walker.run)
        await trio.sleep(10.5)  # it was asked for
        live.replace(evolve(live.now, keep_alive_streaming_sessions_enabled=False))
        await trio.sleep(2)
        may_answer.set()
        await trio.sleep(2)
        assert len(limited.stopped) == 1
        walker.stop(TEST_OVER)


async def test_once_keep_alives_are_turned_off_no_stream_is_kept_that_has_ended(autojump_clock: MockClock) -> None:
    live = Live(keep_alive_settings())
    async with hook_rig() as rig, trio.open_nursery() as nursery:
        rig.backend.script("*", status(200))
        streams = [stream(rig.lane(), "a")]
        walker = walker_over(live.settings, streams)
        nursery.start_soon(walker.run)
        await trio.sleep(10.5)  # it was asked for
        live.replace(evolve(live.now, keep_alive_streaming_sessions_enabled=False))
        await trio.sleep(2)
        ended = weakref.ref(streams.pop())
        gc.collect()
        assert ended() is None
        walker.stop(TEST_OVER)


async def test_without_keep_alives_nothing_wakes_up_until_they_are_turned_on(autojump_clock: MockClock) -> None:
    live = Live(evolve(keep_alive_settings(), keep_alive_streaming_sessions_enabled=False))
    async with hook_rig() as rig, trio.open_nursery() as nursery:
        walker = walker_over(live.settings, [stream(rig.lane(), "a")])
        nursery.start_soon(walker.run)
        await trio.sleep(1)
        steps = Steps(walker)
        trio.lowlevel.add_instrument(steps)
        await trio.sleep(3600)
        trio.lowlevel.remove_instrument(steps)
        assert steps.count == 0
        live.replace(evolve(live.now, keep_alive_streaming_sessions_enabled=True))
        await trio.sleep(20)
        assert len(rig.backend.calls) >= 1
        walker.stop(TEST_OVER)


class Steps(trio.abc.Instrument):
    """Counts the steps of a walker."""

    def __init__(self, walker: StreamKeepAlive) -> None:
        self.count = 0
        self._walk = walker.nursery.child_tasks

    def before_task_step(self, task: trio.lowlevel.Task) -> None:
        self.count += task in self._walk
