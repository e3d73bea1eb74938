"""Rooms through whole sessions: who hears what, media in rooms, and every way out of a room."""

from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors.media.events import Failed
from actors.runtime.actor import StopReason
from protocol.node.filters import RoomFilter, StreamFilter
from protocol.stream.info_texts import StreamInfo
from tests.support.session.room_pages import in_room, room_page, room_rig
from tests.support.session.signaling_rig import SignalingRig, stream_request

LOBBY = RoomFilter(name="lobby")
NOT_JOINED = "Room is not joined"
LOST = StopReason(cause="test")


async def gone(rig: SignalingRig) -> bool:
    """Whether no room is left, neither by name nor as a task."""
    await trio.testing.wait_all_tasks_blocked()
    return len(rig.rooms) == 0 and not rig.supervisor._others


# -- joining, talking and leaving --------------------------------------------------------------------------------------


async def test_a_room_is_made_by_the_first_join_and_goes_with_the_last_leave(autojump_clock: MockClock) -> None:
    async with room_rig() as rig:
        ann, ben = await room_page(rig, "ann"), await room_page(rig, "ben")
        assert await ann.join() is None
        assert await ann.heard() == [("STATE", [])]
        assert await ben.join() is None
        assert await ben.heard() == [("STATE", ["ann"])]
        assert await ann.heard() == [("JOINED", "ben")]
        assert await ann.leave() is None
        assert await ben.heard() == [("LEFT", "ann")]
        assert len(rig.rooms) == 1
        assert await ben.leave() is None
        assert await gone(rig)


async def test_a_message_reaches_its_addressee_under_the_room_s_name(autojump_clock: MockClock) -> None:
    async with room_rig() as rig:
        ann, ben, cem = await in_room(rig, "ann", "ben", "cem")
        assert await ann.say("cem", "hello") is None
        assert await cem.payloads() == [
            {"roomName": "lobby", "name": "MESSAGE", "info": {"from": "ann", "text": "hello"}}
        ]
        assert await ben.heard() == []
        assert await ann.say("dan", "hello") == "Participant is not in the room"
        assert await ann.say("ben", "hello", room="other") == NOT_JOINED


async def test_several_rooms_in_one_session_do_not_mix(autojump_clock: MockClock) -> None:
    async with room_rig() as rig:
        ann, ben = await in_room(rig, "ann", "ben")
        assert await ann.join("kitchen") is None
        assert await ben.heard() == []
        assert await ben.join("kitchen") is None
        await ann.heard()
        assert await ben.say("ann", "tea?", room="kitchen") is None
        assert [payload["roomName"] for payload in await ann.payloads()] == ["kitchen"]
        assert await ben.leave("kitchen") is None
        assert await ann.payloads() == [{"roomName": "kitchen", "name": "LEFT", "info": "ben"}]
        assert await ann.say("ben", "still here?") is None


async def test_commands_that_cannot_be_done_are_failed_with_a_reason(autojump_clock: MockClock) -> None:
    async with room_rig() as rig:
        page = await room_page(rig, "ann")
        assert await page.leave() == NOT_JOINED
        assert await page.ask("join", {"name": "a\nb"}) == "The room name must not hold control characters"
        assert await page.ask("dance", {}) == "Unknown room command: join, leave and sendMessage are known"
        assert await gone(rig)


@pytest.mark.parametrize(("login", "info"), [(None, "The login is missing"), ("a\tb", "The login must not hold")])
async def test_a_login_that_is_none_may_not_join(autojump_clock: MockClock, login: Any, info: str) -> None:
    async with room_rig() as rig:
        page = await room_page(rig, login)
        refusal = await page.join()
        assert refusal is not None
        assert refusal.startswith(info)


async def test_data_without_a_command_is_the_page_s_own(autojump_clock: MockClock) -> None:
    async with room_rig() as rig:
        page = await room_page(rig, "ann")
        page.socket.send("sendData", {"operationId": "o", "payload": {"text": "anything"}})
        assert await page.answer("o") is None


# -- applications without rooms ----------------------------------------------------------------------------------------


