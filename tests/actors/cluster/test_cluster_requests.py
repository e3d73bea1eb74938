"""`Idempotency-Key` over many nodes: what is asked again of another node is carried out once; a registry in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import trio
import trio.lowlevel
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.cluster.cluster import Cluster
from actors.cluster.owned.keyed_requests import WAIT, ClusterRequests
from config.settings import RegistryDown
from protocol.cluster.claims import ClaimSpace
from protocol.cluster.members import BEAT_INTERVAL
from protocol.rest import idempotency
from protocol.rest.idempotency import KEPT_SECONDS
from tests.support.cluster.cluster_simulation import SimulatedNode
from tests.support.cluster.owned_nodes import OwnedNodes, owned_nodes
from tests.support.web.slow_world import KEY, STREAMS, SlowWorld
from tests.support.web.stream_world import stream
from tests.support.web.web_rig import client_of

REPLAYED = "idempotency-replayed"


class WebNode:
    """A node that REST asks to end streams, of which it has two."""

    def __init__(self, node: SimulatedNode, cluster: Cluster) -> None:
        self.world = SlowWorld([stream("a", "a"), stream("b", "b")])
        self.world.may_stop.set()
        self.cluster = cluster
        self._client = client_of(self.world, keyed_requests=ClusterRequests(cluster.owners, cluster.singles))

    async def end(self, name: str = "a", path: str = STREAMS, key: str = KEY["Idempotency-Key"]) -> httpx.Response:
        return await self._client.post(path, json={"name": name}, headers={"Idempotency-Key": key})


@asynccontextmanager
async def nodes() -> AsyncIterator[OwnedNodes[WebNode]]:
    async with owned_nodes("abc", WebNode) as made:
        yield made


def asked(made: OwnedNodes[WebNode]) -> list[int]:
    """How often each node has carried one out."""
    return [made[name].world.asked for name in "abc"]


async def test_a_request_that_is_repeated_to_other_nodes_is_carried_out_once(autojump_clock: MockClock) -> None:
    async with nodes() as made:
        first = await made["a"].end()
        assert (first.status_code, REPLAYED in first.headers) == (200, False)
        for name in "abcb":
            again = await made[name].end()
            assert (again.status_code, again.headers[REPLAYED]) == (200, "true")
            assert again.headers["x-terminated-count"] == first.headers["x-terminated-count"] == "1"
            assert again.content == first.content
        assert asked(made) == [1, 0, 0]
        assert (await made["b"].end(key="another")).headers["x-terminated-count"] == "1"


async def test_it_waits_for_the_answer_to_the_first(autojump_clock: MockClock) -> None:
    async with nodes() as made:
        made["a"].world.may_stop = trio.Event()
        answers: list[httpx.Response] = []

        async def ask(name: str) -> None:
            answers.append(await made[name].end())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, "a")
            await wait_all_tasks_blocked()
            for name in "bcb":
                nursery.start_soon(ask, name)
            await trio.sleep(5)
            assert (asked(made), answers) == ([1, 0, 0], [])
            made["a"].world.may_stop.set()
        assert [answer.headers["x-terminated-count"] for answer in answers] == ["1"] * 4
        assert sum(REPLAYED in answer.headers for answer in answers) == 3
        assert asked(made) == [1, 0, 0]


async def test_all_who_wait_on_one_node_get_the_answer_of_another_at_once(autojump_clock: MockClock) -> None:
    async with nodes() as made:
        made["a"].world.may_stop = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made["a"].end)
            await wait_all_tasks_blocked()
            for _ in range(9):
                nursery.start_soon(made["b"].end)
            await trio.sleep(5)
            before = made["b"].cluster.asking.asked
            made["a"].world.may_stop.set()
        assert made["b"].cluster.asking.asked - before <= 1
        assert asked(made) == [1, 0, 0]


@pytest.mark.parametrize("moment", [4.0, 4.5, 5.0, 5.5])
async def test_it_waits_for_it_also_while_redis_is_away(moment: float, autojump_clock: MockClock) -> None:
    async with nodes() as made:
        made["a"].world.may_stop = trio.Event()
        answers: list[httpx.Response] = []

        async def ask(name: str) -> None:
            answers.append(await made[name].end())

        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, "a")
            await wait_all_tasks_blocked()
            nursery.start_soon(ask, "b")
            await trio.sleep(moment)
            made.redis.go_away()
            await trio.sleep(2 * BEAT_INTERVAL)
            assert (asked(made), answers) == ([1, 0, 0], [])
            made.redis.come_back()
            await trio.sleep(2 * BEAT_INTERVAL)
            made["a"].world.may_stop.set()
        assert [(answer.status_code, answer.headers.get(REPLAYED)) for answer in answers] == [
            (200, None),
            (200, "true"),
        ]
        assert asked(made) == [1, 0, 0]


async def test_of_requests_that_come_to_all_nodes_at_once_one_is_carried_out(autojump_clock: MockClock) -> None:
    async with nodes() as made:
        async with trio.open_nursery() as nursery:
            for name in "abcabc":
                nursery.start_soon(made[name].end)
        assert sum(asked(made)) == 1


async def test_one_that_lasts_too_long_is_told_as_not_known(autojump_clock: MockClock) -> None:
    async with nodes() as made:
        made["a"].world.may_stop = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(made["a"].end)
            await wait_all_tasks_blocked()
            began, answers = trio.current_time(), list[httpx.Response]()

            async def ask() -> None:
                answers.append(await made["b"].end())

            async with trio.open_nursery() as waiting:
                for _ in range(3):
                    waiting.start_soon(ask)
            assert trio.current_time() - began == pytest.approx(WAIT), "they wait together"
            made["a"].world.may_stop.set()
        assert len({answer.content for answer in answers}) == 1
        answer = answers[-1]
        assert (answer.status_code, answer.json()["missing"], answer.headers["Retry-After"]) == (503, ["a"], "6")
        assert (await made["b"].end()).headers[REPLAYED] == "true"


async def test_another_request_with_the_same_key_is_422(autojump_clock: MockClock) -> None:
    async with nodes() as made:
        await made["a"].end()
        answer = await made["b"].end("b")
        assert (answer.status_code, answer.json()["key"]) == (422, "Idempotency-Key")
        assert asked(made) == [1, 0, 0]


async def test_a_request_that_was_refused_may_be_corrected_at_another_node(autojump_clock: MockClock) -> None:
    async with nodes() as made:
        assert (await made["a"].end(path=f"{STREAMS}?reasn=typo")).status_code == 400
        assert (await made["b"].end()).headers["x-terminated-count"] == "1"
        assert asked(made) == [0, 1, 0]


async def test_if_the_first_is_broken_off_another_node_carries_it_out(autojump_clock: MockClock) -> None:
    async with nodes() as made:
        made["a"].world.may_stop = trio.Event()
        with trio.CancelScope() as first:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(made["a"].end)
                await wait_all_tasks_blocked()
                first.cancel()
        answer = await made["b"].end()
        assert (answer.status_code, REPLAYED in answer.headers) == (200, False)
        assert asked(made) == [1, 1, 0]


async def test_a_node_that_has_died_takes_its_answers_along(autojump_clock: MockClock) -> None:
    async with nodes() as made:
        await made["a"].end()
        made.nodes["a"].kill(1e9)
        began = trio.current_time()
        answer = await made["b"].end()
        assert (answer.status_code, REPLAYED in answer.headers) == (200, False)
        assert trio.current_time() - began < WAIT
        assert asked(made)[1] == 1


async def test_what_this_node_alone_is_asked_is_its_own(autojump_clock: MockClock) -> None:
    async with nodes() as made:
        for name in "ab":
            assert REPLAYED not in (await made[name].end(path=f"{STREAMS}?scope=local")).headers
        assert asked(made) == [1, 1, 0]


@pytest.mark.parametrize("policy", RegistryDown)
async def test_without_redis_each_node_knows_its_own(policy: RegistryDown, autojump_clock: MockClock) -> None:
    async with nodes() as made:
        for each in made.nodes.values():
            each.live.replace(evolve(each.live.now, cluster_registry_down=policy))
        made.redis.go_away()
        await trio.sleep(2 * BEAT_INTERVAL)
        for name in "abab":
            assert (await made[name].end()).status_code == 200
        assert asked(made) == [1, 1, 0]
        made.redis.come_back()
        await trio.sleep(2 * BEAT_INTERVAL)
        assert (await made["c"].end()).headers[REPLAYED] == "true"
        made.redis.wipe()
        await trio.sleep(2 * BEAT_INTERVAL)
        assert (await made["c"].end()).headers[REPLAYED] == "true"
        assert asked(made) == [1, 1, 0]


async def test_redis_has_as_many_digests_as_there_are_answers_and_nothing_else(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idempotency, "MAX_KEYS_PER_CALLER", 8)
    async with nodes() as made:
        for number in range(10):
            await made["a"].end(key=f"secret-{number}")
        await wait_all_tasks_blocked()
        held = made.redis.held[ClaimSpace.SINGLES]
        assert len(held) == 8
        assert "secret" not in repr(held)
        await trio.sleep(KEPT_SECONDS)
        assert REPLAYED not in (await made["b"].end(key="secret-9")).headers
        await trio.lowlevel.checkpoint()
        await wait_all_tasks_blocked()
        assert len(held) == 1
