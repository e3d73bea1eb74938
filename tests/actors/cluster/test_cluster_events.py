"""Events of all nodes of a cluster for the readers of any, over a registry in memory."""

import json
from typing import Any

import trio
from trio.testing import MockClock

from actors.cluster.shared.events import WANTED_FOR
from actors.web.api.server.monitoring import Monitoring
from protocol.cluster.event_batch import MOST_EVENTS, EventBatch
from protocol.cluster.members import LEASE
from protocol.cluster.messages import Notice
from protocol.common.json_text import to_json
from protocol.node.server_events import EventType, ServerEvent, encode_event
from tests.support.cluster.cluster_simulation import SimulatedNode
from tests.support.cluster.growing_world import SOON, World
from tests.support.web.memory_event_reader import Reader, read

STATUS = EventType.STREAM_STATUS


def happen(node: SimulatedNode, name: str, app: str = "shop") -> None:
    node.supervisor.events.emit(STATUS, app=app, name=name)


def told(reader: Reader) -> list[dict[str, Any]]:
    """What a reader was told, each with its type."""
    blocks = [dict(line.split(": ", 1) for line in block.splitlines()) for block in reader.text.split("\n\n") if block]
    return [{"event": block["event"], **json.loads(block["data"])} for block in blocks if "event" in block]


def names(reader: Reader) -> list[str]:
    return [each["name"] for each in told(reader) if each["event"] == STATUS]


async def reader_of(node: SimulatedNode, nursery: trio.Nursery, query: str = "") -> Reader:
    reader = await read(nursery, node.supervisor.events, query)
    await trio.sleep(SOON)
    return reader


async def test_a_reader_hears_of_all_nodes_and_nobody_sends_without_one(
    autojump_clock: MockClock, world: World, nursery: trio.Nursery
) -> None:
    a, b = await world.node("a"), await world.node("b")
    happen(b, "before")
    await trio.sleep(SOON)
    assert a.supervisor.events.next_number == 1
    reader = await reader_of(a, nursery)
    happen(a, "here")
    happen(b, "there")
    await trio.sleep(1)
    first, *others = told(reader)
    assert first == {"event": "cluster.scope", "scope": "cluster", "nodeId": "a", "nodes": 2}
    assert [(each["name"], each["nodeId"]) for each in others] == [("here", "a"), ("there", "b")]
    reader.over.set()
    await trio.sleep(3 * WANTED_FOR)
    calls = b.registry.calls
    happen(b, "after")
    await trio.sleep(1)
    assert b.registry.calls <= calls + 2, "beats alone"


async def test_a_reader_may_want_one_node_only(autojump_clock: MockClock, world: World, nursery: trio.Nursery) -> None:
    a, b = await world.node("a"), await world.node("b")
    every, local = await reader_of(a, nursery), await reader_of(a, nursery, "scope=local")
    happen(a, "here")
    happen(b, "there")
    await trio.sleep(1)
    assert (names(every), names(local)) == (["here", "there"], ["here"])
    assert told(local)[0]["scope"] == "local"
    for reader in (every, local):
        reader.over.set()


async def test_many_events_come_in_their_order(autojump_clock: MockClock, world: World, nursery: trio.Nursery) -> None:
    a, b = await world.node("a"), await world.node("b")
    reader = await reader_of(a, nursery)
    for number in range(5 * MOST_EVENTS):
        happen(b, str(number))
    await trio.sleep(SOON)
    assert names(reader) == [str(number) for number in range(5 * MOST_EVENTS)]
    reader.over.set()


async def test_a_reader_is_told_what_was_lost_and_whose_events_there_are(
    autojump_clock: MockClock, world: World, nursery: trio.Nursery
) -> None:
    a, b = await world.node("a"), await world.node("b")
    reader = await reader_of(a, nursery)
    happen(b, "one")
    await trio.sleep(1)
    world.redis.cut("a")
    happen(b, "lost")
    await trio.sleep(SOON)
    happen(a, "here")
    world.redis.heal("a")
    await trio.sleep(SOON)
    happen(b, "two")
    await trio.sleep(1)
    kinds = [each["event"] if each["event"] != STATUS else each["name"] for each in told(reader)]
    assert kinds[:2] == ["cluster.scope", "one"]
    assert {"here", "two"} <= set(kinds)
    assert "lost" not in kinds
    assert "cluster.gap" in kinds
    assert [each["scope"] for each in told(reader) if each["event"] == "cluster.scope"] == [
        "cluster",
        "local",
        "cluster",
    ]
    reader.over.set()


async def test_a_reader_is_told_of_a_node_that_is_gone(
    autojump_clock: MockClock, world: World, nursery: trio.Nursery
) -> None:
    """Whether or not it had told anything: the reader may know its streams from a list."""
    a, b = await world.node("a"), await world.node("b")
    reader = await reader_of(a, nursery)
    b.end()
    await trio.sleep(LEASE + 2 * SOON)
    assert [(each["event"], each["node"]) for each in told(reader)[1:]] == [("cluster.gap", "b")]
    reader.over.set()


async def test_without_a_cluster_nothing_of_it_shows(autojump_clock: MockClock, nursery: trio.Nursery) -> None:
    log = Monitoring().events
    reader = await read(nursery, log)
    log.emit(STATUS, app="shop", name="news")
    await trio.sleep(1)
    assert [sorted(each) for each in told(reader)] == [["appKey", "event", "name", "time"]]
    reader.over.set()


async def test_no_message_of_another_program_does_harm(autojump_clock: MockClock, world: World) -> None:
    a = await world.node("a")
    a.supervisor.events.want()
    for value in ("", "[]", "null", '["r", 1, [[]]]', '["r", 1, [["stream.status", 1, 2, 3]]]', '["r", "x", []]',
                  '["r", 1, [["stream.status", null, null, "{}\\n\\nevent: bye"]]]'):  # fmt: skip
        a.cluster.events.hear(Notice(about=Notice.EVENTS, sender="x/1", value=value))
    a.cluster.events.hear(Notice(about=Notice.EVENTS_WANTED, sender="x/1"))
    assert a.supervisor.events.next_number == 1


def test_a_batch_says_the_same_on_the_other_side() -> None:
    event = ServerEvent(1, STATUS, "shop", "é", encode_event("b-1", STATUS, to_json({"name": "é\n"})))
    batch = EventBatch.of("run", 1, [event])
    assert EventBatch.decode(batch.encode()) == batch
    newer = batch.encode().replace("stream.status", "stream.newer")
    assert EventBatch.decode(newer) == EventBatch(run="run", number=1, events=())
