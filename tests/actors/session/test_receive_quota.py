"""What clients may send: how fast they are read, what they may make the server hold, and that all is given back."""

import json
import logging
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, closing
from typing import Any

import pytest
import trio
import trio.testing
from trio.testing import MemorySendStream, MockClock
from trio_websocket import ConnectionClosed
from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, BytesMessage, Event, Ping, Request, TextMessage

from actors.session import ClientSocket, ReceiveQuota, ReceiveQuotas, receive_request
from actors.session.socket.receive_quota import (
    ADDRESS_SHARE,
    BURST,
    CLIENT_SHARE,
    FREE,
    MAX_FRAGMENTS,
    MAX_WAITING_AT_THE_DOOR,
    MODEST,
)
from config.settings import Settings
from tests.support.session.memory_socket import MemorySocket
from tests.support.session.signaling_rig import signaling_rig, stream_request

RATE = 100
MEBIBYTE = 1024 * 1024


class Client:
    """A WebSocket client in memory, that sends whatever bytes it likes."""

    def __init__(self, stream: trio.StapledStream[MemorySendStream, Any]) -> None:
        self._stream = stream
        self._protocol = WSConnection(ConnectionType.CLIENT)

    async def upgrade(self) -> None:
        await self._stream.send_all(self._protocol.send(Request(host="here", target="/")))
        while True:
            self._protocol.receive_data(bytes(await self._stream.receive_some()))
            if any(isinstance(event, AcceptConnection) for event in self._protocol.events()):
                return

    async def send(self, *events: Any) -> None:
        await self._stream.send_all(b"".join(map(self._protocol.send, events)))

    async def read(self) -> None:
        """Read and forget, until the server closes."""
        while await self._stream.receive_some():
            pass

    async def aclose(self) -> None:
        await self._stream.aclose()


@asynccontextmanager
async def connected(quota: ReceiveQuota) -> AsyncIterator[tuple[ClientSocket, Client]]:
    """A session's socket, read under `quota`, and the client at the other end."""
    client_end, server_end = trio.testing.memory_stream_pair()
    client = Client(client_end)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(client.upgrade)
        request = await receive_request(nursery, server_end, quota, max_message_size=MEBIBYTE)
        socket = ClientSocket(await request.accept(), None, quota)
        await trio.testing.wait_all_tasks_blocked()
        yield socket, client
        nursery.cancel_scope.cancel()


def settings(**changed: Any) -> Settings:
    return Settings(ws_max_frames_per_second=RATE, ws_max_frames_per_second_per_address=2 * RATE, **changed)


# -- the rate ----------------------------------------------------------------------------------------------------------


async def arrivals(quota: ReceiveQuota, events: list[Any], messages: int) -> list[float]:
    """When each of `messages` was read, by the clock of the test, from the moment at which all were sent."""
    came = []
    async with connected(quota) as (socket, client), trio.open_nursery() as nursery:
        began = trio.current_time()
        nursery.start_soon(client.read)
        await client.send(*events)
        for _ in range(messages):
            await socket.get_message()
            came.append(trio.current_time() - began)
        nursery.cancel_scope.cancel()
    return came


async def test_a_burst_is_read_at_once_and_more_of_it_at_the_rate(autojump_clock: MockClock) -> None:
    with closing(ReceiveQuotas(settings()).open("a")) as quota:
        came = await arrivals(quota, [TextMessage(data="{}")] * 2000, 2000)
    at_once = sum(moment == 0 for moment in came)
    assert RATE * BURST * 0.9 < at_once < RATE * BURST + 700  # a read takes up to 4 KiB, about 500 such frames
    assert came[-1] == pytest.approx((2000 - RATE * BURST) / RATE, abs=8)
    assert came[-1] > 8


@pytest.mark.parametrize(
    "flood",
    [
        pytest.param(Ping(payload=b""), id="pings"),
        pytest.param(BytesMessage(data=b""), id="binary frames"),
    ],
)
async def test_frames_that_are_no_text_count_too(flood: Event, autojump_clock: MockClock) -> None:
    with closing(ReceiveQuotas(settings()).open("a")) as quota:
        messages = 2001 if isinstance(flood, BytesMessage) else 1
        came = await arrivals(quota, [*[flood] * 2000, TextMessage(data="{}")], messages)
    assert came[-1] > 7


async def test_large_frames_count_by_their_length(autojump_clock: MockClock) -> None:
    with closing(ReceiveQuotas(settings()).open("a")) as quota:
        came = await arrivals(quota, [TextMessage(data="x" * MEBIBYTE)] * 6, 6)
    assert came[-1] == pytest.approx(6 * 256 / RATE - BURST, abs=1)


