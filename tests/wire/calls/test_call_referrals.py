"""Transfers that a phone orders (REFER): its page goes on with somebody else; through the whole server."""

from pathlib import Path
from typing import Any

import trio
from attrs import evolve

from config.apps import ALL_METHODS, App, AppTable
from config.tables.apps_file import write_apps
from protocol.calls.info_texts import CallInfo
from protocol.sip.calls.transfer import replaces_of
from protocol.sip.events import CallAcknowledged, CallAnswered, CallEnded, OfferArrived
from protocol.sip.messages.media_description import parse_description
from protocol.webrtc.sdp import Codec, Direction
from tests.support.calls.page_call import ACCOUNT, PageCall, established, world
from tests.support.calls.referring_phone import answers, refers, target_of, told
from tests.support.calls.sip_phone import SipPhone
from tests.support.hooks.backend import open_backend
from tests.support.hooks.behaviours import app_config, deny, rewrite
from tests.support.media.media_rig import until
from tests.support.servers.full_server import FullServer
from tests.support.servers.metrics import scrape
from tests.support.session.wcs_client import PATIENCE, WcsClient, wcs_client
from tests.support.webrtc.media_peer import MediaPeer

ON: dict[str, Any] = {"sip_accept_refer": True}
TARGET = "sip:2000@127.0.0.1"


def running(server: FullServer) -> int:
    """Places of calls within the limits that are taken."""
    desk = server.server.parts.sessions.calls
    assert desk is not None
    return desk.services.limits.running


async def heard_by(made: PageCall, media: Any, voice: bytes) -> None:
    """The page is heard there."""
    made.speak(voice)
    while voice not in [packet.payload for packet in media.received]:
        await media.hear(len(media.received) + 1)


async def test_a_page_goes_on_with_whom_its_phone_names(tmp_path: Path) -> None:
    async with world(tmp_path, **ON) as (server, phone), wcs_client(server.url("ws"), **ACCOUNT) as client:
        made = await established(client, phone)
        await phone_holds_and_stays(made, phone)
        first = phone.call
        refers(phone, "sip:2000@127.0.0.1;transport=tcp")
        await told(phone, 202, 100)
        with target_of(phone) as media:
            arrived = await phone.is_called()
            assert (str(arrived.callee).partition(";")[0], arrived.caller.uri.user) == ("sip:2000@127.0.0.1", "alice")
            assert arrived.caller.display_name == "Alice"
            phone.does("ring")
            await told(phone, 180)
            client.frames.clear()
            answers(phone, arrived)
            await phone.event(CallAcknowledged)
            talk = await made.status("talk", "ESTABLISHED")
            assert (talk["callee"], talk["sipStatus"]) == ("2000@127.0.0.1", 200)
            await told(phone, 200)
            await heard_by(made, media, b"to the target")
            media.talk(b"to the page")
            await made.hears(b"to the page")
            assert running(server) == 1
            assert not client.of("notifyTransferEvent")
            second, phone.call = phone.call, first
            phone.hang_up()  # the transferor
            phone.call = second
            await heard_by(made, media, b"still there")
            phone.hang_up()
            assert (await made.status("finish", "FINISH"))["sipStatus"] == 200
        assert running(server) == 0
        seen = await scrape(server.server.metrics)
        assert seen.value("wcsd_sip_transfers_total", by="phone", result="completed") == 1


async def phone_holds_and_stays(made: PageCall, phone: SipPhone) -> None:
    """As before most transfers."""
    phone.does("offer", phone.description(direction=Direction.SENDONLY))
    await made.status("hold", "HOLD")


async def test_a_page_that_holds_still_does_with_the_target(tmp_path: Path) -> None:
    async with world(tmp_path, **ON) as (server, phone), wcs_client(server.url("ws"), **ACCOUNT) as client:
        made = await established(client, phone)
        await made.command("hold")
        offer = (await phone.event(OfferArrived)).offer
        phone.does("accept_offer", phone.description(offer, Direction.RECVONLY))
        await made.status("hold", "HOLD")
        client.frames.clear()
        refers(phone, TARGET)
        await told(phone, 202, 100)
        with target_of(phone) as media:
            arrived = await phone.is_called()
            assert arrived.offer is not None
            assert parse_description(arrived.offer).audio.direction is Direction.SENDONLY
            phone.does("answer", phone.description(arrived.offer, Direction.RECVONLY))
            assert (await made.status("hold", "HOLD"))["callee"] == "2000@127.0.0.1"
            await told(phone, 200)
            client.frames.clear()
            await made.command("unhold")
            offer = (await phone.event(OfferArrived)).offer
            phone.does("accept_offer", phone.description(offer))
            await made.status("talk", "ESTABLISHED")
            await heard_by(made, media, b"to the target")


