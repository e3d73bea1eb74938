"""What REST sees of rooms and does to them: rooms and sessions are real, sockets are in memory."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from actors.node.control import LocalNode
from tests.support.session.room_pages import in_room, room_page, room_rig
from tests.support.session.signaling_rig import SignalingRig
from tests.support.web.access import access_of, bearer, token
from tests.support.web.openapi import PATH, Described
from tests.support.web.web_rig import client_of, messages_to

FIND, SEND = "/rest-api/room/find", "/rest-api/room/send"
KICK, TERMINATE = "/rest-api/room/kick", "/rest-api/room/terminate"


def rest_of(rig: SignalingRig, **web: Any) -> httpx.AsyncClient:
    """REST's client of the rig's node."""
    node = LocalNode("node1", rig.supervisor, dict)
    return client_of(node, rig.settings, messages=messages_to(rig.supervisor, rooms=rig.rooms), **web)


async def test_a_room_is_shown_with_its_members_and_their_streams(autojump_clock: MockClock) -> None:
    async with room_rig() as rig, rest_of(rig) as rest:
        ann, ben = await in_room(rig, "ann", "ben")
        ann.publish("cam", "p1")
        await ann.until("p1", "PUBLISHING")
        await ben.heard()
        answer = await rest.post(FIND, json={"name": "lobby"})
        assert answer.headers["x-total-count"] == "1"
        (room,) = answer.json()
        stream = {"mediaSessionId": "p1", "name": "cam", "createDate": 1_000_000}
        member = {"login": "ann", "sessionId": ann.session.session_id, "joinDate": 1_000_000, "streams": [stream]}
        assert room["members"][0] == member
        assert {key: room[key] for key in ("nodeId", "appKey", "name", "createDate", "memberCount", "streamCount")} == {
            "nodeId": "node1",
            "appKey": "roomApp",
            "name": "lobby",
            "createDate": 1_000_000,
            "memberCount": 2,
            "streamCount": 1,
        }
        Described((await rest.get(PATH)).json()).check(answer)


async def test_the_page_shows_rooms_and_finds_them_by_their_members(autojump_clock: MockClock) -> None:
    async with room_rig() as rig, rest_of(rig) as rest:
        ann, _ = await in_room(rig, "ann", "ben")
        ann.publish("cam", "p1")
        await ann.until("p1", "PUBLISHING")
        await (await room_page(rig, "cem")).join("kitchen")

        async def shown(**query: Any) -> dict[str, Any]:
            await trio.sleep(2)  # until what others were shown is too old
            state: dict[str, Any] = (await rest.get("/page/state", params=query)).json()
            return state

        state = await shown()
        assert state["totals"]["rooms"] == state["matching"]["rooms"] == 2
        lobby = {"name": "lobby", "appKey": "roomApp", "memberCount": 2, "members": ["ann", "ben"], "streams": 1}
        assert state["rooms"][0] | lobby == state["rooms"][0]
        for text, names in {"BEN": ["lobby"], "kit": ["kitchen"], "roomapp": ["lobby", "kitchen"], "dan": []}.items():
            state = await shown(find=text)
            assert [room["name"] for room in state["rooms"]] == names
            assert (state["totals"]["rooms"], state["matching"]["rooms"]) == (2, len(names))


async def test_rooms_are_listed_by_application_and_page(autojump_clock: MockClock) -> None:
    async with room_rig() as rig, rest_of(rig) as rest:
        assert (await rest.get("/rest-api/room/find_all")).status_code == 404
        page = await room_page(rig, "ann")
        for name in ("a", "b", "c"):
            await page.join(name)
        other = await room_page(rig, "ben", "ownApp")
        await other.join("a")

        async def names(**given: Any) -> list[tuple[str, str]]:
            answer = await rest.post("/rest-api/room/find_all", json=given)
            return [(room["appKey"], room["name"]) for room in answer.json()]

        assert await names() == [("roomApp", "a"), ("roomApp", "b"), ("roomApp", "c"), ("ownApp", "a")]
        assert await names(name="a") == [("roomApp", "a"), ("ownApp", "a")]
        assert await names(appKey="ownApp", name="a") == [("ownApp", "a")]
        assert await names(offset=1, limit=1) == [("roomApp", "b")]


async def test_other_tasks_get_a_turn_after_each_room_of_a_list(autojump_clock: MockClock) -> None:
    async with room_rig() as rig, rest_of(rig) as rest:
        page = await room_page(rig, "ann")
        for number in range(20):
            await page.join(f"room{number}")
        few, many = [await passes_of(rest, limit=limit) for limit in (1, 20)]
        assert many - few >= 2 * 19, "once while they are found, once while they are written"


async def passes_of(rest: httpx.AsyncClient, **given: int) -> int:
    """How many passes of the event loop a list of rooms takes."""

    class Passes(trio.abc.Instrument):
        count = 0

        def before_io_wait(self, timeout: float) -> None:
            self.count += 1

    passes = Passes()
    trio.lowlevel.add_instrument(passes)
    try:
        assert (await rest.post("/rest-api/room/find_all", json=given)).status_code == 200
    finally:
        trio.lowlevel.remove_instrument(passes)
    return passes.count


async def test_a_message_is_sent_in_a_member_s_name_and_data_in_nobody_s(autojump_clock: MockClock) -> None:
    async with room_rig() as rig, rest_of(rig) as rest:
        ann, ben, cem = await in_room(rig, "ann", "ben", "cem")
        said = await rest.post(SEND, json={"name": "lobby", "from": "ann", "text": "hello"})
        assert (said.status_code, said.content, said.headers["x-sent-count"]) == (200, b"", "2")
        data = await rest.post(SEND, json={"name": "lobby", "payload": {"slide": 3}})
        assert data.headers["x-sent-count"] == "3"
        for page in (ben, cem):
            assert await page.payloads() == [
                {"roomName": "lobby", "name": "MESSAGE", "info": {"from": "ann", "text": "hello"}},
                {"roomName": "lobby", "name": "DATA", "info": {"slide": 3}},
            ]
        assert await ann.heard() == [("DATA", {"slide": 3})]


@pytest.mark.parametrize(
    ("body", "status", "key"),
    [
        ({"name": "lobby"}, 400, "text"),
        ({"name": "lobby", "text": "x"}, 400, "from"),
        ({"name": "lobby", "from": "ann", "payload": 1}, 400, "from"),
        ({"name": "lobby", "from": "ann", "text": "x", "payload": 1}, 400, "text"),
        ({"name": "lobby", "from": "dan", "text": "x"}, 400, "from"),
        ({"from": "ann", "text": "x"}, 400, "name"),
        ({"name": "lobby", "from": "ann", "text": "x" * 20_000}, 413, "text"),
        ({"name": "other", "payload": 1}, 404, None),
    ],
)
async def test_what_cannot_be_sent(
    autojump_clock: MockClock, body: dict[str, Any], status: int, key: str | None
) -> None:
    async with room_rig() as rig, rest_of(rig) as rest:
        (ann,) = await in_room(rig, "ann")
        answer = await rest.post(SEND, json=body)
        assert (answer.status_code, answer.json().get("key")) == (status, key)
        assert await ann.heard() == []


async def test_a_client_that_there_is_no_room_for_is_counted(autojump_clock: MockClock) -> None:
    async with room_rig(max_outbox_total=1024) as rig, rest_of(rig) as rest:
        ann, ben = await in_room(rig, "ann", "ben")
        await ben.heard()
        ben.socket.reads = False
        answer = await rest.post(SEND, json={"name": "lobby", "payload": "x" * 2000})
        assert (answer.headers["x-sent-count"], answer.headers["x-dropped-count"]) == ("1", "1")
        assert len(await ann.heard()) == 1


async def test_a_member_is_kicked_for_a_minute_or_as_long_as_it_says(autojump_clock: MockClock) -> None:
    async with room_rig(keep_alive_probes=1000) as rig, rest_of(rig) as rest:
        ann, ben = await in_room(rig, "ann", "ben")
        answer = await rest.post(KICK, json={"name": "lobby", "login": "ben"})
        assert (answer.status_code, answer.content) == (200, b"")
        assert await ann.heard() == [("LEFT", "ben")]
        await trio.sleep(59)
        assert await ben.join() == "Kicked from room"
        await trio.sleep(1)
        assert await ben.join() is None
        assert (await rest.post(KICK, json={"name": "lobby", "login": "ben", "seconds": 0})).status_code == 200
        assert await ben.join() is None


async def test_member_and_backend_are_told_the_reason_of_a_kick(autojump_clock: MockClock) -> None:
    async with room_rig(keep_alive_probes=1000) as rig, rest_of(rig) as rest:
        ben = await room_page(rig, "ben", "ownApp")
        await ben.join()
        ben.publish("cam", "p1")
        await ben.until("p1", "PUBLISHING")
        answer = await rest.post(f"{KICK}?reason=House%20rules", json={"name": "lobby", "login": "ben"})
        assert (answer.status_code, answer.headers.get("x-banned-count")) == (200, None)
        assert (await ben.until("p1", "FAILED"))["info"] == "House rules"
        assert await ben.say("ann", "hello") == await ben.join() == "House rules"
        told = [call for call in rig.backend.called("StreamStatusEvent") if call["status"] == "FAILED"]
        assert [call["info"] for call in told] == ["House rules"]


async def test_a_ban_on_joining_is_listed_outlives_the_room_and_is_lifted(autojump_clock: MockClock) -> None:
    async with room_rig(keep_alive_probes=1000) as rig, rest_of(rig, bans=rig.bans) as rest:
        ann, ben = await in_room(rig, "ann", "ben")
        ben.publish("cam", "p1")
        await ben.until("p1", "PUBLISHING")
        answer = await rest.post(f"{KICK}?ban=10m&reason=Rude", json={"name": "lobby", "login": "ben"})
        assert (answer.status_code, answer.headers["x-banned-count"]) == (200, "1")
        await ann.leave()
        await trio.sleep(60)
        assert await ben.join() == "Banned for another 540 s: Rude"
        again = await room_page(rig, "ben")
        assert await again.join() == "Banned for another 540 s: Rude"
        assert await again.join("kitchen") is None
        await rig.publish(again.socket, "cam", "p2")  # its name is not banned
        (ban,) = (await rest.post("/rest-api/bans/find_all", json={"action": "join"})).json()
        shown = {"appKey": "roomApp", "name": "lobby", "who": "user:ben", "reason": "Rude"}
        assert ban | shown == ban
        assert (await rest.post("/rest-api/bans/remove", json={"name": "lobby"})).headers["x-lifted-count"] == "1"
        assert await ben.join() is None


async def test_an_address_is_banned_from_a_room(autojump_clock: MockClock) -> None:
    async with room_rig() as rig, rest_of(rig, bans=rig.bans) as rest:
        await in_room(rig, "ann")
        cem = await room_page(rig, "cem")
        await rest.post(f"{KICK}?ban=30s&ban_by=address", json={"name": "lobby", "login": "ann"})
        assert await cem.join() == "Banned for another 30 s"


@pytest.mark.parametrize(
    ("query", "body", "key"),
    [
        ("?ban=10", {}, "ban"),
        ("?ban=10m", {"seconds": 5}, "seconds"),
        ("?ban_by=user", {}, "ban_by"),
        ("?ban=10m&ban_by=name", {}, "ban_by"),
        ("?reason=", {}, "reason"),
        ("?resaon=x", {}, "resaon"),
    ],
)
async def test_a_kick_that_is_not_understood_does_nothing(
    autojump_clock: MockClock, query: str, body: dict[str, Any], key: str
) -> None:
    async with room_rig() as rig, rest_of(rig) as rest:
        ann, _ = await in_room(rig, "ann", "ben")
        answer = await rest.post(KICK + query, json={"name": "lobby", "login": "ben", **body})
        assert (answer.status_code, answer.json()["key"]) == (400, key)
        assert await ann.heard() == []


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "lobby", "login": "dan"}, 404),
        ({"name": "other", "login": "ann"}, 404),
        ({"name": "lobby"}, 400),
        ({"login": "ann"}, 400),
        ({"name": "lobby", "login": "ann", "seconds": -1}, 400),
        ({"name": "lobby", "login": "ann", "seconds": 1e9}, 400),
    ],
)
async def test_who_cannot_be_kicked(autojump_clock: MockClock, body: dict[str, Any], status: int) -> None:
    async with room_rig() as rig, rest_of(rig) as rest:
        (ann,) = await in_room(rig, "ann")
        assert (await rest.post(KICK, json=body)).status_code == status
        assert await ann.join() is None


async def test_a_room_is_terminated(autojump_clock: MockClock) -> None:
    async with room_rig() as rig, rest_of(rig) as rest:
        ann, _ = await in_room(rig, "ann", "ben")
        assert (await rest.post(TERMINATE, json={})).status_code == 400
        answer = await rest.post(TERMINATE, json={"name": "lobby"})
        assert (answer.status_code, answer.headers["x-terminated-count"]) == (200, "2")
        assert await ann.say("ben", "hello") == "Room is terminated"
        assert (await rest.post(TERMINATE, json={"name": "lobby"})).status_code == 404


async def test_streams_are_stopped_by_the_room_s_name(autojump_clock: MockClock) -> None:
    async with room_rig() as rig, rest_of(rig) as rest:
        ann, ben = await in_room(rig, "ann", "ben")
        ann.publish("cam", "p1")
        await ann.until("p1", "PUBLISHING")
        await rig.publish(ben.socket, "own", "p2")
        (shown,) = (await rest.post("/rest-api/stream/find", json={"roomName": "lobby"})).json()
        assert (shown["mediaSessionId"], shown["roomName"]) == ("p1", "lobby")
        answer = await rest.post("/rest-api/stream/terminate", json={"roomName": "lobby"})
        assert answer.headers["x-terminated-count"] == "1"
        assert (await ann.until("p1", "FAILED"))["info"] == "Stopped by rest /terminate"


async def test_a_login_that_is_bound_to_an_application_sees_and_ends_its_rooms_alone(
    autojump_clock: MockClock, tmp_path: Path
) -> None:
    access = access_of(tmp_path / "accounts.toml", token("t", apps=frozenset({"ownApp"})))
    async with room_rig() as rig, rest_of(rig, access=access) as rest:
        rest.headers["Authorization"] = bearer("t")
        ann = await room_page(rig, "ann")
        ben = await room_page(rig, "ben", "ownApp")
        assert (await ann.join(), await ben.join()) == (None, None)
        assert [room["appKey"] for room in (await rest.get(FIND)).json()] == ["ownApp"]
        assert (await rest.post(TERMINATE, json={"name": "lobby", "appKey": "roomApp"})).status_code == 404
        assert (await rest.post(TERMINATE, json={"name": "lobby"})).headers["x-terminated-count"] == "1"
        assert await ann.leave() is None


async def test_sessions_are_found_spoken_to_and_disconnected_by_their_room(autojump_clock: MockClock) -> None:
    async with room_rig() as rig, rest_of(rig) as rest:
        ann, ben = await in_room(rig, "ann", "ben")
        await ben.join("kitchen")
        await ben.heard()
        cem = await room_page(rig, "cem")
        shown = (await rest.post("/rest-api/connection/find", json={"roomName": "lobby"})).json()
        assert [connection["rooms"] for connection in shown] == [["lobby"], ["lobby", "kitchen"]]
        sent = await rest.post("/rest-api/data/broadcast", json={"roomName": "kitchen", "payload": {"tea": True}})
        assert sent.headers["x-sent-count"] == "1"
        assert await ben.payloads() == [{"tea": True}]
        answer = await rest.post("/rest-api/connection/terminate", json={"roomName": "kitchen"})
        assert answer.headers["x-terminated-count"] == "1"
        assert await ann.heard() == [("LEFT", "ben")]
        assert await cem.join() is None
