"""Pictures and recordings of publications on other nodes, over a registry in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio
from attrs import define, evolve, field
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.cluster.cluster import Cluster
from actors.cluster.owned.media import ClusterRecorder, ClusterSnapshots
from actors.cluster.owned.owners import SLACK
from actors.cluster.requests.asking import REPEAT_AT_MOST
from actors.node.ports.recorder import NoSuchPublication, RecordingDescription, RecordingRefused, RecordWish
from actors.node.ports.refusals import NodesSilent
from actors.web.api.recordings.records import START_TIMEOUT
from actors.web.media_routes import MediaPorts
from protocol.cluster.members import BEAT_INTERVAL
from protocol.cluster.messages import NodeReply
from protocol.cluster.owner_messages import OwnerAnswer, TakePicture
from protocol.node.filters import StreamFilter
from protocol.rest.paging import Found
from protocol.stream.pictures import Picture, PictureSpec
from tests.support.cluster.cluster_simulation import SimulatedNode, Tally
from tests.support.redis.memory_redis import MemoryRedis
from tests.support.web.stream_world import StreamWorld
from tests.support.web.web_rig import client_of

NEWS = StreamFilter(name="news", published=True)
WISH = RecordWish(template=None, rotation=None)


@define(eq=False)
class FakeMedia:
    """Both ports of one node: pictures are large, and a recording begins when it may."""

    has_it: bool
    may_begin: trio.Event = field(factory=trio.Event)
    begun: int = 0
    taken: int = 0
    given_up: int = 0
    picture_takes: float = 0.0
    finishing: dict[str, trio.Event] = field(factory=dict)
    beside: set[str] = field(factory=set)

    @property
    def here(self) -> "FakeMedia":
        return self

    async def take(self, query: StreamFilter, spec: PictureSpec) -> Picture:
        self._check()
        self.taken += 1
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

    def paths(self, name: str) -> list[Path]:
        return []

    def is_finishing(self, name: str) -> bool:
        return name in self.finishing

    async def is_begun_beside(self, name: str) -> bool:
        return name in self.beside

    async def until_finished(self, name: str) -> None:
        if name in self.finishing:
            await self.finishing[name].wait()

    async def find_all(self, query: StreamFilter) -> Found[RecordingDescription]:
        return Found(total=0, items=())

    def _check(self) -> None:
        if not self.has_it:
            raise NoSuchPublication


class MediaNode:
    """A node with them."""

    def __init__(self, redis: MemoryRedis, name: str, *, has_it: bool) -> None:
        self.redis, self.name = redis, name
        self.media = FakeMedia(has_it=has_it)
        self.node = SimulatedNode(redis, name, redis.chance, Tally())
        self.node.prepare = self._prepare

    def _prepare(self, cluster: Cluster) -> None:
        self.snapshots = ClusterSnapshots(self.media, cluster.owners, timeout=lambda: 30.0)
        self.recorder = ClusterRecorder(self.media, cluster.owners)

    def hear_late(self, seconds: float, nursery: trio.Nursery) -> None:
        """What is sent to this node takes so long."""
        listener = self.redis.listeners[self.name]
        hear = listener.on_message

        async def later(log_id: str | None, text: str) -> None:
            await trio.sleep(seconds)
            hear(log_id, text)

        def on_message(log_id: str | None, text: str) -> None:
            nursery.start_soon(later, log_id, text)

        listener.on_message = on_message


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


async def test_a_picture_that_takes_long_on_its_way_is_sent_once(autojump_clock: MockClock) -> None:
    async with asked_and_owner() as (asked, owner), trio.open_nursery() as nursery:
        asked.hear_late(0.7, nursery)
        assert (await asked.snapshots.take(NEWS, PictureSpec())).width == 2
        assert asked.node.cluster.asking.repeated == 1
        assert owner.media.taken == 1


async def test_a_picture_that_got_lost_is_taken_anew(autojump_clock: MockClock) -> None:
    async with asked_and_owner() as (asked, owner), trio.open_nursery() as nursery:
        await asked.snapshots.take(NEWS, PictureSpec())
        listener = asked.redis.listeners["a"]
        hear = listener.on_message

        def lose_pictures(log_id: str | None, text: str) -> None:
            if len(text) < 10_000 or owner.media.taken > 2:
                hear(log_id, text)

        listener.on_message = lose_pictures
        nursery.start_soon(asked.snapshots.take, NEWS, PictureSpec())
        await trio.sleep(1)
        assert owner.media.taken == 2
    assert owner.media.taken == 3


async def test_a_refusal_that_only_a_newer_version_knows_is_told_as_it_is(autojump_clock: MockClock) -> None:
    async with asked_and_owner() as (asked, owner):

        async def answer(ask: object, blank: NodeReply) -> NodeReply:
            told = OwnerAnswer(refusal="not-on-sundays", info="not on Sundays", setting="snapshot.days")
            return evolve(blank, owned=told)

        owner.node.cluster.owners._searchers[TakePicture] = answer
        async with client_of(StreamWorld(), media=MediaPorts(snapshots=asked.snapshots)) as client:
            refused = await client.post("/rest-api/stream/snapshot", json={"streamName": "news"})
            wanted = owner.node.streams()[0].media_session_id
            thumbnail = await client.get("/page/picture", params={"id": wanted})
        assert refused.status_code == 503
        assert (refused.json()["reason"], refused.json()["setting"]) == ("not on Sundays", "snapshot.days")
        assert (thumbnail.status_code, thumbnail.json()) == (200, {"info": "not on Sundays"})


async def test_a_node_that_crashes_over_a_request_is_asked_again_ever_more_rarely(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with asked_and_owner() as (asked, owner):

        async def crash(ask: object) -> None:
            raise RuntimeError("a defect")

        owner.node.cluster.owners.serve(TakePicture, crash)
        with pytest.raises(NodesSilent):
            await asked.snapshots.take(NEWS, PictureSpec())
        waited = 30.0 + SLACK
        assert waited / REPEAT_AT_MOST <= caplog.text.count("request of another node crashed") <= 1 + waited / 1.0


async def test_a_file_that_another_node_of_the_machine_finishes_is_waited_for(autojump_clock: MockClock) -> None:
    async with asked_and_owner() as (asked, owner), trio.open_nursery() as nursery:
        finished = owner.media.finishing["a.webm"] = trio.Event()
        await asked.recorder.until_finished("a.webm")  # there is no sign of it: nobody is asked
        asked.media.beside = {"a.webm", "b.webm"}
        await asked.recorder.until_finished("b.webm")
        done = trio.Event()

        async def wait() -> None:
            await asked.recorder.until_finished("a.webm")
            done.set()

        nursery.start_soon(wait)
        await trio.sleep(10)
        assert not done.is_set()
        finished.set()
        await done.wait()
