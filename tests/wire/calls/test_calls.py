"""Calls through the whole server: a page over a WebSocket and WebRTC, a phone over SIP and RTP, all on loopback."""

import gc
import weakref
from pathlib import Path
from typing import Any

import trio

from actors.calls.all_calls.call_table import CallTable
from actors.calls.call import PhoneCall
from config.apps import ALL_METHODS, App, AppTable
from config.tables.apps_file import write_apps
from protocol.calls.info_texts import CallInfo
from protocol.sip.accounts.servers import read_servers
from protocol.sip.events import (
    CallAnswered,
    CallEnded,
    InfoArrived,
    OfferAccepted,
    OfferRefused,
)
from protocol.sip.messages.media_description import parse_description
from protocol.webrtc.sdp import Codec, Direction
from tests.support.calls.page_call import ACCOUNT, PageCall, call, established, page_holds, world
from tests.support.calls.sip_phone import SipPhone, sip_phone
from tests.support.hooks.backend import open_backend
from tests.support.hooks.behaviours import app_config, deny, rewrite
from tests.support.media.media_rig import until
from tests.support.servers.full_server import FullServer, full_server
from tests.support.servers.metrics import scrape
from tests.support.session.wcs_client import PATIENCE, wcs_client
from tests.support.web.event_reader import event_reader
from tests.support.webrtc.media_peer import MediaPeer


async def test_a_page_calls_a_phone_and_hangs_up(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, phone), wcs_client(server.url("ws"), **ACCOUNT) as client:
        made = await call(client)
        arrived = await phone.is_called()
        assert (arrived.callee.user, arrived.caller.display_name) == ("1000", "Alice")
        assert arrived.caller.uri.user == "alice"
        phone.does("ring")
        await made.status("notifyTryingResponse", "TRYING")
        await made.status("ring", "RING")
        phone.does("answer", phone.description(arrived.offer))
        await made.connect()
        talk = await made.status("talk", "ESTABLISHED")
        assert (talk["callee"], talk["caller"], talk["sipStatus"]) == ("1000", "alice@127.0.0.1", 200)
        made.speak(b"to the phone")
        assert [packet.payload for packet in await phone.media.hear()] == [b"to the phone"]
        phone.media.talk(b"to the page")
        await made.hears(b"to the page")
        await made.command("hangup")
        await made.status("finish", "FINISH")
        assert (await phone.event(CallEnded)).status == 200
        assert "secret" not in str(client.frames)
        seen = await scrape(server.server.metrics)
        for method in ("INVITE", "ACK", "BYE"):
            assert seen.value("wcsd_sip_requests_total", direction="out", method=method) >= 1  # more where it was slow
        assert seen.value("wcsd_sip_responses_total", **{"direction": "in", "class": "2xx"}) >= 1
        assert seen.value("wcsd_sip_registrations", state="registered") == 0


async def test_a_call_that_nobody_answers_ends_by_either_side(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, phone), wcs_client(server.url("ws"), **ACCOUNT) as client:
        for status, shown in ((486, "BUSY"), (603, "FINISH"), (404, "FAILED")):
            made = await call(client)
            await phone.is_called()
            phone.refuse(status)
            finish = await made.status("finish", shown)
            assert finish["sipStatus"] == status
        made = await call(client)
        await phone.is_called()
        phone.does("ring")
        await made.status("ring", "RING")
        await made.command("hangup")
        await made.status("finish", "FINISH")
        assert (await phone.event(CallEnded)).status == 487


async def test_early_media_is_heard_before_the_answer_and_the_phone_hangs_up(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, phone), wcs_client(server.url("ws"), **ACCOUNT) as client:
        made = await call(client)
        arrived = await phone.is_called()
        phone.does("progress", phone.description(arrived.offer))
        await made.connect()
        await made.status("ring", "RING_MEDIA")
        phone.media.talk(b"the ringing tone")
        await made.hears(b"the ringing tone")
        phone.does("answer", phone.description(arrived.offer))
        await made.status("talk", "ESTABLISHED")
        assert len(client.of("setRemoteSDP", mediaSessionId=made.id)) == 1
        phone.hang_up()
        await made.status("finish", "FINISH")
        with trio.fail_after(PATIENCE):
            await made.peer.closed.wait()


async def phone_holds(made: PageCall, phone: SipPhone) -> None:
    client = made.client
    client.frames.clear()
    phone.does("offer", phone.description(direction=Direction.SENDONLY))
    await made.status("hold", "HOLD")
    description = (await phone.event(OfferAccepted)).description
    assert description is not None
    assert parse_description(description).audio.direction is Direction.RECVONLY
    client.frames.clear()
    phone.does("offer", phone.description())
    await made.status("talk", "ESTABLISHED")
    await phone.event(OfferAccepted)


