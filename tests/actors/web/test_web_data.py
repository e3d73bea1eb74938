"""What REST sends to pages, from the request to the page: sessions and streams are real, sockets are in memory."""

from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors.node.control import LocalNode
from actors.node.data_delivery import MAX_UNDER_WAY, SLICE
from actors.stream.fan_out import MAX_WAITING
from protocol.signaling.frame_codec import encode
from protocol.signaling.frames import ServerFrame
from tests.support.session.memory_socket import MemorySocket
from tests.support.session.signaling_rig import SignalingRig, app, signaling_rig
from tests.support.web.access import access_of, bearer, token
from tests.support.web.openapi import PATH, Described
from tests.support.web.web_rig import client_of, messages_to

SEND, BROADCAST, EVENT = "/rest-api/data/send", "/rest-api/data/broadcast", "/rest-api/stream/event/send"


def rest_of(rig: SignalingRig, **web: Any) -> httpx.AsyncClient:
    """REST's client of the rig's node."""
    node = LocalNode("node1", rig.supervisor, dict)
    return client_of(node, rig.settings, messages=messages_to(rig.supervisor), **web)


def payloads(socket: MemorySocket) -> list[Any]:
    """What the page has got of data so far."""
    return [data[0]["payload"] for data in socket.received("OnDataEvent")]


async def caught_up(*sockets: MemorySocket) -> None:
    """Let each page receive everything that was sent to it."""
    for socket in sockets:
        socket.send("ping", None)
        await socket.receive("pong")


# -- send --------------------------------------------------------------------------------------------------------------


