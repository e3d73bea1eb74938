"""Captures of all nodes, as REST on any of them begins, finds and ends them, over a registry in memory."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from functools import partial

import pytest
import trio
from attrs import define, field
from trio.testing import MockClock

from actors.cluster.cluster import Cluster
from actors.cluster.owned.captures import ClusterCaptures
from actors.node.ports.capture import (
    AlreadyCaptured,
    AmbiguousCapture,
    CaptureDescription,
    CaptureFailed,
    NoSuchCapture,
)
from actors.node.ports.refusals import NodesSilent
from actors.runtime.actor import StopReason
from protocol.capture.uri import RTMP_SCHEMES, RTSP_SCHEMES, CaptureScheme, CaptureUri, capture_key, read_capture_uri
from protocol.cluster.members import BEAT_INTERVAL, LEASE
from protocol.common.masking import masked
from protocol.rest.paging import Found
from tests.support.cluster.cluster_simulation import SimulatedNode
from tests.support.cluster.owned_nodes import OwnedNodes, at_once, owned_nodes

CAMERA = read_capture_uri("rtsp://ann:secret@camera.example/one")
BY_REST = StopReason(cause="rest-terminate", info="ended")


@define(eq=False)
class FakeCaptures:
    """Those of one node: name -> URI; those that players have begun; whose URIs nobody may see."""

    node_id: str
    running: dict[str, CaptureUri] = field(factory=dict)
    played: set[str] = field(factory=set)
    hidden: set[str] = field(factory=set)
    fault: CaptureFailed | None = None
    cannot_start: CaptureFailed | None = None
    ends_first: bool = False
    """Whether all end by themselves before they can be terminated."""

    @property
    def here(self) -> "FakeCaptures":
        return self

    async def keep(self, uri: CaptureUri, name: str) -> None:
        found = next((each for each, known in self.running.items() if known == uri), None)
        if found is None:
            raise NoSuchCapture
        if found not in self.played or name not in (uri.text, found):
            raise AlreadyCaptured
        if self.fault is not None:
            raise self.fault
        self.played.discard(found)

    async def start(self, uri: CaptureUri, name: str) -> None:
        if self.cannot_start is not None:
            raise self.cannot_start
        self.running[name] = uri

    async def find(self, schemes: frozenset[CaptureScheme]) -> Found[CaptureDescription]:
        found = tuple(self._describe(name) for name, uri in self.running.items() if uri.scheme in schemes)
        return Found(total=len(found), items=found)

    async def terminate(self, uri: str, schemes: frozenset[CaptureScheme], reason: StopReason) -> None:
        assert reason == BY_REST
        if self.ends_first:
            self.running.clear()
        uris = {name: (known.text, self._describe(name).uri) for name, known in self.running.items()}
        found = [name for name, known in self.running.items() if known.scheme in schemes and uri in uris[name]]
        for name in found:
            del self.running[name]
        if not found:
            raise NoSuchCapture

    def _describe(self, name: str) -> CaptureDescription:
        text = self.running[name].text
        return CaptureDescription(
            key=capture_key(text),
            uri=masked(text) if name in self.hidden else text,
            name=name,
            status="PLAYING",
            media_session_id=f"id of {name}",
            has_audio=False,
            has_video=True,
            node_id=self.node_id,
        )


class CaptureNode:
    """Those of one node, and those of all as this node sees them."""

    def __init__(self, node: SimulatedNode, cluster: Cluster) -> None:
        self.own = FakeCaptures(node.name)
        self.all = ClusterCaptures(self.own, cluster.owners, cluster.singles, node_id=node.name, open_wait=lambda: 10.0)

    async def names(self) -> list[str]:
        return sorted(each.name for each in (await self.all.find(RTSP_SCHEMES)).items)

    async def end(self, uri: str) -> None:
        await self.all.terminate(uri, RTSP_SCHEMES, BY_REST)


@asynccontextmanager
async def nodes() -> AsyncIterator[OwnedNodes[CaptureNode]]:
    async with owned_nodes("abc", CaptureNode) as made:
        yield made


async def test_a_source_that_another_node_captures_is_not_captured_twice(autojump_clock: MockClock) -> None:
    async with nodes() as made:
        await made["a"].all.start(CAMERA, "cam")
        for node in "abc":
            with pytest.raises(AlreadyCaptured):
                await made[node].all.start(CAMERA, "cam")
            assert await made[node].names() == ["cam"]
        assert [len(made[node].own.running) for node in "abc"] == [1, 0, 0]
        found = await made["b"].all.find(RTSP_SCHEMES)
        assert (found.items, found.coverage and found.coverage.shown) == (
            (await made["a"].own.find(RTSP_SCHEMES)).items,
            "3/3",
        )
        assert not (await made["b"].all.find(RTMP_SCHEMES)).items


async def test_what_players_have_begun_on_another_node_is_kept_there(autojump_clock: MockClock) -> None:
    async with nodes() as made:
        made["a"].own.running["cam"], made["a"].own.played = CAMERA, {"cam"}
        made["a"].own.fault = CaptureFailed("Failed to connect", "no route")
        with pytest.raises(CaptureFailed, match=r"Failed to connect \(no route\)"):
            await made["b"].all.start(CAMERA, "cam")
        made["a"].own.fault = None
        with pytest.raises(AlreadyCaptured):
            await made["b"].all.start(CAMERA, "other")
        await made["b"].all.start(CAMERA, "cam")
        assert (made["a"].own.played, made["b"].own.running) == (set(), {})


async def test_a_capture_ends_on_whichever_node_it_is(autojump_clock: MockClock) -> None:
    async with nodes() as made:
        other = read_capture_uri("rtsp://ben:secret@camera.example/one")
        made["a"].own.running |= {"cam": CAMERA, "also": CAMERA}
        made["b"].own.running["other"] = other
        with pytest.raises(NoSuchCapture):
            await made["c"].end("rtsp://camera.example/two")
        await made["c"].end(CAMERA.text)
        assert await made["c"].names() == ["other"]
        made["c"].own.running["cam"] = CAMERA
        made["b"].own.hidden, made["c"].own.hidden = {"other"}, {"cam"}
        with pytest.raises(AmbiguousCapture):
            await made["a"].end(masked(CAMERA.text))
        assert await made["a"].names() == ["cam", "other"]
        await made["a"].end(other.text)
        await made["a"].end(masked(CAMERA.text))
        assert await made["a"].names() == []


@pytest.mark.parametrize("gone", ["a", "b", "c", "ab", "bc", "abc"])
async def test_what_has_ended_by_itself_on_one_node_ends_on_the_others(autojump_clock: MockClock, gone: str) -> None:
    async with nodes() as made:
        for name in "abc":
            made[name].own.running[f"cam-{name}"] = CAMERA
            made[name].own.ends_first = name in gone
        with pytest.raises(NoSuchCapture) if gone == "abc" else nullcontext():
            await made["a"].end(CAMERA.text)
        assert await made["a"].names() == []


async def test_a_node_that_is_silent_may_have_the_capture(autojump_clock: MockClock) -> None:
    async with nodes() as made:
        await made["a"].all.start(CAMERA, "cam")
        made.redis.cut("a")
        with pytest.raises(NodesSilent):
            await made["b"].end(CAMERA.text)
        found = await made["b"].all.find(RTSP_SCHEMES)
        assert (found.total, found.coverage and found.coverage.shown) == (0, "2/3")
        await made["b"].all.start(CAMERA, "other")  # the claim of a name would decide
        await made["b"].end(CAMERA.text)
        await trio.sleep(LEASE)
        with pytest.raises(NoSuchCapture):
            await made["b"].end(CAMERA.text)
        made.redis.go_away()
        await trio.sleep(2 * BEAT_INTERVAL)
        with pytest.raises(NodesSilent):
            await made["b"].end(CAMERA.text)


@pytest.mark.parametrize("names", [("cam", "cam"), ("cam", "other")])
async def test_of_two_nodes_that_begin_to_capture_a_source_at_once_one_does(
    names: tuple[str, str], autojump_clock: MockClock
) -> None:
    async with nodes() as made:
        outcomes = await at_once(
            partial(made[node].all.start, CAMERA, name) for node, name in zip("ab", names, strict=True)
        )
        assert sorted(map(type, outcomes), key=repr) == [type(None), AlreadyCaptured]
        assert sum(len(made[node].own.running) for node in "abc") == 1
        assert len(await made["c"].names()) == 1
        await made["c"].end(CAMERA.text)
        await made["b"].all.start(CAMERA, "later")
        assert await made["a"].names() == ["later"]


async def test_a_source_that_could_not_be_captured_may_be_tried_again_elsewhere_at_once(
    autojump_clock: MockClock,
) -> None:
    async with nodes() as made:
        made["a"].own.cannot_start = CaptureFailed("Failed to connect", "no route")
        with pytest.raises(CaptureFailed):
            await made["a"].all.start(CAMERA, "cam")
        await made["b"].all.start(CAMERA, "cam")
