"""A room whose members are on several nodes, through whole sessions: they see what they would see on one."""

from typing import Any

import pytest
import trio
from trio.testing import MockClock

from actors.node.ports.room import NoSuchMember, NoSuchRoom
from actors.rooms.clustered.news_line import MOST_WAITING
from actors.rooms.clustered.words_line import WordsLine
from actors.runtime.actor import SHUTDOWN
from config.settings import RegistryDown
from protocol.cluster.rooms.messages import StreamBegun, StreamEnded
from protocol.node.client_data import ClientData
from protocol.node.filters import ConnectionFilter, RoomFilter
from protocol.rest.paging import ALL
from protocol.rooms.room_state import RoomStream
from tests.support.cluster.room_nodes import SETTLED, RoomCluster, room_cluster
from tests.support.session.room_pages import RoomPage

LOBBY = ("roomApp", "lobby")


async def soon() -> None:
    """Everything that needs no beat has happened."""
    await trio.sleep(1)


async def joined(cluster: RoomCluster, *logins: str) -> list[RoomPage]:
    """Pages in the lobby that have read what they heard; each is on the next node, the first one's has the room."""
    pages = [await cluster.nodes[at % len(cluster.nodes)].page(login) for at, login in enumerate(logins)]
    for page in pages:
        assert await page.join() is None
    for page in pages:
        await page.heard()
    return pages


async def test_members_of_two_nodes_meet_in_one_room(autojump_clock: MockClock) -> None:
    async with room_cluster("a", "b") as cluster:
        a, b = cluster.nodes
        ann, ben = await a.page("ann"), await b.page("ben")
        assert await ann.join() is None
        assert await ann.heard() == [("STATE", [])]
        assert await ben.join() is None
        assert await ben.heard() == [("STATE", ["ann"])]
        assert await ann.heard() == [("JOINED", "ben")]
        assert cluster.host() is a
        assert await ann.say("ben", "hello") is None
        assert await ben.say("ann", {"any": ["JSON", 1.5]}) is None
        assert await ben.payloads() == [
            {"roomName": "lobby", "name": "MESSAGE", "info": {"from": "ann", "text": "hello"}}
        ]
        assert await ann.heard() == [("MESSAGE", {"from": "ben", "text": {"any": ["JSON", 1.5]}})]
        assert await ben.say("dan", "hello") == "Participant is not in the room"
        assert await ann.leave() is None
        assert await ben.heard() == [("LEFT", "ann")]
        assert await ben.leave() is None
        assert [len(node.here) for node in cluster.nodes] == [0, 0]
        assert cluster.redis.rooms == {}


async def test_streams_are_announced_on_all_nodes(autojump_clock: MockClock) -> None:
    async with room_cluster("a", "b") as cluster:
        ann, ben, cem = await joined(cluster, "ann", "ben", "cem")
        ben.publish("lobby-ben", "p1")
        await ben.until("p1", "PUBLISHING")
        assert await ann.heard() == [("PUBLISHED", {"login": "ben", "name": "lobby-ben"})]
        assert await cem.heard() == [("PUBLISHED", {"login": "ben", "name": "lobby-ben"})]
        dan = await cluster.nodes[1].page("dan")
        assert await dan.join() is None
        assert await dan.heard() == [("STATE", ["ann", {"login": "ben", "name": "lobby-ben"}, "cem"])]
        ben.socket.send("unPublishStream", {"mediaSessionId": "p1"})
        await ben.until("p1", "UNPUBLISHED")
        assert (await ann.heard())[-1] == ("UNPUBLISHED", {"login": "ben", "name": "lobby-ben"})


async def test_a_page_that_is_gone_has_left(autojump_clock: MockClock) -> None:
    async with room_cluster("a", "b") as cluster:
        ann, ben = await joined(cluster, "ann", "ben")
        await ben.socket.aclose(1000)
        await soon()
        assert await ann.heard() == [("LEFT", "ben")]
        assert cluster.nodes[1].rooms.get(LOBBY) is None


async def test_one_login_is_in_a_room_once_whichever_nodes_it_comes_from(autojump_clock: MockClock) -> None:
    async with room_cluster("a", "b") as cluster:
        ann, ben = await joined(cluster, "ann", "ben")
        again = await cluster.nodes[0].page("ben")
        assert await again.join() is None
        assert await again.heard() == [("STATE", ["ann"])]
        assert await ann.heard() == [("LEFT", "ben"), ("JOINED", "ben")]
        assert await ben.say("ann", "hello") == "Joined by another session with the same login"


