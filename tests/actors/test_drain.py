"""When a drain begins, goes on and is over."""

import math

import pytest
import trio
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.node.drain import Drain, NotDrainable
from protocol.node.server_state import ServerState
from tests.support.servers.drains import Streams, Watched


async def test_it_is_over_when_the_last_publication_has_ended(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    streams = Streams(2)
    drain = Drain(streams)
    watched = Watched(drain)
    nursery.start_soon(watched.run)
    await trio.sleep(10)
    assert not drain.refuses()
    drain.serve()
    assert drain.begin(60, by="test")
    assert drain.refuses()
    for expected in (math.inf, trio.current_time()):
        streams.end_one()
        await wait_all_tasks_blocked()
        assert watched.ended_at == expected
    assert drain.report().refused == 1


async def test_its_time_can_be_changed_and_ends_it(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    drain = Drain(Streams(1))
    watched = Watched(drain)
    nursery.start_soon(watched.run)
    start = trio.current_time()
    assert drain.begin(by="test")
    assert not drain.begin(by="test"), "the same again"
    assert drain.report().seconds_left is None
    await trio.sleep(1000)
    assert drain.begin(20, by="test")
    await trio.sleep(10)
    assert drain.begin(60, by="test")
    assert drain.report().seconds_left == 60
    await trio.sleep(100)
    assert watched.ended_at == start + 1000 + 10 + 60


async def test_a_cancelled_one_is_none_and_the_next_one_counts_anew(
    autojump_clock: MockClock, nursery: trio.Nursery
) -> None:
    streams = Streams(1)
    drain = Drain(streams)
    watched = Watched(drain)
    nursery.start_soon(watched.run)
    assert not drain.cancel(by="test")
    drain.begin(20, by="test")
    await trio.sleep(10)
    assert drain.cancel(by="test")
    drain.begin(100, by="test")  # before the task of the first has noticed
    await trio.sleep(50)
    assert (drain.state, watched.ended_at) == (ServerState.DRAINING, math.inf)
    assert drain.cancel(by="test")
    await trio.sleep(1000)
    assert (drain.state, watched.ended_at) == (ServerState.SERVING, math.inf)
    assert not drain.refuses()


async def test_a_signal_shortens_it_and_cannot_be_taken_back(autojump_clock: MockClock) -> None:
    drain = Drain(Streams(1))
    drain.begin(20, by="test")
    drain.begin(100, by="SIGTERM", is_final=True)
    assert drain.report().seconds_left == 20
    with pytest.raises(NotDrainable, match="signal"):
        drain.cancel(by="test")
    drain.stop()
    for again in (drain.begin, drain.cancel):
        with pytest.raises(NotDrainable, match="shutting down"):
            again(by="test")
    assert not drain.refuses()
