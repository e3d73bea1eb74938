"""Groups of recordings with members on many nodes, over a registry in memory."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial

import pytest
import trio
from attrs import define, evolve, field
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.cluster.cluster import Cluster
from actors.cluster.owned.record_groups import ClusterRecordGroups
from actors.node.ports.recorder import (
    CollectFiles,
    GroupDescription,
    GroupedFile,
    GroupExists,
    NoSuchGroup,
    NoSuchPublication,
    NoSuchRecording,
    RecordingRefused,
)
from actors.node.ports.refusals import NodesSilent
from config.settings import RegistryDown
from protocol.cluster.members import BEAT_INTERVAL, LEASE
from protocol.node.filters import StreamFilter
from protocol.rest.paging import Found
from tests.support.cluster.cluster_simulation import SimulatedNode
from tests.support.cluster.owned_nodes import OwnedNodes, at_once, owned_nodes

URI = "multi-recorder://news"


def publication(name: str) -> StreamFilter:
    return StreamFilter(name=name, published=True)


def file_of(stream: str) -> GroupedFile:
    return GroupedFile(file_name=f"{stream}.webm", media_session_id=stream, name=stream, start=1.5, duration=9, size=7)


@define(eq=False)
class FakeGroups:
    """Those of one node and its parts of others', by their URIs; the ids of streams are as their names."""

    streams: set[str] = field(factory=set)
    own: dict[str, list[str]] = field(factory=dict)
    joined: dict[str, list[str]] = field(factory=dict)
    collectors: dict[str, CollectFiles] = field(factory=dict)
    listed: list[GroupedFile] = field(factory=list)
    fault: RecordingRefused | None = None
    may_add: trio.Event | None = None
    """None: always."""
    before_end: Callable[[], None] = lambda: None
    """Before a part of another's group ends."""

    def has(self, uri: str) -> bool:
        return uri in self.own

    async def begin(self, uri: str) -> None:
        if uri in self.own:
            raise GroupExists
        if self.fault is not None:
            raise self.fault
        self.own[uri] = []

    async def add(self, uri: str, query: StreamFilter) -> None:
        stream = self._published(query)
        if self.may_add is not None:
            await self.may_add.wait()
        _add(self._members(uri), stream)

    async def remove(self, uri: str, media_session_id: str) -> None:
        _remove(self._members(uri), media_session_id)

    async def end(self, uri: str) -> None:
        self._members(uri)
        self.listed = [file_of(each) for each in self.own.pop(uri)]
        if uri in self.collectors:
            await self.collectors.pop(uri)(self.listed)

    async def groups(self) -> Found[GroupDescription]:
        found = tuple(_described(uri, ids, "news.json") for uri, ids in self.own.items())
        return Found(total=len(found), items=found)

    def share(self, uri: str, collect: CollectFiles) -> str:
        self._members(uri)
        self.collectors[uri] = collect
        return "stem"

    async def join(self, uri: str, stem: str, query: StreamFilter) -> None:
        _add(self.joined.setdefault(uri, []), self._published(query))

    async def leave(self, uri: str, stem: str, media_session_id: str) -> None:
        _remove(self.joined.get(uri, []), media_session_id)

    async def end_part(self, uri: str, stem: str) -> Sequence[GroupedFile]:
        self.before_end()
        return [file_of(each) for each in self.joined.pop(uri, [])]

    def parts(self) -> Sequence[GroupDescription]:
        return [_described(uri, ids, "") for uri, ids in self.joined.items()]

    def _members(self, uri: str) -> list[str]:
        if uri not in self.own:
            raise NoSuchGroup
        return self.own[uri]

    def _published(self, query: StreamFilter) -> str:
        wanted = query.media_session_ids or {query.name}
        for stream in self.streams & wanted:
            return stream
        raise NoSuchPublication


def _add(members: list[str], stream: str) -> None:
    if stream in members:
        raise GroupExists
    members.append(stream)


def _remove(members: list[str], stream: str) -> None:
    if stream not in members:
        raise NoSuchRecording
    members.remove(stream)


def _described(uri: str, ids: Sequence[str], file_name: str) -> GroupDescription:
    return GroupDescription(uri=uri, media_session_ids=list(ids), file_name=file_name)


class GroupNode:
    """Those of one node, and those of all as this node sees them."""

    def __init__(self, node: SimulatedNode, cluster: Cluster) -> None:
        self.own = FakeGroups()
        self.all = ClusterRecordGroups(self.own, cluster.owners, cluster.singles)

    async def add(self, stream: str) -> None:
        await self.all.add(URI, publication(stream))

    async def members(self) -> list[str]:
        found = await self.all.groups()
        assert {each.uri for each in found.items} <= {URI}
        return sorted(id_ for each in found.items for id_ in each.media_session_ids)


