"""Transfers that a page orders: REFER to the phone, and what comes of it; through the whole server."""

from pathlib import Path

import trio
from attrs import evolve

from config.apps import ALL_METHODS, App, AppTable
from config.tables.apps_file import write_apps
from protocol.calls.info_texts import CallInfo
from protocol.sip.events import CallEnded, TransferAsked
from tests.support.calls.page_call import ACCOUNT, call, established, world
from tests.support.calls.sip_phone import SipPhone
from tests.support.hooks.backend import open_backend
from tests.support.hooks.behaviours import allow, app_config, deny, rewrite
from tests.support.servers.metrics import scrape
from tests.support.session.wcs_client import PATIENCE, wcs_client


def takes_refers(phone: SipPhone) -> None:
    """The phone follows REFER."""
    phone.agent._core.world = evolve(phone.agent._core.world, accepts_refer=True)


async def asked(phone: SipPhone) -> TransferAsked:
    """The phone is asked to call somebody else, and will."""
    event = await phone.event(TransferAsked)
    phone.does("answer_transfer", 202)
    return event


async def test_a_phone_is_transferred_and_the_call_is_over(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, phone), wcs_client(server.url("ws"), **ACCOUNT) as client:
        takes_refers(phone)
        made = await established(client, phone)
        await made.command("transfer", target="0049301234")
        assert (await client.receive("fail", method="transfer"))["info"] == CallInfo.CALLEE_REFUSED
        client.frames.clear()
        await made.command("transfer", target="2000")
        assert str((await asked(phone)).target) == "sip:2000@127.0.0.1"
        phone.does("tell_transfer", 180, "Ringing")
        phone.does("tell_transfer", 200, "OK")
        assert (await client.receive("notifyTransferEvent", callId=made.id))["status"] == "COMPLETED"
        assert (await made.status("finish", "FINISH"))["info"] == CallInfo.TRANSFERRED
        assert (await phone.event(CallEnded)).was_up
        assert len(client.of("notifyTransferEvent")) == 1
        seen = await scrape(server.server.metrics)
        for result, count in (("completed", 1), ("refused", 1), ("failed", 0)):
            assert seen.value("wcsd_sip_transfers_total", by="page", result=result) == count
            assert seen.value("wcsd_sip_transfers_total", by="phone", result=result) == 0


async def test_a_call_whose_transfer_fails_goes_on(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, phone), wcs_client(server.url("ws"), **ACCOUNT) as client:
        early = await call(client)
        await phone.is_called()
        await early.command("transfer", target="2000")
        assert (await client.receive("fail", method="transfer"))["info"] == "the call is not up"
        await early.command("hangup")
        await early.status("finish", "FINISH")
        client.frames.clear()
        made = await established(client, phone)
        await made.command("transfer", target="2000")  # this phone follows nobody
        assert (await client.receive("fail", method="transfer", callId=made.id))["info"].startswith("603")
        client.frames.clear()
        takes_refers(phone)
        await made.command("transfer", target="2000")
        await asked(phone)
        phone.does("tell_transfer", 486, "Busy Here")
        assert (await client.receive("fail", method="transfer", callId=made.id))["info"] == "486 Busy Here"
        assert not client.of("notifyTransferEvent")
        made.speak(b"still here")
        assert (await phone.media.hear())[-1].payload == b"still here"


async def test_two_phones_of_a_page_are_connected(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, phone), wcs_client(server.url("ws"), **ACCOUNT) as client:
        takes_refers(phone)
        first = await established(client, phone)
        second = await established(client, phone)
        await second.command("transfer", target=first.id)
        event = await asked(phone)
        assert event.replaces is not None
        assert event.target.user == "1000"


async def test_a_caller_who_rings_is_nobody_to_transfer_to(tmp_path: Path) -> None:
    """It would be called under the number that it shows, which no rule has allowed."""
    account = ACCOUNT | {"sipRegisterRequired": True}
    async with world(tmp_path) as (server, phone), wcs_client(server.url("ws"), **account) as client:
        await client.receive("registered")
        takes_refers(phone)
        made = await established(client, phone)
        phone.dials(phone.registered[-1], offer=phone.description())
        ringing = await client.receive("notifyIncomingCall", status="RING")
        await made.command("transfer", target=ringing["callId"])
        assert (await client.receive("fail", method="transfer", callId=made.id))["info"] == "the other call is not up"


async def test_a_transfer_counts_as_an_attempt_to_call(tmp_path: Path) -> None:
    async with (
        world(tmp_path, sip_max_calls_per_minute=2) as (server, phone),
        wcs_client(server.url("ws"), **ACCOUNT) as client,
    ):
        made = await established(client, phone)
        await made.command("transfer", target="2000")  # this phone follows nobody
        assert (await client.receive("fail", method="transfer"))["info"].startswith("603")
        client.frames.clear()
        await made.command("transfer", target="2001")
        assert (await client.receive("fail", method="transfer"))["info"] == CallInfo.TOO_MANY_ATTEMPTS
        assert server.server.parts.sessions.calls is not None
        assert server.server.parts.sessions.calls.services.limits.refused == {"sip.max_calls_per_minute": 1}


async def test_a_backend_decides_about_transfers_and_is_told_of_them(tmp_path: Path) -> None:
    async with open_backend() as backend:
        (tmp_path / "state").mkdir(mode=0o700)
        app = App(name="defaultApp", key="defaultApp", url=backend.url, methods=frozenset(ALL_METHODS))
        (tmp_path / "state" / "apps.toml").write_text(write_apps(AppTable(apps=(app,))))
        config = app_config(transfer={"restOnError": "FAIL"})
        backend.script("connect", rewrite(restClientConfig=config))
        backend.script("transfer", deny(info="not there"), allow)
        async with world(tmp_path) as (server, phone), wcs_client(server.url("ws"), **ACCOUNT) as client:
            takes_refers(phone)
            made = await established(client, phone)
            await made.command("transfer", target="2000")
            assert (await client.receive("fail", method="transfer"))["info"] == "not there"
            await made.command("transfer", target="2000")
            await asked(phone)
            phone.does("tell_transfer", 200, "OK")
            await made.status("finish", "FINISH")
            with trio.fail_after(PATIENCE):
                told = await backend.wait_for("TransferStatusEvent", count=2)
    assert [each.body["status"] for each in told] == ["TRYING", "COMPLETED"]
    assert {each.body["target"] for each in told} == {"2000"}