async def test_clients_of_one_address_share_a_rate(autojump_clock: MockClock) -> None:
    quotas = ReceiveQuotas(settings())
    last = {}

    async def flood(address: str, name: str) -> None:
        with closing(quotas.open(address)) as quota:
            last[name] = (await arrivals(quota, [TextMessage(data="{}")] * 2000, 2000))[-1]

    async with trio.open_nursery() as nursery:
        for number in range(6):
            nursery.start_soon(flood, "crowd", f"one of many {number}")
        nursery.start_soon(flood, "alone", "alone")
    assert last["alone"] < 15
    assert max(last.values()) > 35


async def test_a_modest_client_is_not_slowed_down_by_others(autojump_clock: MockClock) -> None:
    quotas = ReceiveQuotas(settings(ws_max_frames_per_second_in_all=RATE))
    for address in ("crowd", "others"):
        greedy = quotas.open(address)
        greedy.count_bytes(100 * MEBIBYTE)
        assert greedy.pause(trio.current_time()) > 100
    with closing(quotas.open("crowd")) as modest:
        for _ in range(60):
            for _ in range(int(MODEST)):
                modest.count_frame()
            assert modest.pause(trio.current_time()) == 0
            await trio.sleep(1)
        modest.count_bytes(MEBIBYTE)
        assert modest.pause(trio.current_time()) > 100


async def test_who_comes_back_finds_the_rate_of_the_address_as_it_was(autojump_clock: MockClock) -> None:
    quotas = ReceiveQuotas(Settings(ws_max_frames_per_second_per_address=RATE))

    def pause_after_a_burst() -> float:
        with closing(quotas.open("a")) as quota:
            for _ in range(int(RATE * BURST)):
                quota.count_frame()
            return quota.pause(trio.current_time())

    assert pause_after_a_burst() == 0
    assert pause_after_a_burst() == pytest.approx(BURST)
    await trio.sleep(2 * BURST)
    assert pause_after_a_burst() == 0