async def test_the_node_of_a_room_counts_its_members_for_all(autojump_clock: MockClock) -> None:
    async with room_cluster("a", "b", rooms_max_members=2) as cluster:
        await joined(cluster, "ann", "ben")
        cem = await cluster.nodes[1].page("cem")
        assert await cem.join() == "Room is full"
        assert await cem.say("ann", "hello") == "Room is not joined"


async def test_leaving_and_joining_at_once_keeps_its_order(autojump_clock: MockClock) -> None:
    async with room_cluster("a", "b") as cluster:
        ann, ben = await joined(cluster, "ann", "ben")
        commands = ("leave", "join", "leave", "join")
        asked = [ben.send(command, {"name": "lobby"}) for command in commands]
        assert [await ben.answer(operation) for operation in asked] == [None] * 4
        assert await ben.heard() == [("STATE", ["ann"])] * 2
        assert await ann.heard() == [("LEFT", "ben"), ("JOINED", "ben")] * 2


# -- operators ---------------------------------------------------------------------------------------------------------


async def test_an_operator_finds_and_ends_rooms_from_any_node(autojump_clock: MockClock) -> None:
    async with room_cluster("a", "b") as cluster:
        ann, ben = await joined(cluster, "ann", "ben")
        for node in cluster.nodes:
            found = await node.control.find(RoomFilter(name="lobby"), ALL)
            assert [member.login for room in found.items for member in room.members] == ["ann", "ben"]
            assert found.coverage is not None
            assert found.coverage.shown == "2/2"
        assert (await cluster.nodes[1].control.post(RoomFilter(name="lobby"), "news", sender=None)).sent == 2
        assert await ben.heard() == [("DATA", "news")]
        with pytest.raises(NoSuchMember):
            await cluster.nodes[1].control.kick(RoomFilter(name="lobby"), "cem", seconds=0)
        with pytest.raises(NoSuchRoom):
            await cluster.nodes[1].control.kick(RoomFilter(name="other"), "ben", seconds=0)
        ben.publish("lobby-ben", "p1")
        await ben.until("p1", "PUBLISHING")
        await cluster.nodes[1].control.kick(RoomFilter(name="lobby"), "ben", seconds=60)
        assert (await ben.until("p1", "FAILED"))["info"] == "Stopped by rest /terminate"
        assert await ben.join() == "Kicked from room"
        assert (await ann.heard())[-1] == ("LEFT", "ben")
        assert await cluster.nodes[1].control.terminate(RoomFilter(name="lobby")) == 1
        assert await ann.say("ben", "hello") == "Room is terminated"
        assert await ann.join() is None


# -- when nodes end ----------------------------------------------------------------------------------------------------


async def test_a_room_outlives_its_node(autojump_clock: MockClock) -> None:
    async with room_cluster("a", "b", "c") as cluster:
        _, ben, cem, _ = await joined(cluster, "ann", "ben", "cem", "dan")
        ben.publish("lobby-ben", "p1")
        await ben.until("p1", "PUBLISHING")
        await cem.heard()
        cluster.nodes[0].kill()
        await trio.sleep(SETTLED)
        assert cluster.host() is not cluster.nodes[0]
        assert sorted(await ben.heard()) == [("LEFT", "ann"), ("LEFT", "dan")]
        assert sorted(await cem.heard()) == [("LEFT", "ann"), ("LEFT", "dan")]
        assert await ben.say("cem", "still here") is None
        assert await cem.heard() == [("MESSAGE", {"from": "ben", "text": "still here"})]
        eve = await cluster.nodes[2].page("eve")
        assert await eve.join() is None
        ((name, state),) = await eve.heard()
        assert name == "STATE"
        assert {str(entry) for entry in state} == {"cem", str({"login": "ben", "name": "lobby-ben"})}


async def test_a_room_moves_when_its_server_ends_in_order(autojump_clock: MockClock) -> None:
    async with room_cluster("a", "b") as cluster:
        _, ben = await joined(cluster, "ann", "ben")
        cluster.nodes[0].rig.supervisor.close(SHUTDOWN)
        await soon()
        assert cluster.host() is cluster.nodes[1]
        assert await ben.heard() == [("LEFT", "ann")]
        cem = await cluster.nodes[1].page("cem")
        assert await cem.join() is None
        assert await ben.heard() == [("JOINED", "cem")]