async def test_elsewhere_commands_and_names_are_the_page_s_own(autojump_clock: MockClock) -> None:
    async with room_rig() as rig:
        socket, _ = await rig.connect(custom={"login": "ann"})
        socket.send("sendData", {"operationId": "o", "payload": {"command": "join", "options": {"name": "lobby"}}})
        assert (await socket.receive("DataStatusEvent"))["status"] == "ACCEPTED"
        socket.send("publishStream", stream_request("cam", "p", published=True, custom={"name": "lobby"}))
        await socket.receive("notifyStreamStatusEvent", mediaSessionId="p", status="PUBLISHING")
        assert len(rig.rooms) == 0
        (stream,) = (await rig.supervisor.find(StreamFilter())).items
        assert stream.room_name is None


# -- media -------------------------------------------------------------------------------------------------------------


async def test_streams_are_announced_when_they_can_be_played_and_withdrawn_when_they_end(
    autojump_clock: MockClock,
) -> None:
    async with room_rig() as rig:
        ann, ben = await in_room(rig, "ann", "ben")
        ann.publish("lobby-ann-1", "p1")
        await ann.until("p1", "PUBLISHING")
        assert await ben.heard() == [("PUBLISHED", {"login": "ann", "name": "lobby-ann-1"})]
        assert await ann.heard() == []
        ben.play("lobby-ann-1", "v1")
        await ben.until("v1", "PLAYING")
        ann.publish("lobby-ann-2-screen", "p2")
        await ann.until("p2", "PUBLISHING")
        assert await ben.heard() == [("PUBLISHED", {"login": "ann", "name": "lobby-ann-2-screen"})]
        (cem,) = await in_room(rig, "cem")
        ann.socket.send("unPublishStream", {"mediaSessionId": "p1"})
        await ann.until("p1", "UNPUBLISHED")
        assert await cem.heard() == [("UNPUBLISHED", {"login": "ann", "name": "lobby-ann-1"})]
        rig.plane.publications[-1].post(Failed(info=StreamInfo.FAILED_BY_RTP_ACTIVITY))
        await ann.until("p2", "FAILED")
        assert await cem.heard() == [("FAILED", {"login": "ann", "name": "lobby-ann-2-screen"})]


async def test_one_who_joins_late_gets_the_streams_in_the_state(autojump_clock: MockClock) -> None:
    async with room_rig() as rig:
        (ann,) = await in_room(rig, "ann")
        ann.publish("camera", "p1")
        await ann.until("p1", "PUBLISHING")
        ann.publish("screen", "p2")
        await ann.until("p2", "PUBLISHING")
        ben = await room_page(rig, "ben")
        assert await ben.join() is None
        state = [{"login": "ann", "name": "camera"}, {"login": "ann", "name": "screen"}]
        assert await ben.heard() == [("STATE", state)]


@pytest.mark.parametrize("way", ["publish", "play"])
async def test_a_stream_in_a_room_that_is_not_joined_fails(autojump_clock: MockClock, way: str) -> None:
    async with room_rig() as rig:
        (page,) = await in_room(rig, "ann")
        getattr(page, way)("cam", "m1", room="other")
        failed = await page.until("m1", "FAILED")
        assert failed["info"] == NOT_JOINED
        await page.leave()
        getattr(page, way)("cam", "m2")
        assert (await page.until("m2", "FAILED"))["info"] == NOT_JOINED


async def test_a_publication_that_is_not_live_yet_fails_with_the_leave_and_is_announced_to_nobody(
    autojump_clock: MockClock,
) -> None:
    async with room_rig(auto=False) as rig:
        ann, ben = await in_room(rig, "ann", "ben")
        ann.publish("cam", "p1")
        await ann.socket.receive("setRemoteSDP")
        assert await ann.leave() is None
        assert (await ann.until("p1", "FAILED"))["info"] == NOT_JOINED
        assert await ben.heard() == [("LEFT", "ann")]


async def test_live_streams_outlive_a_leave_and_are_mentioned_to_nobody(autojump_clock: MockClock) -> None:
    async with room_rig() as rig:
        ann, ben = await in_room(rig, "ann", "ben")
        ann.publish("cam", "p1")
        await ann.until("p1", "PUBLISHING")
        assert await ann.leave() is None
        ann.socket.send("unPublishStream", {"mediaSessionId": "p1"})
        await ann.until("p1", "UNPUBLISHED")
        assert await ben.heard() == [("PUBLISHED", {"login": "ann", "name": "cam"}), ("LEFT", "ann")]


