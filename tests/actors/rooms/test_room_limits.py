"""What rooms refuse, how large they may be, and what their backend decides."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors.node import termination
from actors.node.ports.room import NoSuchMember, NoSuchRoom
from actors.rooms import RoomDirectory, RoomMember
from actors.session.requests.rooms import MAX_ROOMS
from actors.stream.fan_out import SLICE
from protocol.access.kicks import Kick
from protocol.node.filters import RoomFilter
from protocol.rooms.events import RoomEvent
from protocol.rooms.info_texts import RoomRefused
from protocol.rooms.requests import JoinRequest
from tests.support.session.room_pages import RoomPage, in_room, room_page, room_rig
from tests.support.session.signaling_rig import SignalingRig

LOBBY = RoomFilter(name="lobby")


class Listener:
    """A client of a room that notes what it hears."""

    def __init__(self, number: int, heard: list[tuple[int, RoomEvent]]) -> None:
        self.number = number
        self.heard = heard
        self.member: RoomMember

    def room_event(self, member: RoomMember, event: RoomEvent) -> None:
        self.heard.append((self.number, event))

    def room_left(self, member: RoomMember) -> None:
        """Not of interest."""

    def room_seat_taken(self, member: RoomMember, info: str | None, kick: Kick | None) -> None:
        """Not of interest."""

    def room_streams(self, member: RoomMember) -> tuple[()]:
        return ()

    def room_refuses_stream(self, member: RoomMember, media_session_id: str, info: str) -> None:
        """Not of interest."""

    def enter(self, rooms: RoomDirectory, room: str = "hall", address: str = "") -> None:
        login = f"m{self.number}"
        self.member = rooms.enter(("roomApp", room), self, login=login, session_id=login, address=address, called=room)
        self.member.submit(JoinRequest(at=0, operation=lambda info: None))


# -- limits ------------------------------------------------------------------------------------------------------------


async def test_a_full_room_refuses_but_a_reload_gets_in(autojump_clock: MockClock) -> None:
    async with room_rig(rooms_max_members=2) as rig:
        await in_room(rig, "ann", "ben")
        cem, ben = await room_page(rig, "cem"), await room_page(rig, "ben")
        assert await cem.join() == "Room is full"
        assert await ben.join() is None


async def test_rooms_are_limited_and_one_address_gets_a_quarter_of_them(autojump_clock: MockClock) -> None:
    async with room_rig(rooms_max_rooms=8) as rig:
        page = await room_page(rig, "ann")
        for number in range(2):
            assert await page.join(f"room{number}") is None
        assert await page.join("room2") == "Too many rooms"
        assert await page.leave("room0") is None
        assert await page.join("room2") is None
        for number, address in enumerate(["a", "a", "b", "b", "c", "c"]):
            Listener(number, []).enter(rig.rooms, f"hall{number}", address)
        with pytest.raises(RoomRefused, match="Too many rooms"):
            Listener(9, []).enter(rig.rooms, "one more", "d")
        Listener(9, []).enter(rig.rooms, "hall1", "d")


async def test_one_session_may_be_in_so_many_rooms(autojump_clock: MockClock) -> None:
    async with room_rig() as rig:
        page = await room_page(rig, "ann")
        for number in range(MAX_ROOMS):
            assert await page.join(f"room{number}") is None
        assert await page.join("one more") == "Too many rooms are joined"
        await rig.rooms.kick(RoomFilter(name="room0"), "ann", seconds=0)
        assert await page.join("one more") is None, "the place of one that it was put out of is free"


async def test_a_text_may_be_so_long(autojump_clock: MockClock) -> None:
    async with room_rig(rooms_max_message_size=100) as rig:
        ann, _ = await in_room(rig, "ann", "ben")
        assert await ann.say("ben", "x" * 98) is None
        assert await ann.say("ben", "x" * 99) == "Message is too large"


async def test_one_who_comes_and_goes_all_the_time_has_to_wait(autojump_clock: MockClock) -> None:
    async with room_rig(max_stream_event_frames=10) as rig:
        await in_room(rig, *(f"m{number}" for number in range(5)))
        page = await room_page(rig, "ann")
        answers = []
        for _ in range(5):
            answers.append(await page.join())
            await page.leave()
        assert answers[0] is None
        assert answers[-1] == "Too many joins"
        await trio.sleep(10)
        assert await page.join() is None


async def test_one_who_publishes_anew_all_the_time_has_to_wait(autojump_clock: MockClock) -> None:
    async with room_rig(max_stream_event_frames=10) as rig:
        *_, ann = await in_room(rig, *(f"m{number}" for number in range(4)), "ann")
        await trio.sleep(10)
        for number in range(2):
            ann.publish("cam", f"p{number}")
            await ann.until(f"p{number}", "PUBLISHING")
            ann.socket.send("unPublishStream", {"mediaSessionId": f"p{number}"})
            await ann.until(f"p{number}", "UNPUBLISHED")
        await ann.heard()
        ann.publish("cam", "p2")
        await ann.until("p2", "PUBLISHING")
        ann.publish("screen", "p3")
        assert (await ann.until("p3", "FAILED"))["info"] == "Too many publications"
        ann.play("cam", "v")
        await ann.until("v", "PLAYING")
        await trio.sleep(10)
        ann.publish("screen", "p4")
        await ann.until("p4", "PUBLISHING")


async def test_commands_that_wait_are_bounded_for_each_member(autojump_clock: MockClock) -> None:
    async with room_rig() as rig:
        ann, ben = await in_room(rig, "ann", "ben")
        message = {"roomConfig": {"name": "lobby"}, "to": "ben", "text": "x"}
        operations = [ann.send("sendMessage", message) for _ in range(100)]
        answers = [await ann.answer(operation) for operation in operations]
        assert set(answers) <= {None, "Too many commands are waiting"}
        assert await ben.say("ann", "x") is None


# -- many members ------------------------------------------------------------------------------------------------------


async def test_a_hall_of_500_is_told_in_slices_and_others_have_their_turn_in_between(
    autojump_clock: MockClock,
) -> None:
    heard: list[tuple[int, RoomEvent]] = []
    async with room_rig(rooms_max_members=500) as rig:
        listeners = [Listener(number, heard) for number in range(500)]
        for listener in listeners:
            listener.enter(rig.rooms)
            await trio.testing.wait_all_tasks_blocked()
        heard.clear()
        turns: list[int] = []
        listeners[0].member.lost()
        while len(heard) < 499:
            await trio.lowlevel.checkpoint()
            turns.append(len(heard))
        assert max(after - before for before, after in zip([0, *turns], turns, strict=False)) <= 2 * SLICE
        assert len({id(event) for _, event in heard}) == 1, "one event is made for all"
        assert sorted(number for number, _ in heard) == list(range(1, 500))


async def test_members_that_leave_together_are_mentioned_to_those_that_stay(autojump_clock: MockClock) -> None:
    heard: list[tuple[int, RoomEvent]] = []
    async with room_rig(rooms_max_members=500) as rig:
        listeners = [Listener(number, heard) for number in range(100)]
        for listener in listeners:
            listener.enter(rig.rooms)
            await trio.testing.wait_all_tasks_blocked()
        heard.clear()
        for listener in listeners[1:]:
            listener.member.lost()
        await trio.testing.wait_all_tasks_blocked()
        assert len(heard) == 99, "99 events for the one that stays, and none for those that go"


# -- what the backend decides ------------------------------------------------------------------------------------------

Answer = Callable[[str, dict[str, Any]], httpx.Response]


async def page_of(rig: SignalingRig, login: str, **policies: Any) -> RoomPage:
    """A client of the application whose backend is asked, under these policies of `OnDataEvent`."""
    config = {"restClientConfig": {"OnDataEvent": policies}}
    rig.backend.answers["connect"] = lambda _, body: httpx.Response(200, json=body | config)
    return await room_page(rig, login, "ownApp")


def overwriting(change: Callable[[dict[str, Any]], None]) -> Answer:
    def answer(_: str, body: dict[str, Any]) -> httpx.Response:
        change(body["payload"])
        return httpx.Response(200, json=body)

    return answer


async def test_a_backend_that_only_listens_hears_each_command(autojump_clock: MockClock) -> None:
    async with room_rig() as rig:
        page = await page_of(rig, "ann")
        assert await page.join() is None
        assert await page.leave() is None
        payloads = [body["payload"] for body in rig.backend.called("OnDataEvent")]
        assert payloads == [{"command": name, "options": {"name": "lobby"}} for name in ("join", "leave")]


async def test_a_backend_may_deny(autojump_clock: MockClock) -> None:
    async with room_rig() as rig:
        page = await page_of(rig, "ann", restOnError="FAIL")
        rig.backend.answers["OnDataEvent"] = lambda _, __: httpx.Response(403, json={"info": "No more guests"})
        assert await page.join() == "No more guests"
        assert len(rig.rooms) == 0


async def test_a_backend_may_send_a_page_to_another_room_and_the_page_does_not_notice(
    autojump_clock: MockClock,
) -> None:
    async with room_rig() as rig:
        page = await page_of(rig, "ann", restPolicy="OVERWRITE", restOverwrite="payload")

        def rename(payload: dict[str, Any]) -> None:
            payload["options"]["name"] = "tenant7/lobby"

        rig.backend.answers["OnDataEvent"] = overwriting(rename)
        assert await page.join() is None
        other = await room_page(rig, "ben", "ownApp")
        assert await other.join("tenant7/lobby") is None
        assert [payload["roomName"] for payload in await page.payloads()] == ["lobby", "lobby"]
        page.publish("cam", "p1")
        await page.until("p1", "PUBLISHING")
        assert [payload["roomName"] for payload in await other.payloads()] == ["tenant7/lobby"] * 2
        del rig.backend.answers["OnDataEvent"]
        assert await page.say("ben", "hello") is None
        assert await page.join("tenant7/lobby") == "Room is joined already under another name"
        assert await page.leave() is None
        assert await other.heard() == [("MESSAGE", {"from": "ann", "text": "hello"}), ("LEFT", "ann")]


async def test_a_backend_may_rewrite_a_text(autojump_clock: MockClock) -> None:
    async with room_rig() as rig:
        ann = await page_of(rig, "ann", restPolicy="OVERWRITE", restOverwrite="payload")
        ben = await room_page(rig, "ben", "ownApp")
        assert (await ann.join(), await ben.join()) == (None, None)
        await ben.heard()

        def mask(payload: dict[str, Any]) -> None:
            payload["options"]["text"] = "***"

        rig.backend.answers["OnDataEvent"] = overwriting(mask)
        assert await ann.say("ben", "damn") is None
        assert await ben.heard() == [("MESSAGE", {"from": "ann", "text": "***"})]


async def test_the_login_may_be_the_backend_s(autojump_clock: MockClock) -> None:
    async with room_rig() as rig:
        rig.backend.answers["connect"] = lambda _, body: httpx.Response(200, json=body | {"custom": {"login": "boss"}})
        page = await room_page(rig, "ann", "ownApp")
        assert await page.join() is None
        boss = rig.rooms.get(("ownApp", "lobby"))
        assert boss is not None
        assert [member.login for member in boss.describe().members] == ["boss"]


# -- the directory -----------------------------------------------------------------------------------------------------


async def test_operators_are_told_what_is_not_there(autojump_clock: MockClock) -> None:
    async with room_rig() as rig:
        with pytest.raises(NoSuchRoom):
            await rig.rooms.kick(LOBBY, "ann", seconds=1)
        with pytest.raises(NoSuchRoom):
            await rig.rooms.terminate(LOBBY)
        await in_room(rig, "ann")
        with pytest.raises(NoSuchMember):
            await rig.rooms.kick(LOBBY, "ben", seconds=1)
        with pytest.raises(NoSuchMember):
            await rig.rooms.post(LOBBY, "x", sender="ben")


async def test_a_terminated_room_with_many_streams_ends_in_slices_and_nothing_else_happens_in_it(
    autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(termination, "STOPPED_AT_ONCE", 2)
    monkeypatch.setattr(termination, "SLICE_COST", 1)
    async with room_rig() as rig:
        ann, ben = await in_room(rig, "ann", "ben")
        for number in range(4):
            ann.publish(f"cam{number}", f"p{number}")
            await ann.until(f"p{number}", "PUBLISHING")
        await rig.publish(ben.socket, "elsewhere", "p9")
        await ben.heard()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(rig.rooms.terminate, LOBBY)
            nursery.start_soon(ben.say, "ann", "hello?")
        for number in range(4):
            assert (await ann.until(f"p{number}", "FAILED"))["info"] == "Stopped by rest /terminate"
        assert await ben.heard() == await ann.heard() == []
        assert len(rig.rooms) == 0
        assert [stream.media_session_id for stream in rig.live_streams()] == ["p9"]


async def test_the_counters(autojump_clock: MockClock) -> None:
    async with room_rig() as rig:
        ann, _ = await in_room(rig, "ann", "ben")
        await ann.say("ben", "hello")
        await ann.say("cem", "hello")
        assert rig.rooms.statistics() == {
            "rooms": 1,
            "rooms_members": 2,
            "rooms_joins": 2,
            "rooms_messages": 1,
            "rooms_events": 4,
            "rooms_refused": 1,
        }
