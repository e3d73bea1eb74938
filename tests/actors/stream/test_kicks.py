"""Kicking streams and sessions with a reason, and keeping out whom they belonged to, as pages and backends see it."""

from typing import Any

import httpx
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors.node.control import LocalNode
from actors.stream import StreamRefused
from tests.support.session.memory_socket import MemorySocket
from tests.support.session.plain_owner import PlainOwner
from tests.support.session.signaling_rig import TEST_OVER, SignalingRig, signaling_rig, stream_request
from tests.support.web.web_rig import client_of

OVERWRITE = {"restOnError": "FAIL", "restPolicy": "OVERWRITE"}


def rest(rig: SignalingRig) -> httpx.AsyncClient:
    """REST in front of the rig's sessions and streams."""
    return client_of(LocalNode("node1", rig.supervisor, dict), bans=rig.bans)


async def post(rig: SignalingRig, path: str, body: dict[str, Any], **headers: str) -> httpx.Response:
    async with rest(rig) as client:
        return await client.post(f"/rest-api/{path}", json=body, headers=headers)


def publish(socket: MemorySocket, name: str, media_session_id: str) -> None:
    socket.send("publishStream", stream_request(name, media_session_id, published=True))


def play(socket: MemorySocket, name: str, media_session_id: str) -> None:
    socket.send("playStream", stream_request(name, media_session_id, published=False))


async def status(socket: MemorySocket, media_session_id: str) -> tuple[str, str | None]:
    """The next status of the stream, with its info."""
    frame = await socket.receive("notifyStreamStatusEvent", mediaSessionId=media_session_id)
    return frame["status"], frame.get("info")


async def refusal(rig: SignalingRig, **connection: Any) -> str | None:
    """The info that a new client is refused with; None if it is let in."""
    socket, _ = rig.open()
    socket.send("connection", {"appKey": "defaultApp", **connection})
    await trio.testing.wait_all_tasks_blocked()
    with trio.move_on_after(0.001):  # of the test's clock: it passes when nothing more can come
        info: str = (await socket.receive("fail"))["info"]
        return info
    assert socket.received("getUserData")
    return None


# -- streams ----------------------------------------------------------------------------------------------------------


