"""Tables that several nodes share, over a registry in memory. Files are real, so tests wait for what is in force."""

from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from pathlib import Path

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.cluster.cluster import Cluster
from actors.cluster.shared.row_memory import RowMemory
from actors.cluster.shared.tables import SharedStore
from actors.operator.commands.apps import execute
from actors.storage.app_store import AppStore, open_app_store
from config.apps import App, AppError, AppTable
from config.tables.apps_file import write_apps
from config.tables.rows import APP_ROWS
from protocol.cluster.members import BEAT_INTERVAL
from protocol.operator.commands import parse
from protocol.operator.messages import Done
from tests.support.cluster.cluster_simulation import SimulatedNode, Tally
from tests.support.redis.memory_redis import MemoryRedis

SOON = 2 * BEAT_INTERVAL
URL = "http://backend/"


class Node:
    """A node that shares its applications."""

    def __init__(self, redis: MemoryRedis, name: str, folder: Path) -> None:
        self.folder = folder / name
        self.folder.mkdir(exist_ok=True)
        self.simulated = SimulatedNode(redis, name, redis.chance, Tally())
        self.simulated.rows_path = self.folder / "shared.json"
        self.simulated.prepare = self._prepare
        self._changed = trio.Event()

    def _prepare(self, cluster: Cluster) -> None:
        self.store: AppStore = open_app_store(self.folder / "apps.toml")
        self.store.on_change = self._tell
        SharedStore(cluster.tables, self.store, APP_ROWS)
        self.cluster = cluster

    def _tell(self, before: AppTable, after: AppTable) -> None:
        self._changed.set()
        self._changed = trio.Event()

    @property
    def names(self) -> set[str]:
        return {app.name for app in self.store.all()} - {"defaultApp", "roomApp"}

    def url(self, name: str) -> str:
        app = self.store.table.by_name(name)
        assert app is not None
        return app.url

    async def command(self, text: str) -> Done:
        command = parse(tuple(text.split()))
        return await self.store.change(lambda table: execute(command, table))  # type: ignore[arg-type]

    async def add(self, name: str, key: str | None = None) -> Done:
        return await self.command(f"add app {name} {key or name} {URL}{name}")

    async def until_named(self, *names: str) -> None:
        await self.until(lambda: self.names == set(names))

    async def until_at(self, name: str, url: str) -> None:
        await self.until(lambda: name in self.names and self.url(name) == f"{URL}{url}")

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            await self._changed.wait()

    async def stop(self) -> None:
        """End it once everything that is in force is in its files."""
        await until_true(self._is_remembered)
        self.simulated.end()
        await wait_all_tasks_blocked()

    def _is_remembered(self) -> bool:
        tables = self.cluster.tables
        tables.noticed()
        known = RowMemory(self.folder / "shared.json").load()
        return self.store.is_kept and known == tables.copy.known(["apps"])


async def until_true(condition: Callable[[], bool]) -> None:
    """For what a thread does."""
    while not condition():  # noqa: ASYNC110 - it tells no one
        await trio.sleep(0.1)


class World:
    """A registry, and nodes that are added one by one."""

    def __init__(self, nursery: trio.Nursery, folder: Path) -> None:
        self.redis = MemoryRedis()
        self._nursery, self._folder = nursery, folder

    async def node(self, name: str, *, ahead: float = 0.0) -> Node:
        """`ahead`: seconds of its machine's clock before Redis's."""
        node = Node(self.redis, name, self._folder)
        node.simulated.wall_clock = lambda: self.redis.now_ms / 1000 + ahead
        self._nursery.start_soon(node.simulated.run)
        await wait_all_tasks_blocked()
        await node.cluster.tables.synced.wait()
        return node

    def app(self, name: str) -> str | None:
        return self.redis.tables.texts("apps").get(name)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with trio.open_nursery() as nursery:
        yield World(nursery, tmp_path)
        nursery.cancel_scope.cancel()


async def test_a_change_on_one_node_works_on_all(mock_clock: MockClock, world: World) -> None:
    """Time stands still: there is no beat, only the notice of the change."""
    a, b = await world.node("a"), await world.node("b")
    await a.add("news")
    await b.until_named("news")
    await b.command(f"update app news -l {URL}other")
    await a.until_at("news", "other")
    await a.command("remove app news")
    await b.until_named()


async def test_two_changes_at_once_are_both_kept(mock_clock: MockClock, world: World) -> None:
    a, b = await world.node("a"), await world.node("b")
    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(a.add, f"a{number}")
            nursery.start_soon(b.add, f"b{number}")
    every = {f"{node}{number}" for node in "ab" for number in range(5)}
    for node in (a, b):
        await node.until_named(*every)
    assert a.cluster.tables.conflicts + b.cluster.tables.conflicts > 0


async def test_of_two_applications_with_one_key_the_later_is_refused(mock_clock: MockClock, world: World) -> None:
    a, b = await world.node("a"), await world.node("b")
    refused = []

    async def add(node: Node, name: str) -> None:
        try:
            await node.add(name, "same")
        except AppError as error:
            refused.append(str(error))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(add, a, "one")
        nursery.start_soon(add, b, "two")
    (text,) = refused
    assert "'same' is taken by the application" in text
    await a.until(lambda: len(a.names) == 1)
    await b.until(lambda: b.names == a.names)


