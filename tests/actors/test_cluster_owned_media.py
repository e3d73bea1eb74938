"""Pictures and recordings of publications on other nodes, over a registry in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.cluster.cluster import Cluster
from actors.cluster.owned_media import ClusterRecorder, ClusterSnapshots
from actors.node.recorder_port import NoSuchPublication, RecordingDescription, RecordingRefused, RecordWish
from actors.web.api.records import START_TIMEOUT
from protocol.cluster.members import BEAT_INTERVAL
from protocol.node.filters import StreamFilter
from protocol.rest.paging import Found
from protocol.stream.pictures import Picture, PictureSpec
from tests.support.cluster_simulation import SimulatedNode, Tally
from tests.support.memory_redis import MemoryRedis

NEWS = StreamFilter(name="news", published=True)
WISH = RecordWish(template=None, rotation=None)


@define(eq=False)
class FakeMedia:
    """Both ports of one node: pictures are large, and a recording begins when it may."""

    has_it: bool
    may_begin: trio.Event = field(factory=trio.Event)
    begun: int = 0
    given_up: int = 0
    picture_takes: float = 0.0
    folder: Path = Path("records")

    @property
    def here(self) -> "FakeMedia":
        return self

    async def take(self, query: StreamFilter, spec: PictureSpec) -> Picture:
        self._check()
        await trio.sleep(self.picture_takes)
        return Picture(data=b"A" * spec.max_bytes, width=2, height=1)

    async def start(self, query: StreamFilter, wish: RecordWish) -> None:
        self._check()
        self.begun += 1
        try:
            await self.may_begin.wait()
        except trio.Cancelled:
            self.given_up += 1
            raise

    async def stop(self, query: StreamFilter) -> None:
        self._check()

    async def until_finished(self, name: str) -> None:
        pass

    async def find_all(self, query: StreamFilter) -> Found[RecordingDescription]:
        return Found(total=0, items=())

    def _check(self) -> None:
        if not self.has_it:
            raise NoSuchPublication


class MediaNode:
    """A node with them."""

    def __init__(self, redis: MemoryRedis, name: str, *, has_it: bool) -> None:
        self.media = FakeMedia(has_it=has_it)
        self.node = SimulatedNode(redis, name, redis.chance, Tally())
        self.node.prepare = self._prepare

    def _prepare(self, cluster: Cluster) -> None:
        self.snapshots = ClusterSnapshots(self.media, cluster.owners, timeout=lambda: 30.0)
        self.recorder = ClusterRecorder(self.media, cluster.owners)


@asynccontextmanager
async def asked_and_owner() -> AsyncIterator[tuple[MediaNode, MediaNode]]:
    redis = MemoryRedis()
    asked, owner = MediaNode(redis, "a", has_it=False), MediaNode(redis, "b", has_it=True)
    async with trio.open_nursery() as nursery:
        for each in (asked, owner):
            nursery.start_soon(each.node.run)
        await wait_all_tasks_blocked()
        await trio.sleep(2 * BEAT_INTERVAL)
        owner.node.publish("news")
        await trio.sleep(BEAT_INTERVAL)
        yield asked, owner
        nursery.cancel_scope.cancel()


async def test_large_pictures_do_not_have_a_recording_begun_twice(autojump_clock: MockClock) -> None:
    async with asked_and_owner() as (asked, owner), trio.open_nursery() as nursery:
        nursery.start_soon(asked.recorder.start, NEWS, WISH)
        await trio.sleep(0.1)
        for _ in range(6):
            assert len((await asked.snapshots.take(NEWS, PictureSpec())).data) > 1 << 20
        await trio.sleep(1)
        assert owner.media.begun == 1
        owner.media.may_begin.set()


async def test_a_recording_that_nobody_waits_for_any_more_does_not_begin_later(autojump_clock: MockClock) -> None:
    async with asked_and_owner() as (asked, owner):
        with pytest.raises(RecordingRefused, match="did not begin in time"):
            with trio.fail_after(START_TIMEOUT):
                await asked.recorder.start(NEWS, WISH)
        assert (owner.media.begun, owner.media.given_up) == (1, 1)


async def test_a_picture_of_another_node_may_take_as_long_as_one_of_this_node(autojump_clock: MockClock) -> None:
    async with asked_and_owner() as (asked, owner):
        owner.media.picture_takes = 29.0
        assert (await asked.snapshots.take(NEWS, PictureSpec(max_bytes=100))).width == 2