async def test_the_log_names_the_limit_and_not_too_often(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(ReceiveQuotas(settings()).open("a")) as quota:
        await arrivals(quota, [TextMessage(data="{}")] * 2000, 2000)
    lines = [record for record in caplog.records if record.getMessage() == "client is slowed down"]
    assert 1 <= len(lines) <= 12
    assert lines[0].levelno == logging.WARNING
    assert lines[0].wcsd_fields["limit"] == "ws.max_frames_per_second"  # type: ignore[attr-defined]


# -- memory ------------------------------------------------------------------------------------------------------------


async def test_unfinished_messages_are_held_and_given_back_once_they_are_dealt_with(autojump_clock: MockClock) -> None:
    quotas = ReceiveQuotas(Settings())
    with closing(quotas.open("a")) as quota:
        async with connected(quota) as (socket, client):
            await client.send(TextMessage(data="x" * 500_000, message_finished=False))
            await trio.testing.wait_all_tasks_blocked()
            assert 500_000 < quota.transit.used < 550_000
            assert quotas.memory_used == quota.transit.used - FREE
            await client.send(TextMessage(data="y"), BytesMessage(data=b"z" * 100_000))
            assert len(await socket.get_message()) == 500_001
            assert quota.transit.used > 500_000
            assert len(await socket.get_message()) == 100_000
            with trio.move_on_after(1):
                await socket.get_message()
            assert quota.transit.used == 0
    assert quotas.memory_used == 0


async def test_an_unfinished_message_beyond_the_limit_closes_its_connection(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(ReceiveQuotas(Settings(max_client_memory=MEBIBYTE)).open("a")) as quota:
        async with connected(quota) as (socket, client):
            await client.send(TextMessage(data="x" * 200_000, message_finished=False))
            with pytest.raises(ConnectionClosed):
                await socket.get_message()
            assert quota.transit.used <= MEBIBYTE / CLIENT_SHARE
    assert "client holds too much" in caplog.text


async def test_a_message_of_endless_empty_frames_is_ended(autojump_clock: MockClock) -> None:
    quota = ReceiveQuota()
    async with connected(quota) as (socket, client):
        await client.send(*[TextMessage(data="", message_finished=False)] * (MAX_FRAGMENTS + 10))
        await trio.testing.wait_all_tasks_blocked()
        await client.send(TextMessage(data="", message_finished=False))
        with pytest.raises(ConnectionClosed):
            await socket.get_message()


async def test_a_message_in_many_frames_is_taken(autojump_clock: MockClock) -> None:
    async with connected(ReceiveQuota()) as (socket, client):
        for _ in range(3):
            await client.send(
                *[TextMessage(data="x", message_finished=False)] * (MAX_FRAGMENTS - 1), TextMessage(data="")
            )
            assert await socket.get_message() == "x" * (MAX_FRAGMENTS - 1)


async def test_one_address_cannot_use_what_is_there_for_all_and_little_is_always_free() -> None:
    quotas = ReceiveQuotas(Settings(max_client_memory=16 * MEBIBYTE))
    share = 16 * MEBIBYTE // CLIENT_SHARE
    with ExitStack() as stack:
        greedy = [stack.enter_context(closing(quotas.open("greedy"))) for _ in range(10)]
        assert greedy[0].keep(share)
        assert not greedy[0].keep(1)
        assert greedy[0].transit.take(share)
        assert sum(quota.keep(share) for quota in greedy[1:]) == 2
        assert quotas.memory_used <= 16 * MEBIBYTE / ADDRESS_SHARE
        assert greedy[-1].keep(FREE)
        assert greedy[-1].transit.take(FREE)
        modest = stack.enter_context(closing(quotas.open("modest")))
        assert modest.keep(share)
        assert modest.transit.take(share)
    assert quotas.memory_used == 0


# -- sessions ----------------------------------------------------------------------------------------------------------


def held(socket: MemorySocket) -> float:
    """Bytes that the server holds for this client."""
    return socket.quota.transit.used + socket.quota.kept.used


async def test_binary_frames_are_not_held(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        socket, session = await rig.connect()
        for _ in range(100):
            socket.send_text(bytes(200_000))
        socket.send("ping", None)
        await socket.receive("pong")
        assert session.reason is None
        assert held(socket) == 0


async def test_before_the_backend_has_agreed_little_is_held(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        rig.backend.gates["connect"] = trio.Event()
        socket, session = rig.open()
        socket.send("connection", {"appKey": "defaultApp", "custom": [[] for _ in range(3000)]})
        await trio.testing.wait_all_tasks_blocked()
        assert session.reason is None
        assert 3000 * 56 < socket.quota.transit.used < MAX_WAITING_AT_THE_DOOR
        socket.send("pushLogs", {"logs": "x" * 100_000})
        await session.stopped.wait()
        assert session.end_log_fields()["packets"] == 2
        assert socket.close_code == 1008
        rig.backend.gates["connect"].set()


async def test_what_was_handled_is_given_back(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        socket, session = await rig.connect(custom=["x" * 1000] * 10)
        assert held(socket) == 0
        for _ in range(30):
            socket.send_text(json.dumps({"message": "pong", "data": [{"custom": [[] for _ in range(9000)]}]}))
            socket.send("pushLogs", {"logs": "x" * 1_000_000})
        socket.send("ping", None)
        await socket.receive("pong")
        await rig.dispatcher.drain(60)
        await trio.testing.wait_all_tasks_blocked()
        assert session.reason is None
        assert held(socket) == 0


async def test_streams_hold_their_requests_until_they_end(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        socket, session = await rig.connect()
        statuses = []
        for number in range(7):
            request = stream_request(f"cam{number}", f"m{number}", published=True, custom=["x" * 1000] * 1500)
            socket.send("publishStream", request)
            status = await socket.receive("notifyStreamStatusEvent")
            statuses.append((status["status"], status.get("info")))
        assert statuses == [("PUBLISHING", None)] * 5 + [("FAILED", "Failed to add stream to proxy")] * 2
        for number in range(5):
            socket.send("unPublishStream", {"mediaSessionId": f"m{number}"})
            await socket.receive("notifyStreamStatusEvent", status="UNPUBLISHED")
        await trio.testing.wait_all_tasks_blocked()
        assert session.reason is None
        assert held(socket) == 0


async def test_requests_that_wait_for_the_backend_are_held(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        gate = rig.backend.gates["OnDataEvent"] = trio.Event()
        socket, session = await rig.connect()
        for number in range(12):
            socket.send("sendData", {"operationId": f"o{number}", "payload": "x" * 1_000_000})
        failed = await socket.receive("DataStatusEvent")
        assert failed["status"] == "FAILED"
        assert 7_000_000 < socket.quota.kept.used <= 8 * MEBIBYTE
        gate.set()
        await socket.receive("DataStatusEvent", operationId="o0", status="ACCEPTED")
        await rig.dispatcher.drain(60)
        assert session.reason is None
        assert held(socket) == 0


async def test_an_application_key_of_a_wrong_type_is_refused_and_told(
    autojump_clock: MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    async with signaling_rig() as rig:
        socket, session = rig.open()
        socket.send("connection", {"appKey": ["defaultApp"]})
        assert (await socket.receive("fail"))["info"] == "connection: expected a string @ $.data[0].appKey"
        await session.stopped.wait()
        assert socket.close_code == 1008
        assert rig.backend.calls == []
    (line,) = [record for record in caplog.records if record.getMessage() == "unusable frame"]
    assert line.levelno == logging.WARNING


async def test_a_frame_of_too_many_elements_is_answered_and_the_session_goes_on(autojump_clock: MockClock) -> None:
    async with signaling_rig(ws_max_frame_elements=1000) as rig:
        socket, session = await rig.connect()
        socket.send("sendData", {"operationId": "o", "payload": [0] * 1000})
        assert "more than 1000 values and keys" in (await socket.receive("fail"))["info"]
        socket.send("sendData", {"operationId": "o", "payload": [0] * 900})
        await socket.receive("DataStatusEvent", status="ACCEPTED")
        assert session.reason is None