async def phone_wants_another_codec(made: PageCall, phone: SipPhone) -> None:
    phone.media.codecs = (Codec(payload_type=9, name="G722", clock_rate=8_000),)
    phone.does("offer", phone.description())
    assert (await phone.event(OfferRefused)).status == 488
    made.speak(b"still heard")
    while b"still heard" not in [packet.payload for packet in phone.media.received]:
        await phone.media.hear(len(phone.media.received) + 1)  # behind silence from the hold


async def test_either_side_holds_and_a_codec_that_the_page_does_not_send_is_refused(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, phone), wcs_client(server.url("ws"), **ACCOUNT) as client:
        made = await established(client, phone)
        await page_holds(made, phone)
        await phone_holds(made, phone)
        await phone_wants_another_codec(made, phone)


async def test_digits_within_the_voice_and_by_info(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, phone), wcs_client(server.url("ws"), **ACCOUNT) as client:
        made = await established(client, phone)
        await made.command("sendDtmf", type="RFC2833", dtmf="5")
        events = await phone.media.hear(8)
        assert {packet.payload[0] for packet in events} == {5}
        await made.command("sendDtmf", type="INFO_RELAY", dtmf="7#")
        first, second = await phone.event(InfoArrived), await phone.event(InfoArrived)
        assert first.content_type == "application/dtmf-relay"
        assert [b"Signal=7" in first.body, b"Signal=#" in second.body] == [True, True]
        await made.command("sendDtmf", type="INFO", dtmf="x")
        warned = await client.receive("fail", method="sendDtmf")
        assert "digits" in warned["info"]


async def test_an_operator_sees_a_call_sends_digits_and_ends_it(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, phone), event_reader(server.addresses["http"][0].port) as reader:
        async with wcs_client(server.url("ws"), **ACCOUNT) as client:
            made = await established(client, phone)
            (shown,) = (await server.rest.get("/rest-api/call/find", params={"callId": made.id})).json()
            assert (shown["status"], shown["callee"], shown["incoming"]) == ("ESTABLISHED", "1000", False)
            digits = {"callId": made.id, "dtmf": "8", "type": "INFO"}
            assert (await server.rest.post("/rest-api/call/send_dtmf", json=digits)).is_success
            assert b"8" in (await phone.event(InfoArrived)).body
            assert (await server.rest.post("/rest-api/call/terminate", json={"callId": made.id})).is_success
            assert (await made.status("finish", "FINISH"))["info"] == "Stopped by rest /terminate"
            assert (await phone.event(CallEnded)).status == 200
            assert (await server.rest.get("/rest-api/call/find_all")).status_code == 404
        await reader.until("session.ended")
    told = [event.fields for event in reader.events if event.kind == "call.status"]
    assert [fields["status"] for fields in told] == ["TRYING", "ESTABLISHED", "FINISH"]
    assert {(fields["callId"], fields["appKey"]) for fields in told} == {(made.id, "defaultApp")}


async def test_a_phone_calls_a_page_that_answers_and_then_declines(tmp_path: Path) -> None:
    account = ACCOUNT | {"sipRegisterRequired": True}
    async with world(tmp_path) as (server, phone), wcs_client(server.url("ws"), **account) as client:
        await client.receive("registered", sipLogin="alice")
        phone.dials(phone.registered[0], offer=phone.description())
        incoming = await client.receive("notifyIncomingCall", status="RING", caller="bob@127.0.0.1")
        assert incoming["visibleName"] == "Bob"
        await client.receive("ring", callId=incoming["callId"], status="RING")
        made = PageCall(client, incoming["callId"], MediaPeer(g711=True, video=None))
        client.peers.append(made.peer)
        (offer,) = client.of("setRemoteSDP", mediaSessionId=made.id)
        await made.command("answer", sdp=made.peer.call_answer(offer["sdp"]), incoming=True)
        answered = await phone.event(CallAnswered)
        phone.hear(answered.description)
        await made.status("talk", "ESTABLISHED")
        await made.go()
        made.speak(b"hello")
        assert (await phone.media.hear())[0].payload == b"hello"
        phone.media.talk(b"hello too")
        await made.hears(b"hello too")
        await made.command("hangup")
        assert (await phone.event(CallEnded)).was_up
        client.frames.clear()
        phone.dials(phone.registered[0], offer=phone.description())
        incoming = await client.receive("notifyIncomingCall")
        await client.send("hangup", {"callId": incoming["callId"]})
        assert (await phone.event(CallEnded)).status == 603


async def test_the_end_of_a_session_ends_its_calls_and_frees_them(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, phone):
        table = calls_of(server)
        async with wcs_client(server.url("ws"), **ACCOUNT) as client:
            made = await established(client, phone)
            running = table.get(made.id)
            assert isinstance(running, PhoneCall)
            gone: list[weakref.ref[Any]] = [
                weakref.ref(running),
                weakref.ref(running._ends.leg),
                weakref.ref(running._ends.peer),
            ]
            del running
        assert (await phone.event(CallEnded)).was_up
        gc.disable()  # what has ended waits for no collection
        try:
            await until(lambda: len(table) == 0 and all(each() is None for each in gone))
        finally:
            gc.enable()