async def test_data_reaches_the_sessions_named_in_the_order_of_the_calls(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig, rest_of(rig) as rest:
        (first, one), (second, two), (third, _) = [await rig.connect() for _ in range(3)]
        for number in range(3):
            body = {
                "operationId": f"o{number}",
                "payload": {"n": number},
                "sessionIds": [one.session_id, two.session_id],
            }
            answer = await rest.post(SEND, json=body)
            assert (answer.status_code, answer.content) == (200, b"")
            assert "x-missing-count" not in answer.headers
        await caught_up(first, second, third)
        assert third.received("OnDataEvent") == []
        for socket in (first, second):
            expected = [[{"operationId": f"o{number}", "payload": {"n": number}}] for number in range(3)]
            assert socket.received("OnDataEvent") == expected


async def test_a_confirmation_of_the_page_reaches_the_backend_with_the_same_id(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig, rest_of(rig) as rest:
        socket, session = await rig.connect()
        await rest.post(SEND, json={"operationId": "o7", "payload": 1, "sessionId": session.session_id})
        got = await socket.receive("OnDataEvent")
        socket.send("DataStatusEvent", {"operationId": got["operationId"], "status": "ACCEPTED"})
        await trio.testing.wait_all_tasks_blocked()
        (body,) = rig.backend.called("DataStatusEvent")
        assert (body["operationId"], body["status"]) == ("o7", "ACCEPTED")


async def test_sessions_that_are_missing_are_counted_and_listed_on_demand(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig, rest_of(rig) as rest:
        socket, session = await rig.connect()
        body = {"operationId": "o", "payload": 1, "sessionIds": ["gone", session.session_id, "never"]}
        answer = await rest.post(SEND, json=body)
        assert (answer.status_code, answer.headers["x-missing-count"], answer.content) == (200, "2", b"")
        verbose = await rest.post(f"{SEND}?verbose=true", json=body)
        Described((await rest.get(PATH)).json()).check(verbose)
        assert (verbose.status_code, verbose.headers["x-missing-count"]) == (200, "2")
        assert verbose.json() == ["gone", "never"]
        await caught_up(socket)
        assert payloads(socket) == [1, 1]


async def test_when_no_session_exists_it_is_404(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig, rest_of(rig) as rest:
        answer = await rest.post(SEND, json={"operationId": "o", "payload": 1, "sessionIds": ["a", "b"]})
        assert (answer.status_code, answer.headers["x-missing-count"]) == (404, "2")
        assert (await rest.post(SEND, json={"payload": 1, "sessionIds": []})).status_code == 404


async def test_a_session_that_is_not_established_or_is_ending_does_not_exist(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig, rest_of(rig) as rest:
        rig.backend.gates["connect"] = trio.Event()
        socket, waiting = rig.open()
        socket.send("connection", {"appKey": "defaultApp", "mediaProviders": ["WebRTC"]})
        await trio.testing.wait_all_tasks_blocked()
        body = {"payload": 1, "sessionId": waiting.session_id}
        assert (await rest.post(SEND, json=body)).status_code == 404
        rig.backend.gates["connect"].set()
        await socket.receive("getUserData")
        assert (await rest.post(SEND, json=body)).status_code == 200
        socket.disconnect()
        await waiting.stopped.wait()
        assert (await rest.post(SEND, json=body)).status_code == 404


@pytest.mark.parametrize(("node_id", "status"), [("node1", 200), ("node2", 404)])
async def test_the_sessions_of_another_node_are_not_here(autojump_clock: MockClock, node_id: str, status: int) -> None:
    async with signaling_rig() as rig, rest_of(rig) as rest:
        _, session = await rig.connect()
        answer = await rest.post(SEND, json={"payload": 1, "sessionId": session.session_id, "nodeId": node_id})
        assert answer.status_code == status


async def test_a_large_payload_arrives_and_a_larger_one_is_413(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig, rest_of(rig) as rest:
        socket, session = await rig.connect()
        text = "ж" * (rig.settings.data_max_size // 2 - 1)
        body = {"payload": text, "sessionId": session.session_id}
        assert (await rest.post(SEND, json=body)).status_code == 200
        assert (await socket.receive("OnDataEvent"))["payload"] == text
        too_large = await rest.post(SEND, json=body | {"payload": f"{text}!"})
        assert (too_large.status_code, too_large.json()["setting"]) == (413, "data.max_size")


async def test_a_request_that_is_repeated_with_its_key_is_sent_once(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig, rest_of(rig) as rest:
        socket, session = await rig.connect()
        await rig.publish(socket, "cam", "p")
        await rig.play(socket, "cam", "v")
        for path, to in (
            (SEND, {"sessionId": session.session_id}),
            (BROADCAST, {"all": True}),
            (EVENT, {"streamName": "cam"}),
        ):
            for _ in range(2):
                answer = await rest.post(path, json={"payload": 1, **to}, headers={"Idempotency-Key": path})
                assert answer.status_code == 200
        await caught_up(socket)
        assert payloads(socket) == [1, 1]
        assert len([data for data in socket.received("notifyStreamEvent") if data[0]["type"] == "data"]) == 1


# -- broadcast ---------------------------------------------------------------------------------------------------------


async def test_a_broadcast_reaches_whom_the_conditions_match(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig, rest_of(rig) as rest:
        old, _ = await rig.connect(clientVersion="1.0")
        new, session = await rig.connect(clientVersion="2.0")
        asked: list[tuple[dict[str, Any], str]] = [
            ({"all": True}, "2"),
            ({"clientVersion": "2.0"}, "1"),
            ({"appKey": "defaultApp"}, "2"),
            ({"sessionId": session.session_id, "clientVersion": "2.0"}, "1"),
        ]
        for number, (to, sent) in enumerate(asked):
            answer = await rest.post(BROADCAST, json={"payload": number, **to})
            assert (answer.status_code, answer.headers["x-sent-count"], answer.content) == (200, sent, b"")
            assert "x-dropped-count" not in answer.headers
        await caught_up(old, new)
        assert (payloads(old), payloads(new)) == ([0, 2], [0, 1, 2, 3])


async def test_a_broadcast_to_a_stream_reaches_its_publisher_and_players_once(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig, rest_of(rig) as rest:
        (publisher, _), (player, _), (other, _) = [await rig.connect(clientVersion=f"{n}.0") for n in (1, 2, 3)]
        await rig.publish(publisher, "cam", "p")
        await rig.play(player, "cam", "v1")
        await rig.play(player, "cam", "v2")
        answer = await rest.post(BROADCAST, json={"payload": "all", "streamName": "cam"})
        assert answer.headers["x-sent-count"] == "2"
        answer = await rest.post(BROADCAST, json={"payload": "both", "streamName": "cam", "clientVersion": "2.0"})
        assert answer.headers["x-sent-count"] == "1"
        await caught_up(publisher, player, other)
        assert [payloads(each) for each in (publisher, player, other)] == [["all"], ["all", "both"], []]


@pytest.mark.parametrize("to", [{"streamName": "cam"}, {"appKey": "other"}, {"all": True}])
async def test_a_broadcast_to_nobody_is_404(autojump_clock: MockClock, to: dict[str, Any]) -> None:
    async with signaling_rig() as rig, rest_of(rig) as rest:
        if "all" not in to:
            await rig.connect()
        answer = await rest.post(BROADCAST, json={"payload": 1, **to})
        assert (answer.status_code, answer.headers["x-sent-count"]) == (404, "0")


async def test_a_broadcast_is_encoded_once(autojump_clock: MockClock, monkeypatch: pytest.MonkeyPatch) -> None:
    async with signaling_rig() as rig, rest_of(rig) as rest:
        sockets = await rig.crowd(3 * SLICE)
        encoded: list[str] = []

        def counted(frame: ServerFrame) -> str:
            encoded.append(frame.message)
            return encode(frame)

        monkeypatch.setattr("actors.session.requests.data_exchange.encode", counted)
        assert (await rest.post(BROADCAST, json={"payload": 1, "all": True})).status_code == 200
        await caught_up(*sockets)
        assert all(payloads(socket) == [1] for socket in sockets)
        assert encoded == ["OnDataEvent"]


async def test_too_many_broadcasts_at_a_time_are_refused(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig, rest_of(rig) as rest:
        await rig.crowd(2 * SLICE)
        answers: list[httpx.Response] = []

        async def broadcast() -> None:
            answers.append(await rest.post(BROADCAST, json={"payload": 1, "all": True}))

        async with trio.open_nursery() as nursery:
            for _ in range(MAX_UNDER_WAY + 5):
                nursery.start_soon(broadcast)
        statuses = sorted(answer.status_code for answer in answers)
        assert statuses == [200] * MAX_UNDER_WAY + [503] * 5


async def test_what_the_queues_of_all_clients_cannot_take_is_dropped_and_counted(autojump_clock: MockClock) -> None:
    async with signaling_rig(max_outbox_total=100_000) as rig, rest_of(rig) as rest:
        await rig.crowd(30, reads=False)
        reading, _ = await rig.connect()
        answer = await rest.post(BROADCAST, json={"payload": "x" * 10_000, "all": True})
        dropped = int(answer.headers["x-dropped-count"])
        assert answer.status_code == 200
        assert int(answer.headers["x-sent-count"]) + dropped == 31
        assert 20 <= dropped <= 22
        await caught_up(reading)
        assert len(payloads(reading)) == 1
        assert rig.overflows == 0
        assert rig.supervisor.session_count == 31


async def test_data_for_one_client_displaces_one_that_does_not_read(autojump_clock: MockClock) -> None:
    async with signaling_rig(max_outbox_total=100_000) as rig, rest_of(rig) as rest:
        await rig.crowd(1, reads=False)
        reading, session = await rig.connect()
        for _ in range(9):
            stalled = next(iter(rig.supervisor.all_sessions()))
            await rest.post(SEND, json={"payload": "x" * 10_000, "sessionId": stalled})
        answer = await rest.post(SEND, json={"payload": "y" * 50_000, "sessionId": session.session_id})
        assert answer.status_code == 200
        assert "x-dropped-count" not in answer.headers
        await caught_up(reading)
        assert len(payloads(reading)) == 1


# -- stream events -----------------------------------------------------------------------------------------------------


async def test_a_stream_event_reaches_each_player_with_its_own_id_and_its_backend(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig, rest_of(rig) as rest:
        (publisher, _), (player, session), (other, _) = [await rig.connect() for _ in range(3)]
        await rig.publish(publisher, "cam", "p")
        await rig.play(player, "cam", "v1")
        await rig.play(player, "cam", "v2")
        await rig.publish(other, "other", "o")
        answer = await rest.post(EVENT, json={"streamName": "cam", "payload": {"goal": 1}})
        assert (answer.status_code, answer.headers["x-sent-count"], answer.content) == (200, "2", b"")
        await caught_up(publisher, player, other)
        await trio.testing.wait_all_tasks_blocked()
        assert player.received("notifyStreamEvent")[-2:] == [
            [{"mediaSessionId": each, "type": "data", "payload": {"goal": 1}}] for each in ("v1", "v2")
        ]
        assert publisher.received("notifyStreamEvent") == other.received("notifyStreamEvent") == []
        hooks = [(body["sessionId"], body["mediaSessionId"]) for body in rig.backend.called("StreamEvent")]
        assert hooks == [(session.session_id, "v1"), (session.session_id, "v2")]
        assert rig.backend.called("sendStreamEvent") == []


async def test_a_stream_event_for_many_players_returns_when_all_have_been_served(autojump_clock: MockClock) -> None:
    async with signaling_rig(methods=frozenset()) as rig, rest_of(rig) as rest:
        publisher, _ = await rig.connect()
        await rig.publish(publisher, "cam", "p")
        player, _ = await rig.connect()
        for number in range(35):
            await rig.play(player, "cam", f"v{number}")
        answer = await rest.post(EVENT, json={"streamName": "cam", "payload": 1})
        assert answer.headers["x-sent-count"] == "35"
        await caught_up(player)
        assert len([data for data in player.received("notifyStreamEvent") if data[0]["type"] == "data"]) == 35


async def test_a_stream_that_nobody_publishes_is_404(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig, rest_of(rig) as rest:
        answer = await rest.post(EVENT, json={"streamName": "cam", "payload": 1})
        assert answer.status_code == 404


async def test_a_stream_that_ends_meanwhile_does_not_hold_up_the_answer(autojump_clock: MockClock) -> None:
    async with signaling_rig(methods=frozenset()) as rig, rest_of(rig) as rest:
        publisher, session = await rig.connect()
        await rig.publish(publisher, "cam", "p")
        player, _ = await rig.connect()
        for number in range(35):
            await rig.play(player, "cam", f"v{number}")
        answers: list[httpx.Response] = []

        async def send() -> None:
            answers.append(await rest.post(EVENT, json={"streamName": "cam", "payload": 1}))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(send)
            await player.receive("notifyStreamEvent", type="data")
            publisher.disconnect()
            await session.stopped.wait()
        assert answers[0].status_code == 200
        assert 1 <= int(answers[0].headers["x-sent-count"]) <= 35


async def test_players_for_whom_there_is_no_room_are_counted(autojump_clock: MockClock) -> None:
    async with signaling_rig(methods=frozenset(), max_outbox_total=50_000) as rig, rest_of(rig) as rest:
        publisher, _ = await rig.connect()
        await rig.publish(publisher, "cam", "p")
        player, _ = await rig.connect()
        for number in range(10):
            await rig.play(player, "cam", f"v{number}")
        player.reads = False
        answer = await rest.post(EVENT, json={"streamName": "cam", "payload": "x" * 10_000})
        assert (answer.headers["x-sent-count"], answer.headers["x-dropped-count"]) == ("4", "6")
        assert rig.overflows == 0


async def test_a_stream_with_too_many_events_on_their_way_is_503(autojump_clock: MockClock) -> None:
    async with signaling_rig(methods=frozenset()) as rig, rest_of(rig) as rest:
        publisher, _ = await rig.connect()
        await rig.publish(publisher, "cam", "p")
        player, _ = await rig.connect()
        for number in range(35):
            await rig.play(player, "cam", f"v{number}")
        answers: list[int] = []

        async def send() -> None:
            answers.append((await rest.post(EVENT, json={"streamName": "cam", "payload": 1})).status_code)

        async with trio.open_nursery() as nursery:
            for _ in range(3 * MAX_WAITING):
                nursery.start_soon(send)
        assert set(answers) == {200, 503}
        assert answers.count(200) >= MAX_WAITING


# -- who may send to whom ----------------------------------------------------------------------------------------------


async def test_a_caller_bound_to_an_application_reaches_nobody_else(autojump_clock: MockClock, tmp_path: Path) -> None:
    access = access_of(tmp_path / "accounts.toml", token("chat", apps=frozenset({"chat"})), token("any"))
    async with signaling_rig(apps=[app("chat"), app("shop")]) as rig, rest_of(rig, access=access) as rest:
        (chat, one), (shop, two) = [await rig.connect(appKey=key) for key in ("chat", "shop")]
        await rig.publish(shop, "cam", "p")
        named = {"payload": "named", "sessionIds": [one.session_id, two.session_id]}
        everybody = {"payload": "everybody", "all": True}
        event = {"payload": "event", "streamName": "cam"}
        for login, missing, sent, status in (("chat", "1", "1", 404), ("any", None, "2", 200)):
            headers = {"Authorization": bearer(login)}
            assert (await rest.post(SEND, json=named, headers=headers)).headers.get("x-missing-count") == missing
            assert (await rest.post(BROADCAST, json=everybody, headers=headers)).headers["x-sent-count"] == sent
            assert (await rest.post(EVENT, json=event, headers=headers)).status_code == status
        await caught_up(chat, shop)
        assert (payloads(chat), payloads(shop)) == (["named", "everybody"] * 2, ["named", "everybody"])
