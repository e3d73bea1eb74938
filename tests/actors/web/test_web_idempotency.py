"""`Idempotency-Key`: a request that is repeated is carried out once."""

from pathlib import Path

import httpx
import pytest
import trio
import trio.testing
from attrs import evolve
from trio.testing import MockClock

from actors.runtime.actor import StopReason
from protocol.access.accounts import AccountTable
from protocol.node.coverage import Coverage
from protocol.node.filters import StreamFilter
from protocol.rest.errors import RestError
from protocol.rest.resources.streams import TerminateAnswer
from tests.support.web.access import access_of, bearer, token
from tests.support.web.slow_world import KEY, STREAMS, SlowWorld
from tests.support.web.stream_world import StreamWorld, connection, stream
from tests.support.web.web_rig import client_of

CONNECTIONS = "/rest-api/connection/terminate"


class SilentWorld(StreamWorld):
    """A node of a cluster whose other node does not answer."""

    coverage: Coverage | None = Coverage(asked=2, silent=("other",))

    async def terminate(
        self, query: StreamFilter, reason: StopReason, *, dry_run: bool, deadline: float
    ) -> TerminateAnswer:
        answer = await super().terminate(query, reason, dry_run=dry_run, deadline=deadline)
        return evolve(answer, coverage=self.coverage)


@pytest.fixture
def world() -> StreamWorld:
    return StreamWorld([stream("a", "a"), stream("b", "b")], [connection("s1")])


async def test_the_same_request_gets_the_same_answer_and_is_carried_out_once(world: StreamWorld) -> None:
    async with client_of(world) as client:
        first = await client.post(STREAMS, json={"name": "a"}, headers=KEY)
        world.streams.append(stream("a2", "a"))
        again = await client.post(STREAMS, json={"name": "a"}, headers={"Idempotency-Key": '"k1"'})
    assert (first.status_code, first.headers["x-terminated-count"]) == (200, "1")
    assert (again.status_code, again.headers["x-terminated-count"]) == (200, "1")
    assert again.content == first.content
    assert again.headers["content-type"] == first.headers["content-type"]
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert world.ids == {"a2", "b"}


async def test_it_holds_for_ten_minutes(world: StreamWorld, autojump_clock: MockClock) -> None:
    async with client_of(world) as client:
        await client.post(STREAMS, json={"name": "a"}, headers=KEY)
        world.streams.append(stream("a2", "a"))
        await trio.sleep(599)
        assert (await client.post(STREAMS, json={"name": "a"}, headers=KEY)).status_code == 200
        assert "a2" in world.ids
        await trio.sleep(1)
        await client.post(STREAMS, json={"name": "a"}, headers=KEY)
        assert "a2" not in world.ids


async def test_an_answer_is_not_for_who_has_other_rights(world: StreamWorld, tmp_path: Path) -> None:
    access = access_of(tmp_path / "accounts.toml", token("ci"))
    headers = KEY | {"Authorization": bearer("ci")}
    async with client_of(world, access=access) as client:
        first, again = [await client.post(STREAMS, json={"name": "a"}, headers=headers) for _ in range(2)]
        assert (first.status_code, again.headers.get("idempotency-replayed")) == (200, "true")
        bound = token("ci", apps=frozenset({"shop"}))
        await access.store.change(lambda table: (AccountTable(table.users, (bound,)), None))
        bound_one = await client.post(STREAMS, json={"name": "a"}, headers=headers)
    assert (bound_one.status_code, "idempotency-replayed" in bound_one.headers) == (404, False)


async def test_without_a_key_each_request_is_carried_out(world: StreamWorld) -> None:
    async with client_of(world) as client:
        assert (await client.post(STREAMS, json={"name": "a"})).status_code == 200
        assert (await client.post(STREAMS, json={"name": "a"})).status_code == 404


async def test_nothing_found_is_an_answer_too(world: StreamWorld) -> None:
    async with client_of(world) as client:
        first = await client.post(STREAMS, json={"name": "later"}, headers=KEY)
        world.streams.append(stream("l", "later"))
        again = await client.post(STREAMS, json={"name": "later"}, headers=KEY)
    assert (first.status_code, again.status_code) == (404, 404)
    assert again.json() == first.json()
    assert "l" in world.ids


@pytest.mark.parametrize(
    ("path", "body"), [(STREAMS, {"name": "b"}), (f"{STREAMS}?reason=x", {"name": "a"}), (CONNECTIONS, {"appKey": "x"})]
)
async def test_another_request_with_the_same_key_is_422(world: StreamWorld, path: str, body: dict[str, str]) -> None:
    async with client_of(world) as client:
        await client.post(STREAMS, json={"name": "a"}, headers=KEY)
        answer = await client.post(path, json=body, headers=KEY)
    assert answer.status_code == 422
    assert answer.json()["key"] == "Idempotency-Key"
    assert "b" in world.ids


