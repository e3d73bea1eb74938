"""Draining nodes of a cluster from any of them, over a registry in memory."""

import math

import pytest
import trio
from trio.testing import MockClock

from actors.cluster.requests.draining import LONGEST
from actors.node.drain import Drain, NotDrainable
from actors.node.ports.drain import LocalDrain
from protocol.node.server_state import ServerState
from tests.support.cluster.growing_world import SOON, World, published
from tests.support.servers.drains import Streams, Watched


async def test_a_node_drains_and_serves_again_as_another_one_is_told(autojump_clock: MockClock, world: World) -> None:
    a, b = await world.node("node-a"), await world.node("node-b")
    b.drain.in_cluster(LONGEST, b.cluster.membership.renew)
    await published(b)
    done = await a.cluster.drain.begin(math.inf, by="test", node="node-b")
    assert done.changed
    assert (done.report.state, done.report.publications) == (ServerState.DRAINING, 1)
    assert done.report.seconds_left == LONGEST
    assert (a.drain.state, b.drain.state) == (ServerState.SERVING, ServerState.DRAINING)
    await trio.sleep(SOON)
    assert {each.info.node_id: each.info.state for each in a.cluster.members()} == {
        "node-a": "serving",
        "node-b": "draining",
    }
    shorter = await a.cluster.drain.begin(60, by="test", node="node-b")
    assert shorter.report.seconds_left == 60
    assert (await a.cluster.drain.cancel(by="test", node="node-b")).changed
    assert b.drain.state is ServerState.SERVING
    assert not (await b.cluster.drain.cancel(by="test")).changed


async def test_what_cannot_be_drained_is_told(autojump_clock: MockClock, world: World) -> None:
    a, b = await world.node("node-a"), await world.node("node-b")
    await world.node("node-b2")
    a.cluster.membership.renew()
    await trio.sleep(SOON)

    async def refusal(node: str) -> str:
        with pytest.raises(NotDrainable) as refused:
            await a.cluster.drain.begin(60, by="test", node=node)
        return str(refused.value)

    assert "is none of the other nodes: node-b, node-b2" in await refusal("other")
    assert "is none of the other nodes" in await refusal("")
    assert (await a.cluster.drain.begin(60, by="test", node="node-b")).changed, "exactly this one"
    assert (await a.cluster.drain.begin(60, by="test", node="node-a")).changed, "it is the one that is asked"
    b.drain.stop()
    assert await refusal("node-b") == "node 'node-b': the server is shutting down"
    world.redis.cut("node-b2")
    assert "does not answer" in await refusal("node-b2")
    world.redis.go_away()
    await trio.sleep(SOON)
    assert "does not answer" in await refusal("node-b2")


async def test_in_a_cluster_players_are_waited_for_too(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    streams = Streams(1)
    drain = Drain(streams)
    drain.in_cluster(100, lambda: None)
    drain.serve()
    watched = Watched(drain)
    nursery.start_soon(watched.run)
    drain.begin(math.inf, by="test")
    streams.end_one()
    await trio.sleep(99)
    assert watched.ended_at == math.inf, "they may watch a stream of another node"
    await trio.sleep(2)
    assert watched.ended_at == 100


async def test_without_a_cluster_there_is_one_node() -> None:
    drain = LocalDrain(Drain(), "node-a@192.0.2.1")
    assert (await drain.begin(60, by="test", node="node-a")).changed
    with pytest.raises(NotDrainable, match="no node of a cluster"):
        await drain.begin(60, by="test", node="node-b")
