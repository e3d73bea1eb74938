"""Nodes of a cluster when something is wrong with one of them, over a registry in memory."""

import pytest
import trio
import trio.lowlevel
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from protocol.cluster.ends import End
from protocol.cluster.members import LEASE, MemberInfo
from protocol.cluster.messages import EndStreams, FindStreams, NodeRequest
from protocol.cluster.owner_messages import StopRecording
from protocol.cluster.rooms.messages import ELSEWHERE, RoomWords
from protocol.rest.resources.streams import terminate_status
from tests.support.cluster.cluster_simulation import TERMINATED
from tests.support.cluster.growing_world import NEWS, SOON, World, published, terminate


async def test_the_earlier_start_of_a_copied_node_takes_no_names(
    autojump_clock: MockClock, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    first = await world.node("first", node="same")
    before = await published(first, "before")
    copy = await world.node("copy", node="same")
    assert (await published(copy)).is_live
    first.publish("other")
    await trio.sleep(SOON)
    assert [stream.name for stream in first.streams()] == ["before"]
    assert before.is_live
    assert "another start of this node runs" in caplog.text


async def test_a_node_of_another_version_is_named_and_counts_as_silent(
    autojump_clock: MockClock, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    node = await world.node("a")
    info = evolve(MemberInfo(node_id="b"), protocol=99).encode()
    world.redis.join("b", "there", info, 600_000)
    await trio.sleep(SOON)
    answer = await terminate(node)
    assert terminate_status(answer) == 503
    assert answer.coverage is not None
    assert answer.coverage.silent == ("b",)
    assert caplog.text.count("a node of another version cannot be asked") == 1


async def test_a_node_that_was_cut_off_ends_what_is_older_than_the_request(
    autojump_clock: MockClock, world: World
) -> None:
    a, b = await world.node("a"), await world.node("b")
    older = await published(b)
    world.redis.cut("b")
    answer = await terminate(a)
    assert terminate_status(answer) == 503
    assert older.is_live
    await trio.sleep(1)
    later = await published(b, "later")
    world.redis.heal("b")
    await trio.sleep(SOON)
    assert older.reason == TERMINATED
    assert later.is_live
    assert b.cluster.answering.caught_up == 1
    again = await published(b)
    await trio.sleep(SOON)
    assert again.is_live, "each request is done once"


async def test_a_silent_node_is_asked_no_longer_than_its_lease_runs(autojump_clock: MockClock, world: World) -> None:
    a, _ = await world.node("a"), await world.node("b")
    world.redis.cut("b")
    assert terminate_status(await terminate(a)) == 503
    await trio.sleep(LEASE)
    assert terminate_status(await terminate(a)) == 404


async def test_the_names_of_a_dead_node_are_free_after_its_lease(autojump_clock: MockClock, world: World) -> None:
    a, b = await world.node("a"), await world.node("b")
    await published(a)
    a.kill(600)
    b.publish("news")
    await trio.sleep(0.1)
    assert not b.streams()
    await trio.sleep(LEASE)
    assert (await published(b)).is_live


async def test_a_node_that_starts_again_has_its_names_at_once(autojump_clock: MockClock, world: World) -> None:
    a, b = await world.node("a"), await world.node("b")
    await published(a)
    a.kill(0.01)
    await trio.sleep(1)
    assert (await published(b)).is_live


async def test_a_node_that_was_frozen_loses_what_others_took(autojump_clock: MockClock, world: World) -> None:
    a, b = await world.node("a"), await world.node("b")
    mine, kept = await published(a), await published(a, "kept")
    world.redis.cut("a")
    await trio.sleep(LEASE + 1)
    yours = await published(b)
    assert mine.is_live
    assert yours.is_live
    world.redis.heal("a")
    await trio.sleep(SOON)
    assert [stream.is_live for stream in (mine, yours, kept)] == [False, True, True]
    assert (a.cluster.names.lost, b.cluster.names.lost) == (1, 0)


async def test_every_name_is_written_again_when_redis_lost_its_data(autojump_clock: MockClock, world: World) -> None:
    a = await world.node("a")
    for number in range(2500):
        a.publish(f"name {number}")
    await trio.sleep(1)
    calls = a.registry.calls
    world.redis.wipe()
    await trio.sleep(SOON)
    assert len(world.redis.names) == 2500
    assert a.registry.calls - calls < 15, "in batches"


async def test_a_node_that_has_left_is_no_member_however_long_its_end_takes(
    autojump_clock: MockClock, world: World
) -> None:
    a, b = await world.node("a"), await world.node("b")
    await b.cluster.leave()
    b.cluster.membership.renew()
    await trio.sleep(SOON)
    answer = await terminate(a)
    assert terminate_status(answer) == 404
    assert answer.coverage is not None
    assert answer.coverage.asked == 1


async def test_a_beat_that_is_under_way_at_the_end_does_not_outlive_it(autojump_clock: MockClock, world: World) -> None:
    a, b = await world.node("a"), await world.node("b")
    world.redis.max_delay = 0.5
    member = b.cluster.membership.member
    assert member is not None
    b.cluster.membership.renew()
    await wait_all_tasks_blocked()
    world.redis.max_delay = 0
    await b.cluster.leave()
    await trio.sleep(1)
    assert not world.redis.is_alive(member)
    assert a.cluster.membership.is_up


def request_of(sender: str) -> str:
    return NodeRequest(id="x", sender=sender, wait_ms=1000, ask=FindStreams(filter=NEWS, limit=1)).encode()


async def test_a_request_that_cannot_be_answered_since_redis_is_away_is_no_defect(
    autojump_clock: MockClock, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    a = await world.node("a")
    world.redis.go_away()
    a.cluster.answering.hear(None, request_of("b/1"))
    await trio.sleep(SOON)
    assert "crashed" not in caplog.text
    assert a.cluster.answering.answered == 0


async def test_no_id_of_a_message_does_harm(autojump_clock: MockClock, world: World) -> None:
    """Another program publishes on the channel of the cluster."""
    a, b = await world.node("a"), await world.node("b")
    for log_id in ("", "-", "1-1", "x-1", "9" * 5000 + "-1", "1-" + "9" * 5000):
        a.cluster.answering.hear(log_id, request_of("c/1"))
    stream = await published(a)
    assert terminate_status(await terminate(b)) == 200
    await trio.sleep(SOON)
    assert stream.reason == TERMINATED
    assert (await published(a)).is_live


async def test_a_request_that_is_heard_late_is_answered_and_one_that_was_done_is_not_done_again(
    autojump_clock: MockClock, world: World
) -> None:
    await world.node("a")
    b = await world.node("b")
    ask = EndStreams(filter=NEWS, end=End.of(TERMINATED.cause, TERMINATED.info, None))
    text = NodeRequest(id="x", sender="a/1", wait_ms=1000, ask=ask).encode()
    stream = await published(b)
    listener = world.redis.listeners.pop("b")
    soon = world.redis.send(text, logged=True)
    b.cluster.membership.renew()
    await trio.sleep(0.5)
    assert stream.is_live, "it may still be heard"
    listener.on_message(soon.log_id, text)
    await trio.sleep(0.5)
    assert (stream.reason, b.cluster.answering.answered, b.cluster.answering.caught_up) == (TERMINATED, 1, 0)
    never = world.redis.send(text, logged=True)
    await trio.sleep(2 * SOON)
    assert b.cluster.answering.caught_up == 1
    again = await published(b)
    listener.on_message(never.log_id, text)
    await trio.sleep(0.5)
    assert again.is_live


async def test_names_are_right_when_redis_comes_back_with_the_data_of_a_moment_ago(
    autojump_clock: MockClock, world: World
) -> None:
    """No lease has run out meanwhile, and the boot value is the same."""
    a, b = await world.node("a"), await world.node("b")
    ended = await published(a, "ended")
    saved = world.redis.saved()
    later = await published(a, "later")
    ended.stop(TERMINATED)
    await trio.sleep(0.2)
    assert world.redis.names.keys() == {"later"}
    world.redis.restart_with(saved)
    assert world.redis.names.keys() == {"ended"}
    await trio.sleep(SOON)
    assert world.redis.names.keys() == {"later"}
    assert (await published(b, "ended")).is_live
    b.publish("later")
    await trio.sleep(0.5)
    assert [stream.name for stream in b.streams()] == ["ended"]
    assert later.is_live


async def test_a_request_that_crashed_is_carried_out_when_it_is_repeated(
    autojump_clock: MockClock, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    a = await world.node("a")
    b = await world.node("b")
    crashes = [RuntimeError("a defect")]

    async def stop(ask: StopRecording) -> str:
        if crashes:
            raise crashes.pop()
        return "done"

    b.cluster.owners.serve(StopRecording, stop)
    with trio.fail_after(5):
        assert await a.cluster.owners.ask("b", StopRecording(filter=NEWS), timeout=5) == "done"
    assert "request of another node crashed" in caplog.text
    assert a.cluster.asking.repeated == 1


async def test_a_node_speaks_of_rooms_in_its_own_name_alone(autojump_clock: MockClock, world: World) -> None:
    a, b = await world.node("a"), await world.node("b")
    member = b.cluster.membership.member
    assert member is not None
    words = RoomWords(app_key="k", name="lobby", member="", line="l", number=1)
    for claimed in ("", "c/1"):
        ask = evolve(words, member=claimed)
        assert await a.cluster.asking.ask_one(member, ask, timeout=1) is None
    own = a.cluster.membership.member
    assert own is not None
    mine = evolve(words, member=own)
    reply = await a.cluster.asking.ask_one(member, mine, timeout=1)
    assert reply is not None
    assert reply.verdict == ELSEWHERE


HOUR_MS = 3_600_000


@pytest.mark.parametrize("jump_ms", [HOUR_MS, -HOUR_MS])
async def test_a_jump_of_the_clock_of_redis_ends_nothing(autojump_clock: MockClock, world: World, jump_ms: int) -> None:
    """Ahead, all leases are over at once, until the next beats; back, they would run for an hour."""
    a, b = await world.node("a"), await world.node("b")
    mine, last = await published(a), await published(a, "last")
    world.redis.skew_ms = jump_ms
    await trio.sleep(SOON)
    b.publish("news")
    await trio.sleep(0.5)
    assert not b.streams()
    assert (mine.is_live, last.is_live, a.cluster.names.lost) == (True, True, 0)
    assert terminate_status(await terminate(b)) == 200
    assert mine.reason == TERMINATED
    a.kill(600)
    await trio.sleep(LEASE + SOON)
    assert (await published(b, "last")).is_live
    assert terminate_status(await terminate(b)) == 404


async def test_a_registry_that_was_away_for_longer_than_leases_has_the_same_names_again(
    autojump_clock: MockClock, world: World
) -> None:
    a, b = await world.node("a"), await world.node("b")
    mine, yours = await published(a), await published(b, "yours")
    world.redis.go_away()
    await trio.sleep(2 * LEASE)
    world.redis.come_back()
    await trio.sleep(SOON)
    assert {name: holder.member for name, holder in world.redis.names.items()} == {
        "news": a.cluster.membership.member, "yours": b.cluster.membership.member,
    }  # fmt: skip
    assert (mine.is_live, yours.is_live) == (True, True)


async def test_a_node_that_begins_to_listen_again_is_not_taken_for_one_that_cannot(
    autojump_clock: MockClock, world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """However many beats it has meanwhile: who asks, and is told of members that it does not know, beats at once."""
    node = await world.node("a")
    world.redis.end_listening("a")
    for _ in range(9):
        node.cluster.membership.renew()
        await wait_all_tasks_blocked()
    assert (node.cluster.hearing.gaps, list(node.cluster.faults())) == (1, [])
    await trio.sleep(SOON)
    assert "a" in world.redis.listeners
    assert "other nodes are not heard" not in caplog.text
