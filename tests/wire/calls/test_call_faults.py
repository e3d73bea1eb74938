"""Calls of pages and phones that do not do as they should."""

from pathlib import Path

import pytest

from actors.calls import received_call
from actors.runtime.logs import TextLines
from protocol.calls.info_texts import CallInfo
from protocol.sip.accounts.servers import read_servers
from protocol.sip.events import (
    CallAnswered,
    CallEnded,
    OfferAccepted,
    OfferArrived,
)
from protocol.webrtc.sdp import Direction
from tests.support.calls.page_call import ACCOUNT, PageCall, call, established, world
from tests.support.session.wcs_client import wcs_client
from tests.support.webrtc.media_peer import MediaPeer


async def test_who_holds_and_goes_on_at_once_is_heard_though_the_phone_refuses_the_hold(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, phone), wcs_client(server.url("ws"), **ACCOUNT) as client:
        made = await established(client, phone)
        await made.command("hold")
        await phone.event(OfferArrived)
        await made.command("unhold")
        await made.command("sendDtmf", dtmf="x")
        await client.receive("fail", method="sendDtmf")  # so the other wish has been looked at
        phone.does("refuse_offer")
        await client.receive("fail", method="hold")
        made.speak(b"still heard")
        while b"still heard" not in [packet.payload for packet in phone.media.received]:
            await phone.media.hear(len(phone.media.received) + 1)  # behind silence from the hold
        await made.command("hold")
        phone.does("accept_offer", phone.description((await phone.event(OfferArrived)).offer, Direction.RECVONLY))
        await made.status("hold", "HOLD")


async def test_a_call_lasts_and_a_page_rings_no_longer_than_they_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(received_call, "RING_TIMEOUT", 0.2)
    account = ACCOUNT | {"sipRegisterRequired": True}
    async with (
        world(tmp_path, sip_max_call_duration=0.2) as (server, phone),
        wcs_client(server.url("ws"), **account) as client,
    ):
        await client.receive("registered", sipLogin="alice")
        phone.dials(phone.registered[0], offer=phone.description())
        rung = await client.receive("finish", status="FINISH")
        assert rung["info"] == CallInfo.NOT_ANSWERED
        assert (await phone.event(CallEnded)).status == 480
        client.frames.clear()
        made = await call(client)
        phone.does("answer", phone.description((await phone.is_called()).offer))
        assert (await made.status("finish", "FINISH"))["info"] == CallInfo.TOO_LONG
        assert (await phone.event(CallEnded)).status == 200


async def test_media_is_not_sent_to_whom_a_phone_names_that_cannot_be_one(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, phone), wcs_client(server.url("ws"), **ACCOUNT) as client:
        made = await call(client)
        description = phone.description((await phone.is_called()).offer)
        phone.does("answer", description.replace(b"IN IP4 127.0.0.1", b"IN IP4 224.0.0.251"))
        assert (await made.status("finish", "FAILED"))["info"] == CallInfo.FAILED_BY_MEDIA
        assert (await phone.event(CallEnded)).was_up


async def test_a_phone_that_calls_without_an_offer_and_never_says_where_it_is_has_no_call(tmp_path: Path) -> None:
    account = ACCOUNT | {"sipRegisterRequired": True}
    async with world(tmp_path) as (server, phone), wcs_client(server.url("ws"), **account) as client:
        await client.receive("registered", sipLogin="alice")
        phone.dials(phone.registered[0], offer=b"")
        incoming = await client.receive("notifyIncomingCall")
        made = PageCall(client, incoming["callId"], MediaPeer(g711=True, video=None))
        client.peers.append(made.peer)
        (offer,) = client.of("setRemoteSDP", mediaSessionId=made.id)
        await made.command("answer", sdp=made.peer.call_answer(offer["sdp"]), incoming=True)
        assert (await phone.event(CallAnswered)).description
        assert (await made.status("finish", "FAILED"))["info"] == CallInfo.FAILED_BY_MEDIA
        assert (await phone.event(CallEnded)).was_up


async def test_a_phone_that_makes_no_offers_answers_ours_in_its_acks(tmp_path: Path) -> None:
    account = ACCOUNT | {"sipRegisterRequired": True}
    async with world(tmp_path) as (server, phone), wcs_client(server.url("ws"), **account) as client:
        phone.answers_late = True
        await client.receive("registered", sipLogin="alice")
        phone.dials(phone.registered[0], offer=b"")
        incoming = await client.receive("notifyIncomingCall")
        made = PageCall(client, incoming["callId"], MediaPeer(g711=True, video=None))
        client.peers.append(made.peer)
        (offer,) = client.of("setRemoteSDP", mediaSessionId=made.id)
        await made.command("answer", sdp=made.peer.call_answer(offer["sdp"]), incoming=True)
        await made.status("talk", "ESTABLISHED")
        await made.go()
        await phone.event(CallAnswered)
        for word in (b"after the first", b"after the second"):
            phone.media.talk(word)
            await made.hears(word)
            made.speak(word)
            while word not in [packet.payload for packet in phone.media.received]:
                await phone.media.hear(len(phone.media.received) + 1)
            phone.does("offer", b"")  # a re-INVITE that wants an offer
            assert (await phone.event(OfferAccepted)).description
        assert client.of("finish") == []


async def test_what_refuses_calls_is_logged_and_counted_by_setting_and_never_by_what_a_page_says(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with world(tmp_path, sip_servers=read_servers("*")) as (server, phone):
        async with wcs_client(server.url("ws"), **ACCOUNT) as client:
            made = await call(client)
            assert (await made.status("finish", "FAILED"))["info"] == CallInfo.DOMAIN_REFUSED
            for callee in ("1000\r\nX: y", "+49301234"):
                await (await call(client, callee)).status("finish", "FAILED")
        desk = server.server.parts.sessions.calls
        assert desk is not None
        assert desk.services.counts.refused == {"sip.servers": 1, "sip.callee_deny": 1, "other": 1}
        assert phone.events == []
    refusals = [TextLines().format(each) for each in caplog.records if "call refused" in each.getMessage()]
    assert ["detail=sip.servers" in refusals[0], "detail=sip.callee_deny" in refusals[-1]] == [True, True]
    assert len(refusals) == 3
    assert not any("\n" in line or "X: y" in line for line in refusals)