async def test_client_and_backend_are_told_the_reason(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        await rig.publish(alice, "news", "p1")
        answer = await post(rig, "stream/terminate?reason=Too%20loud", {"name": "news"})
        assert answer.status_code == 200
        assert "x-banned-count" not in answer.headers
        assert await status(alice, "p1") == ("FAILED", "Too loud")
        await rig.publish(alice, "news", "p2")
        ends = [each["info"] for each in rig.backend.called("StreamStatusEvent") if each["status"] == "FAILED"]
        assert ends == ["Too loud"]


async def test_a_banned_name_is_refused_before_the_backend_is_asked_and_let_in_after_the_time(
    autojump_clock: MockClock,
) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        bob, _ = await rig.connect()
        await rig.publish(alice, "news", "p1")
        answer = await post(rig, "stream/terminate?reason=Too%20loud&ban=30s", {"name": "news"})
        assert answer.headers["x-banned-count"] == "1"
        assert await status(alice, "p1") == ("FAILED", "Too loud")
        for number, socket in enumerate((alice, bob)):
            publish(socket, "news", f"again{number}")
            assert await status(socket, f"again{number}") == ("FAILED", "Banned for another 30 s: Too loud")
        assert [each["mediaSessionId"] for each in rig.backend.called("publishStream")] == ["p1"]
        await rig.publish(alice, "other", "p2")
        await trio.sleep(30)
        await rig.publish(bob, "news", "p3")


async def test_a_kicked_player_stays_out_and_others_play_on(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        publisher, _ = await rig.connect()
        alice, _ = await rig.connect(custom={"login": "alice"})
        bob, _ = await rig.connect(custom={"login": "bob"})
        await rig.publish(publisher, "news", "p1")
        await rig.play(alice, "news", "v1")
        await rig.play(bob, "news", "v2")
        await post(rig, "stream/terminate?ban=1m", {"mediaSessionId": "v1"})
        assert await status(alice, "v1") == ("FAILED", "Stopped by rest /terminate")
        play(alice, "news", "v3")
        assert await status(alice, "v3") == ("FAILED", "Banned for another 60 s")
        again, _ = await rig.connect(custom={"login": "alice"})
        play(again, "news", "v4")
        assert await status(again, "v4") == ("FAILED", "Banned for another 60 s")
        await rig.play(bob, "news", "v5")


async def test_players_that_fall_with_a_kicked_publisher_are_not_banned(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        await rig.publish(alice, "news", "p1")
        await rig.play(alice, "news", "v1")
        answer = await post(rig, "stream/terminate?ban=1m", {"name": "news", "published": True})
        assert answer.headers["x-banned-count"] == "1"
        assert [ban.action for ban in rig.bans.active()] == ["publish"]


async def test_a_dry_run_bans_nobody(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        await rig.publish(alice, "news", "p1")
        answer = await post(rig, "stream/terminate?ban=1m&dry_run=true", {"name": "news"})
        assert answer.status_code == 200
        assert rig.bans.active() == ()


async def test_a_backend_cannot_rename_a_stream_into_a_banned_name(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        config = {"publishStream": {**OVERWRITE, "restOverwrite": "name"}}
        rig.backend.answers["connect"] = lambda _, body: httpx.Response(200, json={**body, "restClientConfig": config})
        rig.backend.answers["publishStream"] = lambda _, body: httpx.Response(200, json={**body, "name": "news"})
        alice, _ = await rig.connect()
        await rig.publish(alice, "ticket1", "p1")
        await post(rig, "stream/terminate?ban=1m", {"name": "news"})
        assert (await status(alice, "p1"))[0] == "FAILED"
        publish(alice, "ticket2", "p2")
        assert await status(alice, "p2") == ("FAILED", "Banned for another 60 s")


async def test_owners_of_every_kind_are_refused(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        owner = PlainOwner(rig, "plain1")
        alice, _ = await rig.connect()
        await rig.publish(alice, "news", "p1")
        await post(rig, "stream/terminate?ban=1m", {"name": "news"})
        with pytest.raises(StreamRefused, match="Banned for another 60 s"):
            owner.publish("news", "p2")
        owner.leave(TEST_OVER)


# -- sessions ---------------------------------------------------------------------------------------------------------


async def test_a_kicked_session_and_its_backend_are_told_the_reason(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, session = await rig.connect()
        await rig.publish(alice, "news", "p1")
        await post(rig, "connection/terminate?reason=House%20rules", {"sessionId": session.session_id})
        assert await status(alice, "p1") == ("FAILED", "House rules")
        assert {"message": "fail", "data": [{"info": "House rules"}]} in alice.frames
        await session.stopped.wait()
        await rig.dispatcher.drain(60)
        ended = rig.backend.called("ConnectionStatusEvent")[-1]
        assert (ended["status"], ended["info"]) == ("DISCONNECTED", "House rules")


async def test_without_a_reason_a_terminated_session_sees_what_it_always_saw(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, session = await rig.connect()
        await rig.publish(alice, "news", "p1")
        await post(rig, "connection/terminate?ban=5s", {"sessionId": session.session_id})
        assert await status(alice, "p1") == ("FAILED", "Stopped by session disconnect")
        assert all(frame["message"] != "fail" for frame in alice.frames)
        await session.stopped.wait()
        await rig.dispatcher.drain(60)
        assert "info" not in rig.backend.called("ConnectionStatusEvent")[-1]


async def test_a_banned_user_is_refused_before_the_backend_is_asked_and_let_in_after_the_time(
    autojump_clock: MockClock,
) -> None:
    async with signaling_rig() as rig:
        _, session = await rig.connect(custom={"login": "alice", "token": "secret"})
        answer = await post(rig, "connection/terminate?ban=30s&reason=House%20rules", {"sessionId": session.session_id})
        assert answer.headers["x-banned-count"] == "1"
        asked = len(rig.backend.called("connect"))
        assert await refusal(rig, custom={"login": "alice"}) == "Banned for another 30 s: House rules"
        assert len(rig.backend.called("connect")) == asked
        assert await refusal(rig, custom={"login": "bob", "token": "secret"}) is None
        await trio.sleep(30)
        assert await refusal(rig, custom={"login": "alice"}) is None


async def test_a_user_may_be_known_to_the_backend_alone(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:

        def identify(_: str, body: dict[str, Any]) -> httpx.Response:
            config = {"connect": {**OVERWRITE, "restOverwrite": "custom"}}
            return httpx.Response(200, json={**body, "custom": {"login": "alice"}, "restClientConfig": config})

        rig.backend.answers["connect"] = identify
        _, session = await rig.connect(custom={"token": "ticket1"})
        await post(rig, "connection/terminate?ban=30s", {"sessionId": session.session_id})
        assert [ban.who for ban in rig.bans.active()] == ["user:alice"]
        assert await refusal(rig, custom={"token": "ticket2"}) == "Banned for another 30 s"
        await rig.dispatcher.drain(60)
        statuses = [each["status"] for each in rig.backend.called("ConnectionStatusEvent")]
        assert statuses == ["ESTABLISHED", "DISCONNECTED", "FAILED", "DISCONNECTED"]


@pytest.mark.parametrize("ban_by", ["", "&ban_by=user"])
async def test_whom_nobody_knows_is_not_banned_and_the_answer_says_so(ban_by: str, autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        _, session = await rig.connect()
        answer = await post(rig, f"connection/terminate?ban=30s{ban_by}", {"sessionId": session.session_id})
        assert (answer.headers["x-terminated-count"], answer.headers["x-banned-count"]) == ("1", "0")


async def test_an_address_is_banned_only_if_asked_for(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        _, session = await rig.connect()
        await post(rig, "connection/terminate?ban=30s&ban_by=address", {"sessionId": session.session_id})
        assert await refusal(rig) == "Banned for another 30 s"
        (ban,) = rig.bans.active()
        assert ban.who == "address:192.0.2.1"


async def test_a_banned_users_other_session_starts_no_stream(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        _, session = await rig.connect(custom={"login": "alice"})
        other, _ = await rig.connect(custom={"login": "alice"})
        await rig.publish(other, "news", "p1")
        await post(rig, "connection/terminate?ban=30s", {"sessionId": session.session_id})
        play(other, "news", "v1")
        assert await status(other, "v1") == ("FAILED", "Banned for another 30 s")
        assert [stream.media_session_id for stream in rig.supervisor.streams()] == ["p1"]


# -- bans -------------------------------------------------------------------------------------------------------------


async def test_bans_are_listed_and_lifted(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, session = await rig.connect(custom={"login": "alice"})
        await rig.publish(alice, "news", "p1")
        assert (await post(rig, "bans/find_all", {})).status_code == 404
        await post(rig, "stream/terminate?ban=1m&reason=spam", {"name": "news"})
        await post(rig, "connection/terminate?ban=1m", {"sessionId": session.session_id})
        listed = await post(rig, "bans/find_all", {})
        assert [(each["action"], each["name"], each["who"], each["reason"]) for each in listed.json()] == [
            ("publish", "news", None, "spam"),
            ("connect", None, "user:alice", None),
        ]
        lifted = await post(rig, "bans/remove", {"who": "user:alice"})
        assert (lifted.status_code, lifted.headers["x-lifted-count"]) == (200, "1")
        assert (await post(rig, "bans/remove", {"who": "user:alice"})).status_code == 404
        again, _ = await rig.connect(custom={"login": "alice"})
        publish(again, "news", "p2")
        assert (await status(again, "p2"))[0] == "FAILED"
        await post(rig, "bans/remove", {"id": listed.json()[0]["id"]})
        await rig.publish(again, "news", "p3")
        assert not list(rig.bans.active())
        assert [stream.media_session_id for stream in rig.supervisor.streams()] == ["p3"]
