"""A client's session over a socket in memory: who is let in, what each frame leads to, how it ends."""

from collections import Counter

import httpx
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors.session.session import CONNECTION_TIMEOUT
from actors.session.socket.outbox import SEND_TIMEOUT
from actors.session.socket.pinging import PING_TICK, PINGS_AT_ONCE, PingSchedule
from protocol.calls.info_texts import CallInfo
from tests.support.session.signaling_rig import signaling_rig, stream_request


async def test_a_connection_is_answered_with_user_data_version_and_ping(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        socket, _ = rig.open()
        socket.send("connection", {"appKey": "defaultApp", "custom": {"token": "secret"}, "clientVersion": "2.0"})
        data = await socket.receive("getUserData")
        assert data == {
            "appKey": "defaultApp", "clientVersion": "2.0", "authToken": "token", "status": "ESTABLISHED",
        }  # fmt: skip
        (version,) = await socket.receive("getVersion")
        assert version.startswith("5.2.")
        await socket.receive("ping")


async def test_the_backend_is_asked_and_told_of_the_connection(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        _, session = await rig.connect(custom={"token": "abc"})
        await trio.testing.wait_all_tasks_blocked()
        (asked,) = rig.backend.called("connect")
        assert asked["custom"] == {"token": "abc"}
        assert asked["origin"] == "https://page.test"
        assert {asked["nodeId"], asked["sessionId"], asked["appKey"]} == {"node1", session.session_id, "defaultApp"}
        (told,) = rig.backend.called("ConnectionStatusEvent")
        assert told["status"] == "ESTABLISHED"


async def test_an_unknown_app_key_is_refused_without_any_hook(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        socket, session = rig.open()
        socket.send("connection", {"appKey": "nobody"})
        refusal = await socket.receive("fail")
        assert refusal["apiMethod"] == "ConnectionStatusEvent"
        assert refusal["status"] == "FAILED"
        assert "nobody" in refusal["info"]
        await session.stopped.wait()
        assert socket.close_code == 1000
        assert rig.backend.calls == []


async def test_a_backend_that_denies_the_connection_gets_its_text_to_the_client(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        rig.backend.answers["connect"] = lambda method, body: httpx.Response(403, json={"info": "bad token"})
        socket, session = rig.open()
        socket.send("connection", {"appKey": "defaultApp"})
        assert await socket.receive("fail") == {
            "apiMethod": "ConnectionStatusEvent", "status": "FAILED", "info": "bad token",
        }  # fmt: skip
        await session.stopped.wait()
        assert socket.close_code == 1000
        assert socket.received("getUserData") == []
        await rig.dispatcher.drain(60)
        statuses = [body["status"] for body in rig.backend.called("ConnectionStatusEvent")]
        assert statuses == ["FAILED", "DISCONNECTED"]


async def test_the_first_frame_must_be_connection(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        socket, session = rig.open()
        socket.send("publishStream", stream_request("a", "m1", published=True))
        assert "connection" in (await socket.receive("fail"))["info"]
        await session.stopped.wait()
        assert socket.close_code == 1008


async def test_a_media_transport_socket_is_closed_politely(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        socket, session = rig.open()
        socket.send("connectMediaTransport", {"authToken": "token"})
        await session.stopped.wait()
        assert socket.close_code == 1000


async def test_a_second_connection_frame_is_refused_and_changes_nothing(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        socket, session = await rig.connect()
        socket.send("connection", {"appKey": "other"})
        assert (await socket.receive("fail"))["apiMethod"] == "connection"
        assert session.reason is None
        assert session.describe().app_key == "defaultApp"


async def test_a_silent_socket_is_closed(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        socket, session = rig.open()
        started = trio.current_time()
        await session.stopped.wait()
        assert trio.current_time() - started == pytest.approx(CONNECTION_TIMEOUT, abs=3)
        assert socket.close_code == 1008


@pytest.mark.parametrize("text", ["", "{", "[]", '{"message":5}', '{"message":"publishStream","data":5}', "null"])
async def test_garbage_gets_an_error_and_the_session_goes_on(text: str, autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        socket, session = await rig.connect()
        socket.send_text(text)
        await socket.receive("fail")
        assert session.reason is None
        socket.send("ping", None)
        await socket.receive("pong")


async def test_binary_and_unknown_messages_are_ignored(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        socket, session = await rig.connect()
        socket.send_text(b"\x00\x01")
        socket.send("webRTCMetricsBatch", {"x": 1})
        socket.send("ping", None)
        await socket.receive("pong")
        assert socket.received("fail") == []
        assert session.reason is None


async def test_pings_of_sessions_leave_together_and_never_too_soon(autojump_clock: MockClock) -> None:
    async with signaling_rig(keep_alive_server_interval=5.0) as rig:
        came: list[float] = []

        async def listen(late: float) -> None:
            await trio.sleep(late)
            socket, _ = await rig.connect()
            await socket.receive("ping")
            began = trio.current_time()
            await socket.receive("ping")
            came.append(trio.current_time())
            assert 5.0 <= came[-1] - began <= 5.0 + PING_TICK

        async with trio.open_nursery() as nursery:
            for late in (0.03, 0.08, 0.15):
                nursery.start_soon(listen, late)
        assert came == [came[0]] * 3


@pytest.mark.parametrize("sessions", [1, 100, 500, 1000, 5000])
def test_sessions_that_come_together_do_not_stay_together(sessions: int) -> None:
    schedule = PingSchedule()
    times = [(100.0, session) for session in range(sessions)]
    for _ in range(5):
        planned = [(schedule.plan(now, 5.0, sessions), session) for now, session in sorted(times)]
        waits = [after - now for (after, _), (now, _) in zip(planned, sorted(times), strict=True)]
        assert min(waits) >= 5.0 - 1e-6
        assert max(waits) <= 10.0 + PING_TICK
        times = planned
    at_once = Counter(round(time, 6) for time, _ in times)
    assert max(at_once.values()) <= PINGS_AT_ONCE


async def test_a_client_that_answers_no_ping_is_gone_after_the_probes(autojump_clock: MockClock) -> None:
    async with signaling_rig(keep_alive_server_interval=5.0, keep_alive_probes=10) as rig:
        _, session = await rig.connect()
        started = trio.current_time()
        await session.stopped.wait()
        assert trio.current_time() - started == pytest.approx(55, abs=3)
        assert session.reason is not None
        assert session.reason.cause == "ping-timeout"


async def test_pongs_keep_a_client(autojump_clock: MockClock) -> None:
    async with signaling_rig(keep_alive_server_interval=5.0, keep_alive_probes=2) as rig:
        socket, session = await rig.connect()
        for _ in range(20):
            await socket.receive("ping")
            socket.send_text('{"message":"pong"}')
        assert session.reason is None


async def test_a_client_that_does_not_read_is_dropped_and_no_other(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        stalled, session = rig.open(reads=False)
        other, _ = await rig.connect()
        stalled.send("connection", {"appKey": "defaultApp"})
        started = trio.current_time()
        await session.stopped.wait()
        assert session.reason is not None
        assert session.reason.cause == "client-does-not-read"
        assert trio.current_time() - started <= SEND_TIMEOUT + 5
        other.send("ping", None)
        await other.receive("pong")


async def test_a_client_that_floods_is_dropped(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        rig.backend.gates["connect"] = trio.Event()
        socket, session = rig.open()
        socket.send("connection", {"appKey": "defaultApp"})
        for _ in range(1000):
            socket.send("ping", None)
        await session.stopped.wait()
        assert session.reason is not None
        assert session.reason.cause == "client-floods"
        assert socket.close_code == 1008
        rig.backend.gates["connect"].set()


async def test_a_disconnect_ends_the_streams_and_tells_the_backend_last_of_all(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        socket, session = await rig.connect()
        await rig.publish(socket, "cam", "m1")
        socket.disconnect()
        await session.stopped.wait()
        await rig.dispatcher.drain(60)
        assert rig.plane.publications[0].closed
        last = [(name, body.get("status"), body.get("info")) for name, body in rig.backend.calls[-2:]]
        assert last == [
            ("StreamStatusEvent", "FAILED", "Stopped by session disconnect"),
            ("ConnectionStatusEvent", "DISCONNECTED", None),
        ]


async def test_sip_snapshot_availability_and_debug_are_answered(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        socket, _ = await rig.connect()
        await rig.publish(socket, "cam", "m1")
        socket.send("call", {"callId": "c1", "callee": "x"})
        assert await socket.receive("finish") == {"callId": "c1", "status": "FAILED", "info": CallInfo.NOT_SERVED}
        socket.send("snapshot", {"mediaSessionId": "s1", "name": "nobody"})
        event = await socket.receive("notifyStreamEvent", type="snapshotFailed")
        assert event["payload"] == {"info": "Stream not found"}
        socket.send("availableStream", {"mediaSessionId": "a1", "name": "cam"})
        assert await socket.receive("availableStream") == {"id": "a1", "status": "true", "info": ""}
        socket.send("availableStream", {"mediaSessionId": "a2", "name": "nobody"})
        assert await socket.receive("availableStream") == {"id": "a2", "status": "false", "info": "Stream not found"}
        socket.send("sessionDebug", {"command": "start"})
        assert await socket.receive("notifySessionDebugEvent") == {"status": "STARTED"}
        socket.send("pushLogs", {"logs": "line\n"})
        socket.send("submitBugReport", {"text": "broken", "type": "x"})
        socket.send("ping", None)
        await socket.receive("pong")
        await rig.dispatcher.drain(60)
        assert rig.backend.called("pushLogs")[0]["logs"] == "line\n"
        assert rig.backend.called("submitBugReport")[0]["text"] == "broken"


@pytest.mark.parametrize("custom", [5, "text", [1, {"a": 2}], True, {"nested": {"token": "x"}}])
async def test_custom_may_be_any_json(custom: object, autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        socket, _ = await rig.connect(custom=custom)
        socket.send("publishStream", stream_request("cam", "p1", published=True, custom=custom))
        await socket.receive("notifyStreamStatusEvent", status="PUBLISHING")
        await rig.dispatcher.drain(60)
        assert rig.backend.called("connect")[0]["custom"] == custom
        assert rig.backend.called("publishStream")[0]["custom"] == custom


async def test_every_end_says_why_because_the_sdk_keeps_an_older_info(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        socket, _ = await rig.connect()
        await rig.publish(socket, "cam", "p1")
        for number, name in enumerate(("cam", "cam", "nobody")):
            socket.send("playStream", stream_request(name, f"v{number}", published=False))
        for _ in range(3):  # in whatever order
            await socket.receive("notifyStreamStatusEvent")
        socket.send("stopStream", {"mediaSessionId": "v0"})
        socket.send("unPublishStream", {"mediaSessionId": "p1"})
        await socket.receive("notifyStreamStatusEvent", mediaSessionId="p1", status="UNPUBLISHED")
        statuses = [data[0] for data in socket.received("notifyStreamStatusEvent")]
        ends = [body for body in statuses if body["status"] in ("FAILED", "STOPPED", "UNPUBLISHED")]
        assert len(ends) == 4
        assert all(body["info"] for body in ends)
        assert all("info" not in body for body in statuses if body not in ends)


async def test_a_client_that_floods_with_large_frames_is_dropped_by_their_size(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        rig.backend.gates["connect"] = trio.Event()
        socket, session = rig.open()
        socket.send("connection", {"appKey": "defaultApp"})
        for _ in range(20):
            socket.send("pushLogs", {"logs": "x" * 500_000})
        await session.stopped.wait()
        assert session.reason is not None
        assert session.reason.cause == "client-floods"
        rig.backend.gates["connect"].set()
