"""Clients that have asked for it (`keepAlive`) lose their connection, come back, and go on; through a whole server."""

from pathlib import Path
from typing import Any

import pytest
import trio

from protocol.calls.info_texts import CallInfo
from protocol.calls.silence import SILENCE
from protocol.sip.events import CallAcknowledged, CallAnswered, CallEnded
from tests.support.calls.page_call import ACCOUNT, PageCall, call, established, world
from tests.support.calls.sip_phone import SipPhone
from tests.support.media.media_rig import until
from tests.support.servers.full_server import FullServer
from tests.support.session.wcs_client import WcsClient, wcs_client
from tests.support.webrtc.media_peer import MediaPeer

KEPT: dict[str, Any] = ACCOUNT | {"keepAlive": True}
REGISTERED: dict[str, Any] = KEPT | {"sipRegisterRequired": True}


async def lose(client: WcsClient, server: FullServer, *, left: int = 0) -> str:
    """The client's page goes away; the token by which it may come back. `left`: how many sessions there are then."""
    (greeting,) = client.of("getUserData")
    await client.socket.aclose(1001)
    await until(lambda: server.server.parts.supervisor.session_count == left)
    return str(greeting["authToken"])


def waiting(server: FullServer) -> int:
    parking = server.server.parts.sessions.parking
    assert parking is not None
    return len(parking)


async def test_a_call_goes_on_without_its_page_and_with_the_next(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, phone), wcs_client(server.url("ws"), **KEPT) as first:
        made = await established(first, phone)
        token = await lose(first, server)
        assert waiting(server) == 1
        made.speak(b"still here")
        assert (await phone.media.hear())[-1].payload == b"still here"
        async with wcs_client(server.url("ws"), keepAlive=True, authToken="another") as stranger:
            await stranger.send("hangup", {"callId": made.id})
            async with wcs_client(server.url("ws"), keepAlive=True, authToken=token) as second:
                assert (await second.receive("talk", callId=made.id))["status"] == "ESTABLISHED"
                assert not waiting(server)
                await second.send("hangup", {"callId": made.id})
                await second.receive("finish", callId=made.id, status="FINISH")
        assert (await phone.event(CallEnded)).was_up


async def test_who_comes_back_answers_a_call_that_has_come_meanwhile(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, phone), wcs_client(server.url("ws"), **REGISTERED) as first:
        await first.receive("registered")
        token = await lose(first, server)
        phone.dials(phone.registered[-1], offer=phone.description())
        table = server.server.parts.sessions.calls
        assert table is not None
        await until(lambda: len(table.services.table) == 1)
        async with wcs_client(server.url("ws"), keepAlive=True, authToken=token) as second:
            await second.receive("registered", sipLogin="alice")
            incoming = await second.receive("notifyIncomingCall", status="RING")
            made = PageCall(second, incoming["callId"], MediaPeer(g711=True, video=None))
            second.peers.append(made.peer)
            (offer,) = second.of("setRemoteSDP", mediaSessionId=made.id)
            await made.command("answer", sdp=made.peer.call_answer(offer["sdp"]), incoming=True)
            phone.hear((await phone.event(CallAnswered)).description)
            await made.status("talk", "ESTABLISHED")
            await made.go()
            made.speak(b"hello")
            assert (await phone.media.hear())[0].payload == b"hello"
            await lose(second, server)
            assert waiting(server) == 1  # once more


async def test_a_phone_answers_and_another_ends_its_call_while_the_page_is_away(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, phone), wcs_client(server.url("ws"), **KEPT) as first:
        given_up = await call(first)
        other = await phone.is_called()
        made = await call(first)
        arrived = await phone.is_called()
        token = await lose(first, server)
        phone.does("answer", phone.description(arrived.offer))
        await phone.event(CallAcknowledged)
        assert (await phone.media.hear())[0].payload == SILENCE["PCMU"]  # so that no gateway gives the call up
        phone.call = other.call
        phone.refuse(486)
        desk = server.server.parts.sessions.calls
        assert desk is not None
        await until(lambda: len(desk.services.table) == 1)
        async with wcs_client(server.url("ws"), keepAlive=True, authToken=token) as second:
            assert (await second.receive("finish", callId=given_up.id))["status"] == "BUSY"
            back = PageCall(second, made.id, made.peer)
            await back.connect()
            await back.status("talk", "ESTABLISHED")
            back.speak(b"here again")
            while b"here again" not in [packet.payload for packet in phone.media.received]:
                await phone.media.hear(len(phone.media.received) + 1)
            phone.media.talk(b"at last")
            await back.hears(b"at last")
            told = await lose(second, server)
            async with wcs_client(server.url("ws"), keepAlive=True, authToken=told) as third:
                await third.receive("talk", callId=made.id)
                assert third.of("setRemoteSDP") == []  # once is enough


async def test_who_is_back_before_its_loss_is_noticed_has_its_calls(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, phone), wcs_client(server.url("ws"), **KEPT) as first:
        made = await established(first, phone)
        (greeting,) = first.of("getUserData")
        async with wcs_client(server.url("ws"), keepAlive=True, authToken=greeting["authToken"]) as second:
            assert (await second.receive("talk", callId=made.id))["status"] == "ESTABLISHED"
            await made.command("hangup")  # by a connection that is as good as lost
            late = await call(first)
            assert (await late.status("finish", "FAILED"))["info"] == CallInfo.TAKEN_OVER
            await lose(first, server, left=1)
            assert not waiting(server)
            made.speak(b"still here")
            assert (await phone.media.hear())[-1].payload == b"still here"
            await second.send("hangup", {"callId": made.id})
            await second.receive("finish", callId=made.id, status="FINISH")