def calls_of(server: FullServer) -> CallTable:
    """The calls of a server that has a SIP server."""
    desk = server.server.parts.sessions.calls
    assert desk is not None
    return desk.services.table


async def test_the_end_of_the_server_ends_calls(tmp_path: Path) -> None:
    async with sip_phone() as phone:
        servers = read_servers(f"127.0.0.1:{phone.address[1]}")
        async with full_server(tmp_path, sip_servers=servers, port_from=0, sip_address="127.0.0.1") as server:
            async with wcs_client(server.url("ws"), **ACCOUNT) as client:
                made = await established(client, phone)
                server.server.close()
                await made.status("finish", "FINISH")
                assert (await phone.event(CallEnded)).was_up


async def test_whom_a_page_may_not_call(tmp_path: Path) -> None:
    async with (
        world(tmp_path, sip_max_calls_per_minute=100) as (server, phone),
        wcs_client(server.url("ws"), **ACCOUNT) as client,
    ):
        for callee, info in (
            ("+4930123456", CallInfo.CALLEE_REFUSED),
            ("00493012345", CallInfo.CALLEE_REFUSED),
            ("1000\r\nX: y", CallInfo.CALLEE_MALFORMED),
            ("1000@elsewhere.example", CallInfo.CALLEE_REFUSED),
            ("", CallInfo.CALLEE_MALFORMED),
        ):
            made = await call(client, callee)
            assert (await made.status("finish", "FAILED"))["info"] == info
        async with wcs_client(server.url("ws")) as stranger:
            made = await call(stranger)
            assert (await made.status("finish", "FAILED"))["info"] == CallInfo.NO_ACCOUNT
        assert phone.events == []


async def test_limits_and_faults_of_calls_are_told(tmp_path: Path) -> None:
    async with (
        world(tmp_path, sip_max_calls_per_session=1) as (server, phone),
        wcs_client(server.url("ws"), **ACCOUNT) as client,
    ):
        made = await call(client, hasVideo=True, hasAudio=False)
        assert (await made.status("finish", "FAILED"))["info"] == CallInfo.ONLY_AUDIO
        made = await call(client, sdp="v=0")
        await made.status("finish", "FAILED")
        first = await call(client)
        await phone.is_called()
        second = await call(client)
        assert (await second.status("finish", "FAILED"))["info"] == CallInfo.TOO_MANY_CALLS
        await client.send("call", {"callId": first.id, "callee": "1", "sdp": "v=0"})
        assert (await client.receive("fail", id=first.id))["info"] == CallInfo.CALL_ID_IN_USE
        await first.command("hold")
        assert (await client.receive("fail", method="hold", callId=first.id))["info"]
        await first.command("hangup")
        await first.status("finish", "FINISH")


async def test_the_backend_gives_the_account_chooses_the_callee_and_denies(tmp_path: Path) -> None:
    async with open_backend() as backend:
        (tmp_path / "state").mkdir(mode=0o700)
        app = App(name="defaultApp", key="defaultApp", url=backend.url, methods=frozenset(ALL_METHODS))
        (tmp_path / "state" / "apps.toml").write_text(write_apps(AppTable(apps=(app,))))
        config = app_config(
            call={"restOnError": "FAIL", "restPolicy": "OVERWRITE", "restOverwrite": "callee"},
            hold={"restOnError": "FAIL"},
            connect={"restPolicy": "OVERWRITE", "restOverwrite": "sipLogin,sipPassword,sipDomain"},
        )
        account = {key: ACCOUNT[key] for key in ("sipLogin", "sipPassword", "sipDomain")}
        backend.script("connect", rewrite(**account, restClientConfig=config))
        async with world(tmp_path) as (server, phone), wcs_client(server.url("ws")) as client:
            backend.script("call", rewrite(callee="2000"))
            made = await call(client, "1000")
            arrived = await phone.is_called()
            assert arrived.callee.user == "2000"
            phone.does("answer", phone.description(arrived.offer))
            await made.status("talk", "ESTABLISHED")
            backend.script("hold", deny())
            await made.command("hold")
            await client.receive("fail", method="hold")
            await made.command("hangup")
            await made.status("finish", "FINISH")
            with trio.fail_after(PATIENCE):
                events = await backend.wait_for("CallStatusEvent", count=3)
            assert [event.body["status"] for event in events] == ["TRYING", "ESTABLISHED", "FINISH"]
            assert {event.body["callee"] for event in events} == {"2000"}
            assert len(backend.received("hangup")) == 1
            backend.script("call", deny(info="Not today"))
            refused = await call(client, "1000")
            assert (await refused.status("finish", "FAILED"))["info"] == "Not today"
            assert "secret" not in str(client.frames)
            assert "secret" not in str([event.body for event in backend.received() if event.method != "connect"])