async def test_a_backend_decides_about_them_and_is_told_of_them(tmp_path: Path) -> None:
    async with open_backend() as backend:
        (tmp_path / "state").mkdir(mode=0o700)
        app = App(name="defaultApp", key="defaultApp", url=backend.url, methods=frozenset(ALL_METHODS))
        (tmp_path / "state" / "apps.toml").write_text(write_apps(AppTable(apps=(app,))))
        policy = {"restOnError": "FAIL", "restPolicy": "OVERWRITE", "restOverwrite": "target"}
        backend.script("connect", rewrite(restClientConfig=app_config(OnTransferEvent=policy)))
        backend.script("OnTransferEvent", deny(info="not there"), rewrite(target="3000"))
        async with world(tmp_path, **ON) as (server, phone), wcs_client(server.url("ws"), **ACCOUNT) as client:
            made = await established(client, phone)
            refers(phone, TARGET)
            await told(phone, 603)
            assert (await client.receive("fail", method="OnTransferEvent"))["info"] == "not there"
            refers(phone, TARGET)
            await told(phone, 202, 100)
            with target_of(phone):
                arrived = await phone.is_called()
                assert arrived.callee.user == "3000"
                client.frames.clear()
                answers(phone, arrived)
                await made.status("talk", "ESTABLISHED")
                with trio.fail_after(PATIENCE):
                    events = await backend.wait_for("TransferStatusEvent", count=2)
                    statuses = await backend.wait_for("CallStatusEvent", count=3)
            asked = await backend.wait_for("OnTransferEvent", count=2)
    assert [(each.body["target"], each.body["callee"]) for each in asked] == [("2000@127.0.0.1", "1000")] * 2
    assert [(each.body["status"], each.body["target"]) for each in events] == [
        ("TRYING", "3000@127.0.0.1"),
        ("COMPLETED", "3000@127.0.0.1"),
    ]
    assert statuses[-1].body["callee"] == "3000@127.0.0.1"


async def test_a_phone_that_leaves_at_once_leaves_the_page_to_the_target(tmp_path: Path) -> None:
    async with world(tmp_path, **ON) as (server, phone), wcs_client(server.url("ws"), **ACCOUNT) as client:
        made = await established(client, phone)
        refers(phone, TARGET)
        await told(phone, 202, 100)
        phone.hang_up()
        with target_of(phone) as media:
            answers(phone, await phone.is_called())
            await phone.event(CallAcknowledged)
            await client.receive("talk", callId=made.id, callee="2000@127.0.0.1")
            await heard_by(made, media, b"to the target")
            await made.command("hangup")
            await made.status("finish", "FINISH")
            assert (await phone.event(CallEnded)).was_up
        made = await established(client, phone)
        refers(phone, TARGET)
        await told(phone, 202, 100)
        phone.hang_up()
        with target_of(phone):
            await phone.is_called()
            phone.refuse(486)  # and nobody is left
            finish = await made.status("finish", "BUSY")
            assert (finish["info"], finish["sipStatus"]) == ("486 Busy Here", 486)
        made = await established(client, phone)
        refers(phone, TARGET)
        await told(phone, 202, 100)
        with target_of(phone):
            await phone.is_called()
            await made.command("hangup")  # the page leaves all of them
            await told(phone, 487)
            assert {(await phone.event(CallEnded)).status for _ in range(2)} == {200, 487}
        assert running(server) == 0
        await until(lambda: server.server.parts.sip is not None and not server.server.parts.sip.call_count)


async def test_a_target_that_fails_changes_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, **ON) as (server, phone), wcs_client(server.url("ws"), **ACCOUNT) as client:
        made = await established(client, phone)
        refers(phone, TARGET)
        await told(phone, 202, 100)
        refers(phone, "sip:2001@127.0.0.1")
        await told(phone, 491)
        await made.command("transfer", target="2002")
        assert (await client.receive("fail", method="transfer"))["info"] == "a transfer is under way"
        with target_of(phone):
            await phone.is_called()
            phone.refuse(404)
            await told(phone, 404)
        refers(phone, TARGET)
        await told(phone, 202, 100)
        with target_of(phone) as media:
            media.codecs = (Codec(payload_type=9, name="G722", clock_rate=8_000),)
            answers(phone, await phone.is_called())
            assert (await phone.event(CallEnded)).was_up
            await told(phone, 488)
        await heard_by(made, phone.media, b"still here")
        assert running(server) == 1