@asynccontextmanager
async def nodes(names: str = "abc") -> AsyncIterator[OwnedNodes[GroupNode]]:
    """Each with a stream of its own: s1, s2 and s3."""
    async with owned_nodes(names, GroupNode) as made:
        for number, name in enumerate(names, start=1):
            made.nodes[name].publish(f"s{number}", f"s{number}")
            made[name].own.streams.add(f"s{number}")
        await trio.sleep(BEAT_INTERVAL)
        yield made


async def test_a_group_has_members_on_all_nodes_and_lists_the_files_of_all(autojump_clock: MockClock) -> None:
    async with nodes() as made:
        await made["a"].all.begin(URI)
        for name in "abc":
            with pytest.raises(GroupExists):
                await made[name].all.begin(URI)
        for stream in ("s1", "s2", "s3"):
            await made["b"].add(stream)
            with pytest.raises(GroupExists):
                await made["c"].add(stream)
        with pytest.raises(NoSuchPublication):
            await made["c"].add("nobody")
        for name in "abc":
            assert await made[name].members() == ["s1", "s2", "s3"]
        (group,) = (await made["c"].all.groups()).items
        assert group.file_name == "news.json"
        assert [made[name].own.joined for name in "abc"] == [{}, {URI: ["s2"]}, {URI: ["s3"]}]
        await made["b"].all.remove(URI, "s3")
        await made["c"].all.remove(URI, "s1")
        for stream in ("s1", "s3", "nobody"):
            with pytest.raises(NoSuchRecording):
                await made["b"].all.remove(URI, stream)
        await made["c"].add("s3")
        await made["c"].all.end(URI)
        assert sorted(each.name for each in made["a"].own.listed) == ["s2", "s3"]
        assert made["a"].own.listed[0] == file_of(made["a"].own.listed[0].name)
        assert await made["b"].members() == []
        with pytest.raises(NoSuchGroup):
            await made["c"].all.end(URI)
        with pytest.raises(NoSuchGroup):
            await made["c"].add("s3")


async def test_a_silent_node_may_have_the_group(autojump_clock: MockClock) -> None:
    async with nodes() as made:
        await made["a"].all.begin(URI)
        made.redis.cut("a")
        with pytest.raises(GroupExists):
            await made["b"].all.begin(URI)
        with pytest.raises(NodesSilent):
            await made["b"].add("s2")
        await trio.sleep(LEASE)
        await made["b"].all.begin(URI)
        await made["c"].add("s2")
        assert await made["c"].members() == ["s2"]


async def test_what_is_recorded_for_a_group_whose_node_has_died_can_be_ended(autojump_clock: MockClock) -> None:
    async with nodes() as made:
        await made["a"].all.begin(URI)
        for stream in ("s2", "s3"):
            await made["a"].add(stream)
        made.nodes["a"].kill(1e9)
        await trio.sleep(2 * LEASE)
        assert await made["b"].members() == ["s2", "s3"]
        await made["b"].all.end(URI)
        assert await made["b"].members() == []
        with pytest.raises(NoSuchGroup):
            await made["b"].all.end(URI)


async def test_a_group_may_be_begun_on_a_node_that_was_asked_about_another_ones(autojump_clock: MockClock) -> None:
    async with nodes() as made:
        await made["a"].all.begin(URI)
        await made["b"].add("s3")
        await made["b"].all.end(URI)
        assert [each.name for each in made["a"].own.listed] == ["s3"]
        await made["b"].all.begin(URI)
        await made["b"].add("s3")
        await made["b"].all.end(URI)
        assert [each.name for each in made["b"].own.listed] == ["s3"]
        assert await made["b"].members() == []


async def test_a_node_that_has_died_is_in_nobodys_way(autojump_clock: MockClock) -> None:
    async with nodes() as made:
        await made["a"].all.begin(URI)
        for stream in ("s2", "s3"):
            await made["a"].add(stream)
        made.nodes["b"].kill(1e9)
        await trio.sleep(2 * LEASE)
        await made["a"].all.remove(URI, "s3")
        assert await made["a"].members() == []
        with pytest.raises(NodesSilent):
            await made["a"].all.remove(URI, "s2")