async def test_members_of_a_node_that_ends_leave_at_once(autojump_clock: MockClock) -> None:
    async with room_cluster("a", "b") as cluster:
        ann, _ = await joined(cluster, "ann", "ben")
        b = cluster.nodes[1]
        b.rig.supervisor.close(SHUTDOWN)
        await b.rooms.finish(60)
        assert b.rooms.statistics()["cluster_rooms_joined"] == 0
        assert await ann.heard() == [("LEFT", "ben")]


async def test_members_of_a_dead_node_leave(autojump_clock: MockClock) -> None:
    async with room_cluster("a", "b") as cluster:
        ann, _ = await joined(cluster, "ann", "ben")
        cluster.nodes[1].kill()
        await trio.sleep(SETTLED)
        assert await ann.heard() == [("LEFT", "ben")]


async def test_what_was_missed_in_a_partition_is_told_after_it(autojump_clock: MockClock) -> None:
    async with room_cluster("a", "b") as cluster:
        ann, ben, cem = await joined(cluster, "ann", "ben", "cem")
        ann.publish("lobby-ann", "p1")
        await ann.until("p1", "PUBLISHING")
        await ben.heard()
        cluster.redis.cut("b")
        await trio.sleep(SETTLED)
        assert await ann.heard() == [("LEFT", "ben")]
        await cem.leave()
        ann.publish("lobby-more", "p2")
        await ann.until("p2", "PUBLISHING")
        ann.socket.send("unPublishStream", {"mediaSessionId": "p1"})
        await ann.until("p1", "UNPUBLISHED")
        await ann.heard()
        ben.publish("lobby-ben", "p3")
        await ben.until("p3", "PUBLISHING")
        assert await ben.heard() == []
        cluster.redis.heal("b")
        await trio.sleep(SETTLED)
        assert await ben.heard() == [
            ("LEFT", "cem"),
            ("UNPUBLISHED", {"login": "ann", "name": "lobby-ann"}),
            ("PUBLISHED", {"login": "ann", "name": "lobby-more"}),
        ]
        assert await ann.heard() == [("JOINED", "ben"), ("PUBLISHED", {"login": "ben", "name": "lobby-ben"})]


async def test_streams_that_come_and_go_while_nothing_can_be_sent_leave_nothing_behind(
    autojump_clock: MockClock,
) -> None:
    async with room_cluster("a") as cluster:
        line = WordsLine(LOBBY, cluster.nodes[0].cluster.rooms)
        line.say(StreamEnded(seat="ben", media_session_id="sent before", failed=False))
        line.say(StreamEnded(seat="ann", media_session_id="0", failed=False))
        for number in range(1000):
            stream = RoomStream(media_session_id=str(number), name="lobby-ben", since=number)
            line.say(StreamBegun(seat="ben", stream=stream))
            line.say(StreamEnded(seat="ben", media_session_id=str(number), failed=False))
        line.say(StreamBegun(seat="ben", stream=stream))
        assert [type(word) for word in line.next_batch()] == [StreamEnded, StreamEnded, StreamBegun]


async def test_two_rooms_of_one_name_become_one_when_redis_is_back(autojump_clock: MockClock) -> None:
    async with room_cluster("a", "b") as cluster:
        cluster.redis.go_away()
        await trio.sleep(SETTLED)
        ann, ben = await cluster.nodes[0].page("ann"), await cluster.nodes[1].page("ben")
        assert [await ann.join(), await ben.join()] == [None, None]
        assert [await ann.heard(), await ben.heard()] == [[("STATE", [])]] * 2
        cluster.redis.come_back()
        await trio.sleep(SETTLED)
        assert [await ann.heard(), await ben.heard()] == [[("JOINED", "ben")], [("JOINED", "ann")]]
        assert len(cluster.host().here) == 1


@pytest.mark.parametrize("first", [0, 1])
async def test_nobody_notices_that_redis_has_lost_its_data(autojump_clock: MockClock, first: int) -> None:
    async with room_cluster("a", "b") as cluster:
        ann, ben = await joined(cluster, "ann", "ben")
        cluster.redis.wipe()
        cluster.nodes[first].cluster.membership.renew()  # the room's node, or the one of its member, sees it first
        await trio.sleep(SETTLED)
        assert [await ann.heard(), await ben.heard()] == [[], []]
        assert await ben.say("ann", "hello") is None


async def test_a_command_that_cannot_reach_the_room_is_refused_in_time(autojump_clock: MockClock) -> None:
    async with room_cluster("a", "b") as cluster:
        ann, ben = await joined(cluster, "ann", "ben")
        cluster.redis.go_away()
        late = await cluster.nodes[1].page("cem")
        said, joins = ben.send("sendMessage", {"roomConfig": {"name": "lobby"}, "to": "ann", "text": "x"}), late.join()
        assert await ben.answer(said) == "Room is unreachable"
        assert await joins == "Room is unreachable"
        assert await ben.leave() is None
        cluster.redis.come_back()
        await trio.sleep(SETTLED)
        assert await ann.heard() == [("LEFT", "ben")]
        assert await late.join() is None