async def test_streams_are_found_and_stopped_by_their_room(autojump_clock: MockClock) -> None:
    async with room_rig() as rig:
        ann, ben = await in_room(rig, "ann", "ben")
        ann.publish("cam", "p1")
        await ann.until("p1", "PUBLISHING")
        ben.play("cam", "v1")
        await ben.until("v1", "PLAYING")
        await rig.publish(ben.socket, "own", "p2")
        found = await rig.supervisor.find(StreamFilter(room_name="lobby"))
        assert {stream.media_session_id for stream in found.items} == {"p1", "v1"}
        rig.supervisor.terminate(StreamFilter(room_name="lobby"), LOST)
        await ann.until("p1", "FAILED")
        assert await ben.heard() == [
            ("PUBLISHED", {"login": "ann", "name": "cam"}),
            ("FAILED", {"login": "ann", "name": "cam"}),
        ]


# -- losses ------------------------------------------------------------------------------------------------------------


async def test_a_lost_session_has_left_at_once_and_nothing_else_is_said_of_it(autojump_clock: MockClock) -> None:
    async with room_rig() as rig:
        ann, ben = await in_room(rig, "ann", "ben")
        ann.publish("cam", "p1")
        await ann.until("p1", "PUBLISHING")
        await ben.heard()
        before = trio.current_time()
        ann.socket.disconnect()
        await ann.session.stopped.wait()
        assert await ben.heard() == [("LEFT", "ann")]
        assert trio.current_time() == before


async def test_a_session_that_says_nothing_more_has_left_within_the_ping_limit(autojump_clock: MockClock) -> None:
    async with room_rig(keep_alive_server_interval=5, keep_alive_probes=3) as rig:
        ann, _ = await in_room(rig, "ann", "ben")
        heard: list[Any] = []
        for _ in range(3 * 5 + 6):
            await trio.sleep(1)
            ann.socket.send("pong", None)
            heard += await ann.heard()
        assert heard == [("LEFT", "ben")]


async def test_a_reload_displaces_the_old_page(autojump_clock: MockClock) -> None:
    async with room_rig() as rig:
        ann, old = await in_room(rig, "ann", "ben")
        old.publish("cam", "p1")
        await old.until("p1", "PUBLISHING")
        ann.play("cam", "v1")
        await ann.until("v1", "PLAYING")
        await ann.heard()
        new = await room_page(rig, "ben")
        assert await new.join() is None
        assert await new.heard() == [("STATE", ["ann"])]
        assert await ann.heard() == [("LEFT", "ben"), ("JOINED", "ben")]
        displaced = "Joined by another session with the same login"
        assert (await old.until("p1", "FAILED"))["info"] == displaced
        assert await old.say("ann", "hello") == displaced
        old.socket.disconnect()
        await old.session.stopped.wait()
        assert await ann.heard() == [], "the old page's end says nothing of the new one"
        assert await new.say("ann", "hello") is None


async def test_a_join_that_comes_with_the_last_leave_finds_a_room(autojump_clock: MockClock) -> None:
    async with room_rig() as rig:
        (ann,) = await in_room(rig, "ann")
        ben = await room_page(rig, "ben")
        leave, join = ann.send("leave", {"name": "lobby"}), ben.send("join", {"name": "lobby"})
        assert (await ann.answer(leave), await ben.answer(join)) == (None, None)
        again = [ann.send(command, {"name": "lobby"}) for command in ("join", "leave", "join")]
        assert [await ann.answer(operation) for operation in again] == [None, None, None]
        assert [name for name, _ in await ben.heard() if name != "STATE"][-3:] == ["JOINED", "LEFT", "JOINED"]
        assert len(rig.rooms) == 1


async def test_a_session_that_ends_while_it_joins_leaves_nothing(autojump_clock: MockClock) -> None:
    async with room_rig() as rig:
        page = await room_page(rig, "ann")
        page.send("join", {"name": "lobby"})
        page.socket.disconnect()
        await page.session.stopped.wait()
        assert await gone(rig)


@pytest.mark.parametrize("app_key", ["roomApp", "ownApp"])
async def test_a_session_that_is_stopped_at_any_moment_of_a_join_leaves_nothing(
    autojump_clock: MockClock, app_key: str
) -> None:
    async with room_rig() as rig:
        for passes in range(12):
            page = await room_page(rig, "ann", app_key)
            page.send("join", {"name": "lobby"})
            for _ in range(passes):
                await trio.lowlevel.checkpoint()
            page.session.stop(LOST)
            assert await gone(rig), f"after {passes} passes"