async def test_a_request_that_comes_meanwhile_waits_for_the_answer_to_the_first() -> None:
    world = SlowWorld([stream("a", "a")])
    answers: list[httpx.Response] = []

    async def ask(client: httpx.AsyncClient) -> None:
        answers.append(await client.post(STREAMS, json={"name": "a"}, headers=KEY))

    async with client_of(world) as client, trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(ask, client)
        await trio.testing.wait_all_tasks_blocked()
        assert world.asked == 1
        world.may_stop.set()
    assert [answer.headers["x-terminated-count"] for answer in answers] == ["1", "1", "1"]
    assert world.asked == 1


class SlowRefusal(SlowWorld):
    """Refuses what it is asked for, once it may."""

    async def terminate(
        self, query: StreamFilter, reason: StopReason, *, dry_run: bool, deadline: float
    ) -> TerminateAnswer:
        await super().terminate(query, reason, dry_run=dry_run, deadline=deadline)
        raise RestError(503, "not now", setting="a.limit")


class SlowSilence(SlowWorld):
    """A node of a cluster whose other node does not answer, as turns out once it may."""

    async def terminate(
        self, query: StreamFilter, reason: StopReason, *, dry_run: bool, deadline: float
    ) -> TerminateAnswer:
        answer = await super().terminate(query, reason, dry_run=dry_run, deadline=deadline)
        return evolve(answer, coverage=Coverage(asked=2, silent=("other",)))


@pytest.mark.parametrize("make_world", [SlowSilence, SlowRefusal])
async def test_who_waits_gets_an_answer_that_is_not_kept_too(make_world: type[SlowWorld]) -> None:
    """Each would else wait for all before it, while the first one's answer is there."""
    world, answers = make_world([stream("a", "a")]), list[httpx.Response]()

    async def ask(client: httpx.AsyncClient) -> None:
        answers.append(await client.post(STREAMS, json={"name": "a"}, headers=KEY))

    async with client_of(world) as client:
        async with trio.open_nursery() as nursery:
            for _ in range(3):
                nursery.start_soon(ask, client)
            await trio.testing.wait_all_tasks_blocked()
            world.may_stop.set()
        assert (world.asked, [answer.status_code for answer in answers]) == (1, [503] * 3)
        assert len({answer.content for answer in answers}) == 1
        assert len({answer.headers.get("Retry-After") for answer in answers}) == 1
        await ask(client)
    assert world.asked == 2, "who comes later is not told of it"


async def test_if_the_first_is_broken_off_the_next_is_carried_out() -> None:
    world = SlowWorld([stream("a", "a")])
    async with client_of(world) as client:
        with trio.CancelScope() as scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(lambda: client.post(STREAMS, json={"name": "a"}, headers=KEY))
                await trio.testing.wait_all_tasks_blocked()
                scope.cancel()
        world.may_stop.set()
        answer = await client.post(STREAMS, json={"name": "a"}, headers=KEY)
    assert answer.headers["x-terminated-count"] == "1"
    assert "idempotency-replayed" not in answer.headers


async def test_a_request_that_was_refused_may_be_corrected(world: StreamWorld) -> None:
    async with client_of(world) as client:
        assert (await client.post(STREAMS, json={"nam": "a"}, headers=KEY)).status_code == 400
        assert (await client.post(STREAMS, json={"name": "a"}, headers=KEY)).status_code == 200


async def test_what_is_to_be_repeated_because_a_node_was_silent_is_carried_out_anew() -> None:
    world = SilentWorld([stream("a", "a")])
    async with client_of(world) as client:
        first = await client.post(STREAMS, json={"name": "a"}, headers=KEY)
        world.coverage = None
        world.streams.append(stream("a2", "a"))
        again = await client.post(STREAMS, json={"name": "a"}, headers=KEY)
    assert (first.status_code, first.headers["Retry-After"]) == (503, "6")
    assert (again.status_code, again.headers["x-terminated-count"]) == (200, "1")


async def test_a_dry_run_is_made_anew(world: StreamWorld) -> None:
    async with client_of(world) as client:
        for found in (2, 3):
            answer = await client.post(f"{STREAMS}?dry_run=true", json={}, headers=KEY)
            assert answer.headers["x-terminated-count"] == str(found)
            world.streams.append(stream("c", "c"))


@pytest.mark.parametrize("key", ["", "a b", "x" * 256])
async def test_an_unusable_key_is_400_and_nothing_is_done(world: StreamWorld, key: str) -> None:
    async with client_of(world) as client:
        answer = await client.post(STREAMS, json={"name": "a"}, headers={"Idempotency-Key": key})
    assert answer.status_code == 400
    assert world.ids == {"a", "b"}
