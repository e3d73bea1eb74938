"""Pushes of all nodes, as REST on any of them begins, finds, changes and ends them, over a registry in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
from attrs import define, evolve, field
from trio.testing import MockClock

from actors.cluster.cluster import Cluster
from actors.cluster.owned.pushes import ClusterPushes
from actors.node.ports.push import (
    AlreadyPushed,
    NoSuchPush,
    NoSuchSound,
    NothingToPush,
    PushDescription,
    PushRefused,
    UnusableTarget,
)
from actors.node.ports.refusals import NodesSilent
from protocol.cluster.members import BEAT_INTERVAL
from protocol.node.filters import StreamFilter
from protocol.rest.paging import Found
from protocol.rest.resources.pushes import PushOrder, PushSearch, PushSound
from tests.support.cluster.cluster_simulation import SimulatedNode
from tests.support.cluster.owned_nodes import OwnedNodes, owned_nodes

ALL = StreamFilter()
ORDER = PushOrder(stream_name="news", url="rtmp://out.example/live/key", is_full=True, sound=PushSound(file="a.wav"))
SOUND = PushSound(file="b.wav", loops=True)


@define(eq=False)
class FakePushes:
    """Those of one node, by their ids, and what was done to them."""

    streams: set[str] = field(factory=set)
    running: dict[str, PushDescription] = field(factory=dict)
    orders: list[PushOrder] = field(factory=list)
    sounds: list[PushSound] = field(factory=list)
    fault: Exception | None = None

    @property
    def here(self) -> "FakePushes":
        return self

    def has(self, push: str) -> bool:
        return push in self.running

    async def start(self, query: StreamFilter, order: PushOrder) -> PushDescription:
        if order.stream_name not in self.streams:
            raise NothingToPush
        if self.fault is not None:
            raise self.fault
        self.orders.append(order)
        self.running["p1"] = push = PushDescription(
            id="p1",
            stream_name=order.stream_name,
            target_name=f"rtmp_{order.stream_name}",
            shown_url="rtmp://out.example/live/...",
            url=order.url,
            status="PUSHING",
            width=640,
            height=360,
            is_muted=order.is_muted,
            plays_sound=False,
        )
        return push

    async def find(self, query: StreamFilter, search: PushSearch) -> Found[PushDescription]:
        found = tuple(each for each in self.running.values() if search.url in (None, each.url))
        return Found(total=len(found), items=found)

    async def stop(self, query: StreamFilter, push: str) -> None:
        self._check(push)
        del self.running[push]

    async def mute(self, query: StreamFilter, push: str, *, is_muted: bool) -> None:
        self._check(push)
        self.running[push] = evolve(self.running[push], is_muted=is_muted)

    async def sound_on(self, query: StreamFilter, push: str, sound: PushSound) -> None:
        self._check(push)
        if self.fault is not None:
            raise self.fault
        self.sounds.append(sound)

    async def sound_off(self, query: StreamFilter, push: str) -> None:
        self._check(push)
        self.sounds.clear()

    def _check(self, push: str) -> None:
        if push not in self.running:
            raise NoSuchPush


class PushNode:
    """Those of one node, and those of all as this node sees them."""

    def __init__(self, node: SimulatedNode, cluster: Cluster) -> None:
        self.own = FakePushes()
        self.all = ClusterPushes(self.own, cluster.owners)


@asynccontextmanager
async def asked_and_owner() -> AsyncIterator[tuple[OwnedNodes[PushNode], PushNode, PushNode]]:
    async with owned_nodes("ab", PushNode) as made:
        made.nodes["b"].publish("news")
        made["b"].own.streams.add("news")
        await trio.sleep(BEAT_INTERVAL)
        yield made, made["a"], made["b"]


async def test_a_publication_of_another_node_is_pushed_from_there(autojump_clock: MockClock) -> None:
    async with asked_and_owner() as (_, asked, owner):
        push = await asked.all.start(ALL, ORDER)
        assert (push, owner.own.orders) == (evolve(owner.own.running["p1"], url=""), [ORDER])
        found = await asked.all.find(ALL, PushSearch(url=ORDER.url))
        assert (found.items, found.coverage and found.coverage.shown) == ((push,), "2/2")
        assert not (await asked.all.find(ALL, PushSearch(url="rtmp://other.example/x"))).items
        for is_muted in (True, False):
            await asked.all.mute(ALL, "p1", is_muted=is_muted)
            assert owner.own.running["p1"].is_muted is is_muted
        await asked.all.sound_on(ALL, "p1", SOUND)
        assert owner.own.sounds == [SOUND]
        await asked.all.sound_off(ALL, "p1")
        assert owner.own.sounds == []
        await asked.all.stop(ALL, "p1")
        with pytest.raises(NoSuchPush):
            await asked.all.stop(ALL, "p1")
        with pytest.raises(NothingToPush):
            await asked.all.start(ALL, evolve(ORDER, stream_name="nobody"))


@pytest.mark.parametrize(
    "fault", [AlreadyPushed(), NoSuchSound(), PushRefused("Too many", "push.max_running"), UnusableTarget("has no app")]
)
async def test_what_the_node_of_the_publication_refuses_is_told(fault: Exception, autojump_clock: MockClock) -> None:
    async with asked_and_owner() as (_, asked, owner):
        owner.own.fault = fault
        with pytest.raises(type(fault)) as told:
            await asked.all.start(ALL, ORDER)
        assert str(told.value) == str(fault)


async def test_a_node_that_is_silent_may_have_the_push(autojump_clock: MockClock) -> None:
    async with asked_and_owner() as (made, asked, _):
        await asked.all.start(ALL, ORDER)
        made.redis.cut("b")
        with pytest.raises(NodesSilent):
            await asked.all.stop(ALL, "p1")
        with pytest.raises(NodesSilent):
            await asked.all.start(ALL, evolve(ORDER, stream_name="nobody"))
        found = await asked.all.find(ALL, PushSearch())
        assert (found.total, found.coverage and found.coverage.shown) == (0, "1/2")