async def test_a_phone_names_only_whom_a_page_may_call_and_as_often(tmp_path: Path) -> None:
    async with (
        world(tmp_path, sip_max_calls_per_minute=2) as (server, phone),
        wcs_client(server.url("ws"), **ACCOUNT) as client,
    ):
        made = await established(client, phone)
        refers(phone, TARGET)
        await told(phone, 603)  # by default, nobody transfers a page
        server.live.replace(evolve(server.live.now, sip_accept_refer=True, sip_max_calls_per_session=1))
        for target, status in (
            ("sip:0049301234@127.0.0.1", 403),
            ("sip:2000@elsewhere.example", 403),
            (TARGET, 486),  # a second call of the session
            (TARGET, 486),  # the third in a minute, with the call itself
        ):
            refers(phone, target)
            await told(phone, status)
        desk = server.server.parts.sessions.calls
        assert desk is not None
        assert desk.services.counts.refused == {
            "sip.callee_deny": 1,
            "sip.servers": 1,
            "sip.max_calls_per_session": 1,
            "sip.max_calls_per_minute": 1,
        }
        await heard_by(made, phone.media, b"still here")
        assert running(server) == 1


async def test_the_call_of_a_phone_is_taken_over_if_a_page_might_call_whom_it_is_with(tmp_path: Path) -> None:
    account = ACCOUNT | {"sipRegisterRequired": True}
    async with world(tmp_path, **ON) as (server, phone), wcs_client(server.url("ws"), **account) as client:
        await client.receive("registered")
        phone.dials(phone.registered[-1], offer=phone.description(), caller="+49301234")
        made, foreign = await answered(client, phone), phone.call
        other = await established(client, phone)
        await other.command("transfer", target=made.id)
        assert (await client.receive("fail", method="transfer"))["info"] == CallInfo.CALLEE_REFUSED
        asked, phone.call = phone.call, foreign
        refers(phone, TARGET, replaces=asked)
        await told(phone, 202, 100)
        with target_of(phone) as media:
            arrived = await phone.is_called()
            assert ";to-tag=" in arrived.request.headers.get("Replaces")
            answers(phone, arrived)
            talk = await client.receive("talk", callId=made.id, caller="2000@127.0.0.1")
            assert (talk["status"], talk["incoming"]) == ("ESTABLISHED", True)
            await told(phone, 200)
            await heard_by(made, media, b"to the target")


async def answered(client: WcsClient, phone: SipPhone) -> PageCall:
    """The page takes the phone's call."""
    incoming = await client.receive("notifyIncomingCall")
    made = PageCall(client, incoming["callId"], MediaPeer(g711=True, video=None))
    client.peers.append(made.peer)
    (offer,) = client.of("setRemoteSDP", mediaSessionId=made.id)
    await made.command("answer", sdp=made.peer.call_answer(offer["sdp"]), incoming=True)
    phone.hear((await phone.event(CallAnswered)).description)
    await made.status("talk", "ESTABLISHED")
    await made.go()
    return made


async def test_who_comes_in_the_place_of_a_phone_gets_its_page(tmp_path: Path) -> None:
    async with world(tmp_path, **ON) as (server, phone), wcs_client(server.url("ws"), **ACCOUNT) as client:
        made = await established(client, phone)
        dialog = phone.agent._calls.calls[phone.call].known_dialog()
        wrong = replaces_of(dialog).replace(";to-tag=", ";to-tag=x")
        phone.dials(str(dialog.target), offer=phone.description(), Replaces=wrong)
        assert (await phone.event(CallEnded)).status == 481
        phone.dials(str(dialog.target), offer=phone.description(), Replaces=f"{replaces_of(dialog)};early-only")
        assert (await phone.event(CallEnded)).status == 486
        client.frames.clear()
        with target_of(phone) as media:
            phone.dials(str(dialog.target), offer=phone.description(), caller="carol", Replaces=replaces_of(dialog))
            phone.hear((await phone.event(CallAnswered)).description)
            assert (await made.status("talk", "ESTABLISHED"))["callee"] == "carol@127.0.0.1"
            assert (await phone.event(CallEnded)).was_up  # the phone whose place it was
            await heard_by(made, media, b"to carol")
            media.talk(b"from carol")
            await made.hears(b"from carol")
            phone.hang_up()
            await made.status("finish", "FINISH")
        assert running(server) == 0
