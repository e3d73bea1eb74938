"""Finding among many streams and sessions: only what is shown is described, and others have a turn in between."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.node.control import LocalNode
from actors.runtime.actor import StopReason
from actors.stream import Stream
from protocol.node.descriptions import StreamDescription, StreamTraits
from protocol.node.filters import ConnectionFilter, StreamFilter
from protocol.rest.paging import ALL, NOTHING, Page
from tests.support.session.signaling_rig import SignalingRig, signaling_rig

PLAYERS = 600
OVER = StopReason(cause="test")


@pytest.fixture(name="rig")
async def rig_with_many_streams() -> AsyncIterator[SignalingRig]:
    """Three sessions: one publishes `room` as `p`, two play it, half of the players each."""
    async with signaling_rig(methods=frozenset()) as rig:
        publisher, _ = await rig.connect(clientVersion="1")
        await rig.publish(publisher, "room", "p")
        for first in (0, PLAYERS // 2):
            socket, _ = await rig.connect(clientVersion="2")
            for number in range(first, first + PLAYERS // 2):
                await rig.play(socket, "room", f"v{number}")
        yield rig


@pytest.fixture
def described(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the streams that have been described, one for each time."""
    calls: list[str] = []
    describe = Stream.describe

    def counted(self: Stream, *, traffic: bool = True) -> StreamDescription:
        calls.append(self.media_session_id)
        return describe(self, traffic=traffic)

    monkeypatch.setattr(Stream, "describe", counted)
    return calls


async def test_only_the_page_is_described(rig: SignalingRig, described: list[str]) -> None:
    described.clear()
    found = await rig.supervisor.find(StreamFilter(published=False), Page(offset=5, limit=3))
    assert found.total == PLAYERS
    assert [stream.media_session_id for stream in found.items] == ["v5", "v6", "v7"]
    assert (await rig.supervisor.find(StreamFilter(status="FAILED"))).total == 0
    assert (await rig.supervisor.find(StreamFilter(), NOTHING)).total == PLAYERS + 1
    assert (await rig.supervisor.find_connections(ConnectionFilter(client_version="2"), NOTHING)).total == 2
    assert described == ["v5", "v6", "v7"]


async def test_what_the_filter_names_is_looked_up(rig: SignalingRig) -> None:
    streams = (await rig.supervisor.find(StreamFilter())).items
    last = streams[-1].session_id
    index = rig.supervisor._streams
    assert len(index.candidates(StreamFilter(session_id=last))) == PLAYERS // 2
    assert len(index.candidates(StreamFilter(media_session_ids=frozenset({"v1", "x"})))) == 1
    assert len(index.candidates(StreamFilter(name="other"))) == 0
    assert (await rig.supervisor.find_connections(ConnectionFilter(session_id=last))).total == 1
    assert (await rig.supervisor.find_connections(ConnectionFilter(session_id="x"))).total == 0


async def test_others_have_a_turn_while_all_are_described(nursery: trio.Nursery, rig: SignalingRig) -> None:
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    nursery.start_soon(count_turns)
    found = await rig.supervisor.find(StreamFilter())
    assert len(found.items) == PLAYERS + 1
    assert turns >= PLAYERS // 20


async def test_what_ends_meanwhile_is_not_shown(nursery: trio.Nursery, rig: SignalingRig) -> None:
    node = LocalNode("node1", rig.supervisor, dict)

    async def stop_the_last() -> None:
        for _ in range(PLAYERS // 40):
            await trio.lowlevel.checkpoint()
        rig.supervisor.terminate(StreamFilter(media_session_ids=frozenset({f"v{PLAYERS - 1}"})), OVER)

    nursery.start_soon(stop_the_last)
    found = await node.find(StreamFilter(), ALL, traffic=False)
    assert found.total == PLAYERS + 1
    assert [stream.media_session_id for stream in found.items][-1] == f"v{PLAYERS - 2}"
    assert {stream.status for stream in found.items} == {"PUBLISHING", "PLAYING"}


def traits_of(thing: object, protocol: type[Any]) -> dict[str, object]:
    names = [name for name in dir(protocol) if isinstance(getattr(protocol, name), property)]
    return {name: getattr(thing, name) for name in names}


async def test_a_filter_sees_a_living_stream_as_its_description(rig: SignalingRig) -> None:
    for stream in list(rig.supervisor.streams())[:3]:
        assert traits_of(stream, StreamTraits) == traits_of(stream.describe(), StreamTraits)


async def test_an_index_forgets_what_has_ended(rig: SignalingRig) -> None:
    assert await rig.supervisor.terminate(StreamFilter(), OVER).wait()
    index = rig.supervisor._streams
    await wait_all_tasks_blocked()
    assert len(index) == 0
    assert not any(index._by.values())
    assert rig.supervisor.count_streams()["streams_webrtc_in"] == 0


async def test_statistics_have_the_groups_of_the_console(rig: SignalingRig) -> None:
    node = LocalNode("node1", rig.supervisor, lambda: {"stream": rig.supervisor.count_streams()})
    groups = node.statistics()
    assert groups["stream"]["streams_webrtc_in"] == 1
    assert groups["stream"]["streams_webrtc_out"] == PLAYERS
    for kind in ("rtmfp", "rtmp", "rtsp"):
        assert groups["stream"][f"streams_{kind}_in"] == groups["stream"][f"streams_{kind}_out"] == 0
    assert float(groups["system"]["system_java_cpu_usage"]) >= 0
    assert 0 < int(groups["system"]["system_memory_free"]) <= int(groups["system"]["system_memory_total"])
    assert int(groups["core"]["core_threads"]) >= 1