# -- operators ---------------------------------------------------------------------------------------------------------


async def test_a_kicked_member_is_out_and_stays_out_for_a_while(autojump_clock: MockClock) -> None:
    async with room_rig(keep_alive_probes=1000) as rig:
        ann, ben = await in_room(rig, "ann", "ben")
        ann.publish("cam", "p1")
        await ann.until("p1", "PUBLISHING")
        ben.publish("his", "p2")
        await ben.until("p2", "PUBLISHING")
        ben.play("cam", "v2")
        await ben.until("v2", "PLAYING")
        await rig.publish(ben.socket, "elsewhere", "p3")
        await ann.heard()
        await rig.rooms.kick(LOBBY, "ben", seconds=60)
        for media_session_id in ("p2", "v2"):
            assert (await ben.until(media_session_id, "FAILED"))["info"] == "Stopped by rest /terminate"
        assert await ann.heard() == [("LEFT", "ben")]
        assert len(await live(rig)) == 2, "what he does elsewhere goes on"
        assert await ben.say("ann", "why?") == "Kicked from room"
        assert await ben.join() == "Kicked from room"
        again = await room_page(rig, "ben")
        assert await again.join() == "Kicked from room"
        assert await again.join("other") is None
        await trio.sleep(60)
        assert await ben.join() is None


async def test_a_room_that_is_terminated_empties_and_its_name_is_free(autojump_clock: MockClock) -> None:
    async with room_rig() as rig:
        ann, ben = await in_room(rig, "ann", "ben")
        ann.publish("cam", "p1")
        await ann.until("p1", "PUBLISHING")
        await ben.heard()
        assert await rig.rooms.terminate(LOBBY) == 2
        assert len(rig.rooms) == 0
        assert (await ann.until("p1", "FAILED"))["info"] == "Stopped by rest /terminate"
        assert await ben.heard() == await ann.heard() == [], "as one who is kicked, nobody hears LEFT of others"
        assert await ben.say("ann", "hello?") == "Room is terminated"
        assert await ben.join() is None
        assert await gone(rig) is False


async def test_an_operator_tells_all_members(autojump_clock: MockClock) -> None:
    async with room_rig() as rig:
        ann, ben = await in_room(rig, "ann", "ben")
        await rig.rooms.post(LOBBY, "hello", sender="ann")
        await rig.rooms.post(LOBBY, {"slide": 3}, sender=None)
        assert await ben.heard() == [("MESSAGE", {"from": "ann", "text": "hello"}), ("DATA", {"slide": 3})]
        assert await ann.heard() == [("DATA", {"slide": 3})]


# -- crashes and shutdown ----------------------------------------------------------------------------------------------


async def test_a_room_that_crashes_takes_no_other_with_it(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with room_rig() as rig:
        ann, ben = await in_room(rig, "ann", "ben")
        cem = await room_page(rig, "cem")
        assert await cem.join("kitchen") is None
        ann.publish("cam", "p1")
        await ann.until("p1", "PUBLISHING")
        room = rig.rooms.get(("roomApp", "lobby"))
        assert room is not None

        def fail(now: float) -> None:
            raise ZeroDivisionError("a fault of ours")

        monkeypatch.setattr(room._state, "step", fail)
        assert await ben.say("ann", "hello") == "Failed by error"
        assert (await ann.until("p1", "FAILED"))["info"] == "Failed by error"
        assert await ben.say("ann", "hello") == "Failed by error"
        monkeypatch.undo()
        assert await ben.join() is None
        assert await cem.leave("kitchen") is None


@pytest.mark.parametrize("members", [20, 40])
async def test_at_shutdown_nobody_is_told_of_everybody(autojump_clock: MockClock, members: int) -> None:
    async with room_rig() as rig:
        await in_room(rig, *(f"m{number}" for number in range(members)))
        before = rig.rooms.services.counters.events
        rig.supervisor.close(LOST)
        assert await gone(rig)
        assert rig.rooms.services.counters.events - before == 0


async def live(rig: SignalingRig) -> list[str]:
    """The live streams."""
    return [stream.media_session_id for stream in rig.live_streams()]