async def test_a_client_has_no_more_calls_for_coming_back(tmp_path: Path) -> None:
    async with (
        world(tmp_path, sip_max_calls_per_session=1) as (server, phone),
        wcs_client(server.url("ws"), **KEPT) as first,
    ):
        made = await established(first, phone)
        token = await lose(first, server)
        async with wcs_client(server.url("ws"), keepAlive=True, authToken=token) as second:
            await second.receive("talk", callId=made.id)
            more = await call(second)
            assert (await second.receive("finish", callId=more.id))["info"] == CallInfo.TOO_MANY_CALLS


async def test_the_account_that_is_registered_is_named_not_that_of_new_calls(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, _), wcs_client(server.url("ws"), **REGISTERED) as first:
        await first.receive("registered")
        token = await lose(first, server)
        named = REGISTERED | {"sipLogin": "bob", "authToken": token}
        async with wcs_client(server.url("ws"), **named) as second:
            assert (await second.receive("registered"))["sipLogin"] == "alice"


@pytest.mark.parametrize("settings", [{"keep_alive_session_timeout": 0.1}, {"keep_alive_session_timeout": 0}])
async def test_who_does_not_come_back_in_time_loses_its_calls(tmp_path: Path, settings: dict[str, Any]) -> None:
    async with world(tmp_path, **settings) as (server, phone), wcs_client(server.url("ws"), **REGISTERED) as client:
        await client.receive("registered")
        await established(client, phone)
        await lose(client, server)
        assert (await phone.event(CallEnded)).was_up
        await until(lambda: server.server.parts.sip is not None and not server.server.parts.sip.registration_count)
        assert not waiting(server)


@pytest.mark.parametrize("code", [1000, 1005])
async def test_what_the_client_ends_does_not_wait(tmp_path: Path, code: int) -> None:
    async with world(tmp_path) as (server, phone), wcs_client(server.url("ws"), **REGISTERED) as client:
        await client.receive("registered")
        await established(client, phone)
        await client.socket.aclose(code)
        assert (await phone.event(CallEnded)).was_up
        await until(lambda: server.server.parts.sip is not None and not server.server.parts.sip.registration_count)
        assert not waiting(server)


async def test_calls_of_a_lost_connection_wait(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, phone), wcs_client(server.url("ws"), **KEPT) as client:
        await established(client, phone)
        await trio.aclose_forcefully(client.socket._stream)
        await until(lambda: not server.server.parts.supervisor.session_count)
        assert waiting(server) == 1


async def test_what_the_server_ends_does_not_wait(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, phone), wcs_client(server.url("ws"), **KEPT) as client:
        await established(client, phone)
        ended = await server.rest.post("/rest-api/connection/terminate", json={"appKey": "defaultApp"})
        assert ended.is_success
        assert (await phone.event(CallEnded)).was_up
        assert not waiting(server)
        async with wcs_client(server.url("ws"), **KEPT) as another:
            await established(another, phone)
            await lose(another, server)
            assert waiting(server) == 1
    assert (await phone.event(CallEnded)).was_up  # the server has been shut down


async def test_who_waits_is_put_out_as_who_is_there(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, phone), wcs_client(server.url("ws"), **REGISTERED) as client:
        made = await established(client, phone)
        await client.receive("registered")
        await lose(client, server)
        (shown,) = (await server.rest.post("/rest-api/call/find", json={"callId": made.id})).json()
        nobody = await server.rest.post("/rest-api/connection/terminate", json={"sessionId": "another"})
        assert (nobody.status_code, waiting(server)) == (404, 1)
        order = {"sessionId": shown["sessionId"]}
        ended = await server.rest.post("/rest-api/connection/terminate", json=order)
        assert (ended.status_code, waiting(server)) == (200, 0)
        assert (await phone.event(CallEnded)).was_up
        await until(lambda: server.server.parts.sip is not None and not server.server.parts.sip.registration_count)
        async with wcs_client(server.url("ws"), **KEPT) as again:
            await established(again, phone)
            await is_banned_while_away(again, server, phone)


async def is_banned_while_away(client: WcsClient, server: FullServer, phone: SipPhone) -> None:
    """Whoever is banned as another client of the same user cannot come back, and has no calls."""
    token = await lose(client, server)
    async with wcs_client(server.url("ws"), **ACCOUNT, clientVersion="9"):
        order = {"clientVersion": "9"}
        ended = await server.rest.post("/rest-api/connection/terminate?ban=10m", json=order)
        assert (ended.status_code, ended.headers["x-banned-count"], waiting(server)) == (200, "1", 0)
    assert (await phone.event(CallEnded)).was_up
    async with wcs_client(server.url("ws"), established=False) as second:
        await second.send("connection", {"appKey": "defaultApp", **KEPT, "authToken": token})
        assert (await second.receive("fail"))["info"].startswith("Banned")