async def test_what_is_asked_after_a_leave_that_cannot_reach_the_room_is_refused_with_it(
    autojump_clock: MockClock,
) -> None:
    async with room_cluster("a", "b") as cluster:
        ann, ben = await joined(cluster, "ann", "ben")
        cluster.redis.go_away()
        asked = [ben.send("leave", {"name": "lobby"}), ben.send("join", {"name": "lobby"})]
        assert [await ben.answer(each) for each in asked] == [None, "Room is unreachable"]
        assert await ben.say("ann", "hello") == "Room is not joined"
        cluster.redis.come_back()
        await trio.sleep(SETTLED)
        assert await ann.heard() == [("LEFT", "ben")]
        assert await ben.join() is None


async def test_without_redis_a_room_is_refused_if_the_setting_says_so(autojump_clock: MockClock) -> None:
    async with room_cluster("a", cluster_registry_down=RegistryDown.REFUSE) as cluster:
        cluster.redis.go_away()
        await trio.sleep(SETTLED)
        ann = await cluster.nodes[0].page("ann")
        assert await ann.join() == "Cluster is unreachable"
        cluster.redis.come_back()
        await trio.sleep(SETTLED)
        assert await ann.join() is None


# -- messages that are lost --------------------------------------------------------------------------------------------


async def test_lost_messages_are_repeated_and_carried_out_once(autojump_clock: MockClock) -> None:
    async with room_cluster("a", "b") as cluster:
        ann, ben = await joined(cluster, "ann", "ben")
        cluster.redis.loss = 0.1  # each way, so one of the nine tries arrives after which a room is unreachable
        said = 0
        while not said or not cluster.nodes[1].cluster.asking.repeated:
            asked = [ben.send("sendMessage", message(to="ann", text=said + number)) for number in range(20)]
            for operation in asked:
                assert await ben.answer(operation) is None
            said += len(asked)
        ben.publish("lobby-ben", "p1")
        await ben.until("p1", "PUBLISHING")
        await trio.sleep(SETTLED)
        heard = await ann.heard()
        assert [info["text"] for name, info in heard if name == "MESSAGE"] == list(range(said))
        assert heard[-1] == ("PUBLISHED", {"login": "ben", "name": "lobby-ben"})


def message(*, to: str, text: Any) -> dict[str, Any]:
    return {"roomConfig": {"name": "lobby"}, "to": to, "text": text}


async def test_data_is_passed_on_once_by_each_node_however_often_it_is_asked(autojump_clock: MockClock) -> None:
    async with room_cluster("a", "b", "c", cluster_answer_timeout=300, keep_alive_probes=1000) as cluster:
        pages = await joined(cluster, "ann", "ben", "cem")
        cluster.redis.loss = 0.5
        for number in range(10):
            report = await cluster.nodes[0].cluster.data.broadcast(ClientData(number), ConnectionFilter(), None)
            assert (report.sent, report.coverage is not None and report.coverage.is_complete) == (3, True)
        for page in pages:
            heard: list[Any] = await page.payloads()
            assert heard == list(range(10))
        assert cluster.nodes[0].cluster.asking.repeated > 0


async def test_a_node_that_is_too_far_behind_gets_a_list_in_place_of_events(autojump_clock: MockClock) -> None:
    async with room_cluster("a", "b") as cluster:
        ann, ben, _ = await joined(cluster, "ann", "ben", "cem")
        cluster.redis.loss = 1.0
        for number in range(MOST_WAITING + 10):
            await cluster.nodes[0].control.here.post(RoomFilter(), number, sender=None)
        ann.publish("lobby-ann", "p1")
        await ann.until("p1", "PUBLISHING")
        cluster.redis.loss = 0.0
        await soon()
        heard = await ben.heard()
        data = [info for name, info in heard if name == "DATA"]
        assert data == list(range(len(data)))
        assert MOST_WAITING <= len(data) < MOST_WAITING + 10
        assert heard[-1] == ("PUBLISHED", {"login": "ann", "name": "lobby-ann"})
        counters = cluster.nodes[0].rooms.statistics()
        assert counters["cluster_room_events_dropped"] > 0
        assert counters["cluster_room_gaps"] == 1
        assert await ben.say("ann", "hello") is None
