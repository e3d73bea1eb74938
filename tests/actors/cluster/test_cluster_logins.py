"""Users, tokens, pages, links, failed logins and bans over the nodes of a cluster, over a registry in memory.

Time stands still, so there are no beats: nodes hear of changes by notices, or when they look.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.access.control import AccessControl, ShownCredentials
from actors.cluster.cluster import Cluster
from actors.cluster.shared.bans import SharedBans
from actors.cluster.shared.tables import SharedStore
from actors.node.bans import Bans
from actors.runtime.actor import StopReason
from config.tables.rows import ACCOUNT_ROWS
from protocol.access.accounts import Token, User, token_digest
from protocol.access.credentials import Basic
from protocol.access.identity import Identity, Proof
from protocol.access.kicks import BanOrder, Kick, Subject
from protocol.access.refusals import LoginRefused
from protocol.access.roles import Role
from protocol.access.throttle import FREE_FAILURES
from tests.support.cluster.cluster_simulation import SimulatedNode, Tally
from tests.support.redis.memory_redis import MemoryRedis
from tests.support.web.access import access_of, basic, bearer, token, user

HOME = "192.0.2.1"
ALICE = user("alice", Role.VIEW)
WALL = 1_800_000_000.0


class Node:
    """A node with access control and bans."""

    def __init__(self, redis: MemoryRedis, name: str, folder: Path, accounts: tuple[User | Token, ...]) -> None:
        self.wall_clock = WALL
        self.access: AccessControl = access_of(folder / f"{name}.toml", *accounts)
        self.bans = Bans(path=folder / f"{name}.jsonl", wall_clock=lambda: self.wall_clock)
        self.simulated = SimulatedNode(redis, name, redis.chance, Tally())
        self.simulated.prepare = self._prepare

    def _prepare(self, cluster: Cluster) -> None:
        self.cluster = cluster
        SharedStore(cluster.tables, self.access.store, ACCOUNT_ROWS)
        SharedBans(cluster.tables, self.bans, wall_clock=lambda: self.wall_clock)
        self.access.share(cluster.logins)

    async def identify(self, authorization: str, address: str = HOME) -> Identity:
        shown = ShownCredentials(authorization=authorization, certificate=None, address=address)
        return await self.access.identify(shown)

    async def refusal(self, authorization: str) -> int:
        """The status with which this caller is refused."""
        with pytest.raises(LoginRefused) as refused:
            await self.identify(authorization)
        return 401 if refused.value.retry_after is None else 429

    async def is_quiet(self) -> None:
        """Until everything that was told has been done."""
        await wait_all_tasks_blocked()
        await self.access.store.change(lambda table: (table, None))  # waits for one that is under way
        await wait_all_tasks_blocked()


Pair = tuple[Node, Node]


@pytest.fixture
def redis() -> MemoryRedis:
    return MemoryRedis()


@pytest.fixture
async def pair(redis: MemoryRedis, tmp_path: Path) -> AsyncIterator[Pair]:
    async with trio.open_nursery() as nursery:
        nodes = Node(redis, "a", tmp_path, (ALICE,)), Node(redis, "b", tmp_path, ())
        for node in nodes:
            nursery.start_soon(node.simulated.run)
            await wait_all_tasks_blocked()
            await node.cluster.tables.synced.wait()
        yield nodes
        nursery.cancel_scope.cancel()


async def test_a_user_and_a_token_of_one_node_are_those_of_all(mock_clock: MockClock, pair: Pair) -> None:
    a, b = pair
    assert str(await b.identify(basic("alice"))) == "user alice"
    await b.access.store.change(lambda table: (table.with_token(token("ci", Role.VIEW)), None))
    assert str(await a.identify(bearer("ci"))) == "token ci", "it looks, if it has not heard of it"
    await a.access.store.change(lambda table: (table.without_token("ci"), None))
    await b.is_quiet()
    assert await b.refusal(bearer("ci")) == 401


async def test_a_page_that_one_node_let_in_is_known_to_all(
    mock_clock: MockClock, pair: Pair, redis: MemoryRedis
) -> None:
    a, b = pair
    secret, _ = await a.access.log_in(Basic("alice", "alice-secret"), HOME)
    page = f"Bearer {secret}"
    identity = await b.identify(page)
    assert (str(identity), identity.role) == ("user alice", Role.VIEW)
    assert secret not in str(redis.tables.rows)
    assert token_digest(secret) in redis.tables.texts("pages")
    await b.access.pages.close_page(secret)
    await a.is_quiet()
    assert await a.refusal(page) == 401


async def test_a_page_of_a_user_who_is_changed_on_another_node_is_logged_out(mock_clock: MockClock, pair: Pair) -> None:
    a, b = pair
    secret, _ = await b.access.log_in(Basic("alice", "alice-secret"), HOME)
    other, _ = await b.access.log_in(Basic("alice", "alice-secret"), HOME)
    assert await a.identify(f"Bearer {secret}")
    await a.access.store.change(lambda table: (table.with_user(evolve(ALICE, role=Role.ADMIN)), None))
    await b.is_quiet()
    for node in pair:
        assert await node.refusal(f"Bearer {secret}") == 401
    await b.access.store.change(lambda table: (table.with_user(ALICE), None))
    assert await b.identify(f"Bearer {other}"), "the same user as at the login"


async def test_a_link_is_worth_one_login_on_whatever_node(
    mock_clock: MockClock, pair: Pair, redis: MemoryRedis
) -> None:
    a, b = pair
    link = await a.access.pages.make_link(Role.OPERATE)
    assert link not in str(redis.tables.rows)
    secret, identity = await b.access.follow_link(link, HOME)
    assert (identity.proof, identity.role) == (Proof.LINK, Role.OPERATE)
    for node in pair:
        with pytest.raises(LoginRefused):
            await node.access.follow_link(link, HOME)
    assert (await a.identify(f"Bearer {secret}")).role is Role.OPERATE


async def test_of_those_who_open_a_link_at_once_one_is_let_in(mock_clock: MockClock, pair: Pair) -> None:
    link = await pair[0].access.pages.make_link(Role.VIEW)
    opened: list[Identity | None] = []

    async def follow(node: Node) -> None:
        opened.append(await node.access.pages.open_link(link))

    async with trio.open_nursery() as nursery:
        for node in pair * 3:
            nursery.start_soon(follow, node)
    assert len([each for each in opened if each is not None]) == 1


async def test_without_redis_a_link_opens_where_it_was_made_and_nowhere_else(
    mock_clock: MockClock, pair: Pair, redis: MemoryRedis
) -> None:
    a, b = pair
    link = await a.access.pages.make_link(Role.VIEW)
    redis.go_away()
    opened: dict[str, Identity | None] = {}

    async def follow(name: str, node: Node) -> None:
        opened[name] = await node.access.pages.open_link(link)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow, "a", a)
        nursery.start_soon(follow, "b", b)
        for _ in range(4):
            await wait_all_tasks_blocked()
            mock_clock.jump(1)
    assert opened["b"] is None
    assert opened["a"] is not None


async def test_failed_logins_count_on_all_nodes(mock_clock: MockClock, pair: Pair) -> None:
    b = pair[1]
    for node in (pair * FREE_FAILURES)[:FREE_FAILURES]:
        assert await node.refusal(basic("alice", "wrong")) == 401
        await wait_all_tasks_blocked()
    for node in pair:
        assert await node.refusal(basic("alice", "wrong")) == 429
    assert await b.identify(basic("alice"), "192.0.2.2"), "from another address"


async def test_who_logs_in_is_forgiven_on_all_nodes(mock_clock: MockClock, pair: Pair) -> None:
    a, b = pair
    for _ in range(FREE_FAILURES - 1):
        await a.refusal(basic("alice", "wrong"))
    await b.identify(basic("alice"))
    await wait_all_tasks_blocked()
    assert await a.refusal(basic("alice", "wrong")) == 401


def kicked(reason: str = "x") -> StopReason:
    return StopReason(cause="kicked").with_kick(Kick(ban=BanOrder(seconds=60, reason=reason)))


BOB = Subject(app_key="app", session_id="s1", user="bob")


async def test_a_ban_holds_on_all_nodes_until_it_is_lifted_on_one(mock_clock: MockClock, pair: Pair) -> None:
    a, b = pair
    a.bans.session_stopped(kicked("noise"), BOB)
    await a.bans.save()
    await b.is_quiet()
    assert b.bans.refusal_of_session(BOB) == "Banned for another 60 s: noise"
    assert b.bans.lift(b.bans.active()) == 1
    await b.bans.save()
    await a.is_quiet()
    for node in pair:
        assert node.bans.refusal_of_session(BOB) is None


async def test_bans_that_are_placed_at_the_same_time_are_all_kept(mock_clock: MockClock, pair: Pair) -> None:
    a, b = pair
    a.bans.session_stopped(kicked(), BOB)
    b.bans.session_stopped(kicked(), evolve(BOB, user="carol"))
    await a.bans.save()
    await b.bans.save()
    for node in pair:
        await node.is_quiet()
        assert node.bans.count == 2
    for node in pair:
        node.wall_clock += 61
        assert not node.bans.active()
    await a.bans.save()
    assert a.bans.count == 0