async def test_what_is_changed_while_redis_is_away_is_kept_and_merged(
    autojump_clock: MockClock, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = await world.node("a"), await world.node("b")
    await a.add("news")
    await b.until_named("news")
    world.redis.cut("a")
    await a.add("of-a")
    await a.command(f"update app news -l {URL}early")
    await b.add("of-b")
    await b.command(f"update app news -l {URL}late")
    assert (a.names, b.names) == ({"news", "of-a"}, {"news", "of-b"})
    assert "a change is made on this node alone" in caplog.text
    world.redis.heal("a")
    for node in (a, b):
        await node.until_named("news", "of-a", "of-b")
        await node.until_at("news", "late")
    assert a.cluster.tables.copy.unsent == 0


async def test_of_two_keys_that_were_taken_apart_the_first_is_in_force(
    autojump_clock: MockClock, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = await world.node("a"), await world.node("b")
    world.redis.cut("a")
    await b.add("of-b", "same")
    await trio.sleep(SOON)
    await a.add("of-a", "same")
    world.redis.heal("a")
    await a.until_named("of-b")
    assert "a row of a shared table is not in force" in caplog.text
    await b.command("remove app of-b")
    for node in (a, b):
        await node.until_named("of-a")


async def test_what_redis_loses_is_written_again(autojump_clock: MockClock, world: World) -> None:
    a, b = await world.node("a"), await world.node("b")
    await a.add("news")
    await b.until_named("news")
    world.redis.wipe()
    await b.add("more")
    await a.until_named("news", "more")
    assert world.app("news") is not None
    world.redis.wipe()
    await a.command("remove app news")
    await b.until_named("more")


async def test_what_a_redis_forgets_that_starts_again_with_older_data_is_written_again(
    autojump_clock: MockClock, world: World
) -> None:
    a, b = await world.node("a"), await world.node("b")
    await a.add("old")
    await b.until_named("old")
    saved = deepcopy(world.redis.tables.state)
    await a.command("remove app old")
    await a.add("new")
    await b.until_named("new")
    world.redis.go_away()
    world.redis.tables.state = saved
    world.redis.come_back()
    await until_true(lambda: world.app("new") is not None)
    assert world.app("old") is None
    await b.add("more")
    for node in (a, b):
        await node.until_named("new", "more")


async def test_a_node_that_starts_again_has_what_was_changed_meanwhile(autojump_clock: MockClock, world: World) -> None:
    a, b = await world.node("a"), await world.node("b")
    await a.add("kept")
    await a.add("removed")
    await b.until_named("kept", "removed")
    await b.stop()
    await a.command("remove app removed")
    await a.add("added")
    again = await world.node("b")
    await again.until_named("kept", "added")
    assert a.names == {"kept", "added"}


async def test_a_file_that_was_edited_while_its_node_did_not_run_counts(
    autojump_clock: MockClock, world: World
) -> None:
    a, b = await world.node("a"), await world.node("b")
    await a.add("news")
    await a.add("old")
    await b.until_named("news", "old")
    await b.stop()
    table = b.store.table
    news, old = (table.by_name(name) for name in ("news", "old"))
    assert news is not None
    assert old is not None
    edited = table.replaced(news, evolve(news, url=f"{URL}edited")).removed(old)
    (b.folder / "apps.toml").write_text(write_apps(edited))
    await world.node("b")
    await a.until_named("news")
    await a.until_at("news", "edited")


@pytest.mark.parametrize("ahead", [3600.0, -3600.0])
async def test_a_node_whose_clock_is_wrong_wins_nothing_and_loses_nothing_by_it(
    autojump_clock: MockClock, world: World, ahead: float
) -> None:
    a, b = await world.node("a"), await world.node("b")
    await a.add("news")
    await b.until_named("news")
    await b.stop()
    news = b.store.table.by_name("news")
    assert news is not None
    (b.folder / "apps.toml").write_text(write_apps(b.store.table.replaced(news, evolve(news, url=f"{URL}edited"))))
    again = await world.node("b", ahead=ahead)
    await a.until_at("news", "edited")
    await a.command(f"update app news -l {URL}later")
    await again.until_at("news", "later")
    world.redis.cut("a")
    await a.command(f"update app news -l {URL}last")
    world.redis.heal("a")
    await again.until_at("news", "last")


async def test_a_new_node_brings_what_it_has_and_takes_what_there_is(autojump_clock: MockClock, world: World) -> None:
    a = await world.node("a")
    await a.add("news")
    await a.command("remove app roomApp")
    b = Node(world.redis, "b", a.folder.parent)
    own = App(name="own", key="own", url=URL)
    other = App(name="news", key="news", url=f"{URL}another")
    (b.folder / "apps.toml").write_text(
        write_apps(open_app_store(b.folder / "apps.toml").table.added(own).added(other))
    )
    b = await world.node("b")
    await a.until_named("news", "own")
    await b.until_named("news", "own")
    for node in (a, b):
        assert node.url("news") == f"{URL}news"
        assert node.store.table.by_name("roomApp") is None


async def test_a_file_that_cannot_be_written_is_written_later(
    autojump_clock: MockClock, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    a, b = await world.node("a"), await world.node("b")
    before = (b.folder / "apps.toml").read_text()
    (b.folder / "apps.toml").write_text(f"{before}# edited\n")
    await a.add("news")
    await b.until_named("news")
    await until_true(lambda: "a change of another node is not kept here" in caplog.text)
    (b.folder / "apps.toml").write_text(before)
    await until_true(lambda: b.store.is_kept)
    assert "news" in (b.folder / "apps.toml").read_text()