async def test_all_parts_of_a_group_whose_node_is_gone_end_though_one_is_silent(autojump_clock: MockClock) -> None:
    async with nodes("abcd") as made:
        await made["a"].all.begin(URI)
        for stream in ("s2", "s3"):
            await made["a"].add(stream)
        made.nodes["a"].kill(1e9)
        await trio.sleep(2 * LEASE)
        asked: list[str] = []

        def fall_silent(name: str) -> None:
            if not asked:
                made.redis.cut(name)
            asked.append(name)

        for name in "bc":
            made[name].own.before_end = partial(fall_silent, name)
        with pytest.raises(NodesSilent):
            await made["d"].all.end(URI)
        assert sorted(asked) == ["b", "c"]


async def test_of_two_nodes_that_begin_a_group_at_once_one_has_it(autojump_clock: MockClock) -> None:
    async with nodes() as made:
        outcomes = await at_once(partial(made[name].all.begin, URI) for name in "aabbc")
        assert sorted(map(type, outcomes), key=repr) == [type(None), *(GroupExists,) * 4]
        (owner,) = [name for name in "abc" if URI in made[name].own.own]
        for stream in ("s1", "s2", "s3"):
            await made["c"].add(stream)
        assert await made["a"].members() == ["s1", "s2", "s3"]
        await made["b"].all.end(URI)
        assert len(made[owner].own.listed) == 3
        for name in "abc":  # each may have the next one, at once
            await made[name].all.begin(URI)
            await made["a"].all.end(URI)


async def test_a_group_that_cannot_be_begun_is_in_nobodys_way(autojump_clock: MockClock) -> None:
    async with nodes() as made:
        made["a"].own.fault = RecordingRefused("Too many groups of recordings", "records.max_running")
        with pytest.raises(RecordingRefused):
            await made["a"].all.begin(URI)
        await trio.sleep(BEAT_INTERVAL)
        await made["b"].all.begin(URI)


async def test_of_two_groups_that_began_while_redis_was_away_one_goes_on_with_the_members_of_both(
    autojump_clock: MockClock,
) -> None:
    async with nodes() as made:
        made.redis.go_away()
        await trio.sleep(2 * BEAT_INTERVAL)
        for name, stream in (("a", "s1"), ("b", "s2")):
            await made[name].all.begin(URI)
            await made[name].add(stream)
        made.redis.come_back()
        await trio.sleep(2 * BEAT_INTERVAL)
        (owner,) = [name for name in "abc" if URI in made[name].own.own]
        (other,) = {"a", "b"} - {owner}
        assert await made["c"].members() == ["s1", "s2"]
        assert [len(made[other].own.listed), len(made[owner].own.listed)] == [1, 0]
        await made["c"].all.end(URI)
        assert sorted(each.name for each in made[owner].own.listed) == ["s1", "s2"]


async def test_a_group_may_move_again_while_it_moves(autojump_clock: MockClock) -> None:
    async with nodes("abcd") as made:
        with trio.fail_after(60):
            async with trio.open_nursery() as nursery:
                made.redis.go_away()
                await trio.sleep(2 * BEAT_INTERVAL)
                for name, stream in (("a", "s1"), ("b", "s2")):
                    await made[name].all.begin(URI)
                    await made[name].add(stream)
                    made[name].own.may_add = trio.Event()
                made.redis.come_back()
                await trio.sleep(2 * BEAT_INTERVAL)
                (other,) = [name for name in "ab" if URI not in made[name].own.own]
                nursery.start_soon(made[other].add, "s3")
                await wait_all_tasks_blocked()
                made.redis.go_away()
                await made[other].all.begin(URI)
                made.redis.come_back()
                await trio.sleep(2 * BEAT_INTERVAL)
                assert URI not in made[other].own.own
                nursery.start_soon(made[other].add, "s4")
                await wait_all_tasks_blocked()
                for name in "ab":
                    opened = made[name].own.may_add
                    assert opened is not None
                    opened.set()
        assert await made["c"].members() == ["s1", "s2", "s3", "s4"]


async def test_a_group_waits_for_redis_if_the_cluster_is_to_refuse_what_it_does_not_know(
    autojump_clock: MockClock,
) -> None:
    async with nodes() as made:
        live = made.nodes["a"].live
        live.replace(evolve(live.now, cluster_registry_down=RegistryDown.REFUSE))
        made.redis.go_away()
        await trio.sleep(2 * BEAT_INTERVAL)
        with pytest.raises(RecordingRefused, match=r"Cluster is unreachable \(setting cluster.registry_down\)"):
            await made["a"].all.begin(URI)
        await made["b"].all.begin(URI)
        made.redis.come_back()
        await trio.sleep(2 * BEAT_INTERVAL)
        with pytest.raises(GroupExists):
            await made["a"].all.begin(URI)
