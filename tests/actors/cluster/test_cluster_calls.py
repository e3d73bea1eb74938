"""Calls of all nodes, as REST on any of them finds and ends them, over a registry in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.calls.all_calls.call_ids import CallIds
from actors.calls.all_calls.call_table import CallTable
from actors.calls.by_rest.call_control import CallControl
from actors.cluster.cluster import Cluster
from actors.cluster.owned.calls import ClusterCalls
from actors.node.ports.call_control import DigitsNotSent, NoSuchCall
from actors.node.ports.refusals import NodesSilent
from actors.runtime.actor import StopReason
from config.settings import RegistryDown
from protocol.calls.description import CallDescription
from protocol.calls.filters import CallFilter
from protocol.calls.info_texts import CallInfo, CallRefused
from protocol.cluster.members import BEAT_INTERVAL, LEASE
from protocol.rest.paging import ALL, Page
from tests.support.calls.listed_call import ListedActor, description
from tests.support.cluster.cluster_simulation import SimulatedNode, Tally
from tests.support.redis.memory_redis import MemoryRedis

BY_REST = StopReason(cause="rest-terminate", info="ended")


class CallNode:
    """A node and its calls."""

    def __init__(self, redis: MemoryRedis, name: str) -> None:
        self.name = name
        self.table = CallTable()
        self.node = SimulatedNode(redis, name, redis.chance, Tally())
        self.node.prepare = self._prepare

    def _prepare(self, cluster: Cluster) -> None:
        local = CallControl(self.table, self.node.supervisor)
        self.calls = ClusterCalls(local, cluster.owners)
        self.call_ids = CallIds()
        self.call_ids.singles = cluster.singles

    def begin(self, call: CallDescription) -> ListedActor:
        actor = ListedActor(evolve(call, node_id=self.name))
        self.table.add(actor)
        self.node.supervisor.adopt_other("call", actor)
        return actor

    async def ids(self, query: CallFilter, page: Page = ALL) -> list[str]:
        return [call.call_id for call in (await self.calls.find(query, page)).items]

    async def end(self, call_id: str) -> int:
        return await self.calls.terminate(CallFilter(call_id=call_id), BY_REST, deadline=trio.current_time() + 5)


@asynccontextmanager
async def two_nodes() -> AsyncIterator[tuple[MemoryRedis, CallNode, CallNode]]:
    redis = MemoryRedis()
    a, b = CallNode(redis, "a"), CallNode(redis, "b")
    async with trio.open_nursery() as nursery:
        for each in (a, b):
            nursery.start_soon(each.node.run)
        await wait_all_tasks_blocked()
        await trio.sleep(2 * BEAT_INTERVAL)
        yield redis, a, b
        nursery.cancel_scope.cancel()


async def test_calls_are_found_on_all_nodes_and_ended_by_the_one_that_has_them(autojump_clock: MockClock) -> None:
    async with two_nodes() as (_, a, b):
        first, second = a.begin(description("c1", create_date=1)), b.begin(description("c2", create_date=2))
        third = b.begin(description("c3", create_date=3, app_key="shop"))
        for node in (a, b):
            assert await node.ids(CallFilter()) == ["c1", "c2", "c3"]
            assert await node.ids(CallFilter(app_keys=frozenset({"shop"}))) == ["c3"]
            found = await node.calls.find(CallFilter(), Page(offset=1, limit=1))
            assert (found.total, [call.call_id for call in found.items]) == (3, ["c2"])
            assert all(call.custom is None or call.node_id == node.name for call in found.items)
        assert [call.call_id for call in (await a.calls.here.find(CallFilter(), ALL)).items] == ["c1"]
        assert await a.end("c2") == 1
        assert (second.reason, first.reason, third.reason) == (BY_REST, None, None)
        assert await a.end("c2") == 0
        assert await b.end("c1") == 1


async def test_the_id_of_a_call_is_that_of_one_call_on_all_nodes(autojump_clock: MockClock) -> None:
    async with two_nodes() as (redis, a, b):
        claim = await a.call_ids.claim("c1")
        for node in (a, b):
            with pytest.raises(CallRefused, match=CallInfo.CALL_ID_IN_USE):
                await node.call_ids.claim("c1")
        claim.release()
        await wait_all_tasks_blocked()
        again = await b.call_ids.claim("c1")
        redis.cut("b")
        with pytest.raises(CallRefused):
            await a.call_ids.claim("c1")
        await trio.sleep(LEASE)
        await a.call_ids.claim("c1")
        lost: list[str] = []
        again.taken = partial(lost.append, "c1")
        redis.heal("b")
        await trio.sleep(2 * BEAT_INTERVAL)
        assert lost == ["c1"]


@pytest.mark.parametrize("policy", RegistryDown)
async def test_calls_go_on_while_nobody_can_tell(policy: RegistryDown, autojump_clock: MockClock) -> None:
    async with two_nodes() as (redis, a, b):
        live = a.node.live
        live.replace(evolve(live.now, cluster_registry_down=policy))
        redis.go_away()
        await trio.sleep(2 * BEAT_INTERVAL)
        for node in (a, b):
            (await node.call_ids.claim("c1")).release()
            (await node.call_ids.claim("c1")).release()


@pytest.mark.parametrize("policy", RegistryDown)
async def test_an_id_of_a_call_that_began_meanwhile_is_claimed_afterwards(
    policy: RegistryDown, autojump_clock: MockClock
) -> None:
    async with two_nodes() as (redis, a, b):
        for node in (a, b):
            live = node.node.live
            live.replace(evolve(live.now, cluster_registry_down=policy))
        redis.go_away()
        await trio.sleep(2 * BEAT_INTERVAL)
        lost: list[str] = []
        for node, ids in ((a, ("c1", "c2")), (b, ("c2", "c3"))):
            for call_id in ids:
                (await node.call_ids.claim(call_id)).taken = partial(lost.append, call_id)
        redis.come_back()
        await trio.sleep(2 * BEAT_INTERVAL)
        assert lost == ["c2"], "of two, the one whose claim came later ends"
        for node in (a, b):
            for call_id in ("c1", "c2", "c3"):
                with pytest.raises(CallRefused, match=CallInfo.CALL_ID_IN_USE):
                    await node.call_ids.claim(call_id)


async def test_digits_reach_the_phone_of_a_call_on_another_node(autojump_clock: MockClock) -> None:
    async with two_nodes() as (_, a, b):
        call = b.begin(description("c1"))
        query = CallFilter(call_id="c1")
        await a.calls.send_digits(query, "12", "INFO")
        assert call.digits == [("12", "INFO")]
        call.fault = "The call is on hold"
        with pytest.raises(DigitsNotSent, match="The call is on hold"):
            await a.calls.send_digits(query, "3", "INFO")
        with pytest.raises(NoSuchCall):
            await a.calls.send_digits(CallFilter(call_id="c9"), "3", "INFO")


async def test_a_node_that_is_silent_may_have_the_call(autojump_clock: MockClock) -> None:
    async with two_nodes() as (redis, a, b):
        mine, theirs = a.begin(description("c1")), b.begin(description("c2"))
        redis.cut("b")
        with pytest.raises(NodesSilent):
            await a.end("c2")
        assert await a.end("c1") == 1
        assert (theirs.reason, mine.reason) == (None, BY_REST)
        await trio.sleep(LEASE)
        assert await a.end("c2") == 0
        redis.go_away()
        await trio.sleep(BEAT_INTERVAL * 2)
        with pytest.raises(NodesSilent):
            await a.calls.send_digits(CallFilter(call_id="c2"), "1", "INFO")


@pytest.mark.parametrize("since", [0.0, 0.1, 1.0])
async def test_what_a_node_has_that_has_just_started_again_is_reached(autojump_clock: MockClock, since: float) -> None:
    async with two_nodes() as (_, a, b):
        b.table = CallTable()
        b.node.kill(0.0)
        await wait_all_tasks_blocked()
        await trio.sleep(since)
        call = b.begin(description("c1"))
        await a.calls.send_digits(CallFilter(call_id="c1"), "1", "INFO")
        assert call.digits == [("1", "INFO")]
