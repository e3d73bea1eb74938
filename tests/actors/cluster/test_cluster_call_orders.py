"""What phones hear by REST on any node: the call is on one node, the stream may be on another."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import pytest
from attrs import evolve
from trio.testing import MockClock

from actors.calls.all_calls.call_table import CallTable
from actors.calls.by_rest.call_control import CallControl
from actors.calls.by_rest.call_orders import CallOrders
from actors.calls.by_rest.call_starter import CallStarter
from actors.calls.by_rest.sound_files import SoundFiles
from actors.cluster.cluster import Cluster
from actors.cluster.owned.call_orders import ClusterCallOrders
from actors.cluster.owned.calls import ClusterCalls
from actors.media.publication import Publication
from actors.node.ports.call_control import NoSuchCall
from actors.node.ports.call_order import NothingToInject, NotInjected
from actors.node.ports.push import NoSuchSound
from actors.node.ports.refusals import NodesSilent
from actors.stream import Broadcast
from protocol.calls.filters import CallFilter
from protocol.node.coverage import Coverage
from protocol.node.filters import StreamFilter
from tests.support.calls.listed_call import ListedActor, description
from tests.support.cluster.cluster_simulation import SimulatedNode
from tests.support.cluster.owned_nodes import owned_nodes

ONE = CallFilter(call_id="c1")
NEWS = StreamFilter(name="news", published=True)


class OrderNode:
    """The calls of one node, and those of all as this node sees them. `far`: what other nodes publish."""

    def __init__(self, node: SimulatedNode, cluster: Cluster) -> None:
        self._node, self.table = node, CallTable()
        self.far: dict[str, Broadcast] = {}
        self.refusal: Exception | None = None
        starter = cast(CallStarter, None)  # no call is begun here
        self.own = CallOrders(self.table, node.supervisor, starter, SoundFiles(self._open_sound), self._bring)
        calls = ClusterCalls(CallControl(self.table, node.supervisor), cluster.owners)
        self.all = ClusterCallOrders(self.own, calls, cluster.owners)

    def begin(self) -> ListedActor:
        actor = ListedActor(evolve(description("c1"), node_id=self._node.name))
        self.table.add(actor)
        self._node.supervisor.adopt_other("call", actor)
        return actor

    async def _open_sound(self, name: str) -> int:
        raise NoSuchSound

    async def _bring(self, query: StreamFilter) -> Broadcast | None:
        if self.refusal is not None:
            raise self.refusal
        return self.far.get(query.name or "")


def far_publication() -> Broadcast:
    return Broadcast(cast(Publication, object()))  # nothing of it is looked at


@asynccontextmanager
async def asked_and_owner() -> AsyncIterator[tuple[OrderNode, OrderNode]]:
    async with owned_nodes("ab", OrderNode) as made:
        yield made["a"], made["b"]


async def test_a_phone_hears_a_stream_of_another_node_which_comes_as_long_as_it_is_heard(
    autojump_clock: MockClock,
) -> None:
    async with asked_and_owner() as (asked, owner):
        call, news = owner.begin(), far_publication()
        with pytest.raises(NothingToInject, match="no publication matches"):
            await asked.all.inject_stream(ONE, NEWS)
        owner.far["news"] = news
        await asked.all.inject_stream(ONE, NEWS)
        assert (call.injections.heard, len(news)) == ([news.publication], 1)
        news.close()
        call.injections.on_over()
        news = owner.far["news"] = far_publication()
        await asked.all.inject_stream(ONE, NEWS)
        assert len(news) == 1
        call.injections.on_over()
        assert len(news) == 0
        call.injections.fault = "the call is not up"
        with pytest.raises(NotInjected, match="the call is not up"):
            await asked.all.inject_stream(ONE, NEWS)
        assert len(news) == 0


async def test_what_the_node_of_the_call_refuses_is_told(autojump_clock: MockClock) -> None:
    async with asked_and_owner() as (asked, owner):
        with pytest.raises(NoSuchCall):
            await asked.all.stop_injection(ONE)
        call = owner.begin()
        await asked.all.stop_injection(ONE)
        assert call.injections.heard == ["stop"]
        with pytest.raises(NothingToInject, match="no such file"):
            await asked.all.inject_sound(ONE, "none.wav")
        owner.refusal = NotInjected("it does not come from there")
        with pytest.raises(NotInjected, match="it does not come from there"):
            await asked.all.inject_stream(ONE, NEWS)
        coverage = Coverage(asked=3, silent=("c",))
        owner.refusal = NodesSilent(coverage)
        with pytest.raises(NodesSilent) as silent:
            await asked.all.inject_stream(ONE, NEWS)
        assert silent.value.coverage == coverage
