"""Calls whose media is SRTP towards the phone, with keys in SDP (RFC 4568), through the whole server."""

import base64
from pathlib import Path

import pytest

from actors.runtime.logs import TextLines
from protocol.calls.info_texts import CallInfo
from protocol.calls.protection import SdesRule
from protocol.sip.events import CallAcknowledged, CallAnswered, CallEnded, OfferArrived
from protocol.sip.messages.media_description import AudioDescription, parse_description
from protocol.webrtc.sdp import Direction
from tests.support.calls.page_call import ACCOUNT, PageCall, call, world
from tests.support.calls.sip_phone import SipPhone
from tests.support.session.wcs_client import wcs_client
from tests.support.webrtc.media_peer import MediaPeer


def audio_of(description: bytes | None) -> AudioDescription:
    assert description is not None
    return parse_description(description).audio


async def said_and_heard(made: PageCall, phone: SipPhone, word: bytes) -> None:
    """Both sides say it, and hear it."""
    made.speak(word)
    while word not in [packet.payload for packet in phone.media.received]:
        await phone.media.hear(len(phone.media.received) + 1)
    phone.media.talk(word)
    await made.hears(word)


async def test_a_page_calls_a_phone_by_srtp_and_holds_the_call_and_nobody_logs_the_keys(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", logger="wcsd")
    async with (
        world(tmp_path, sip_sdes=SdesRule.ALWAYS) as (server, phone),
        wcs_client(server.url("ws"), **ACCOUNT) as client,
    ):
        phone.secret = bytes(range(30))
        made = await call(client)
        arrived = await phone.is_called()
        phone.does("answer", phone.description(arrived.offer))
        await phone.event(CallAcknowledged)
        await made.connect()
        await made.status("talk", "ESTABLISHED")
        await said_and_heard(made, phone, b"before")
        await made.command("hold")
        offer = (await phone.event(OfferArrived)).offer
        assert audio_of(offer).crypto == audio_of(arrived.offer).crypto
        phone.does("accept_offer", phone.description(offer, Direction.RECVONLY))
        await made.status("hold", "HOLD")
        client.frames.clear()
        await made.command("unhold")
        phone.does("accept_offer", phone.description((await phone.event(OfferArrived)).offer))
        await made.status("talk", "ESTABLISHED")
        await said_and_heard(made, phone, b"after")
    lines = "\n".join(TextLines().format(record) for record in caplog.records if record.name.startswith("wcsd"))
    assert f"call ended id={made.id}" in lines
    for secret in (audio_of(arrived.offer).crypto[0].key, phone.secret):
        assert base64.b64encode(secret).decode() not in lines
        assert base64.b64encode(secret).decode() not in str((client.frames, arrived))
    assert ACCOUNT["sipPassword"] not in lines


async def test_a_phone_that_refuses_srtp_is_called_with_plain_rtp(tmp_path: Path) -> None:
    async with (
        world(tmp_path, sip_sdes=SdesRule.ALWAYS) as (server, phone),
        wcs_client(server.url("ws"), **ACCOUNT) as client,
    ):
        made = await call(client)
        await phone.is_called()
        phone.refuse(488)
        arrived = await phone.is_called()
        assert not audio_of(arrived.offer).is_secure
        phone.does("answer", phone.description(arrived.offer))
        await made.connect()
        await made.status("talk", "ESTABLISHED")
        await said_and_heard(made, phone, b"in the clear")


async def test_a_phone_calls_by_srtp(tmp_path: Path) -> None:
    account = ACCOUNT | {"sipRegisterRequired": True}
    async with (
        world(tmp_path, sip_sdes=SdesRule.ALWAYS) as (server, phone),
        wcs_client(server.url("ws"), **account) as client,
    ):
        phone.secret = bytes(range(30))
        await client.receive("registered", sipLogin="alice")
        phone.dials(phone.registered[0], offer=phone.description())
        incoming = await client.receive("notifyIncomingCall")
        made = PageCall(client, incoming["callId"], MediaPeer(g711=True, video=None))
        client.peers.append(made.peer)
        (offer,) = client.of("setRemoteSDP", mediaSessionId=made.id)
        await made.command("answer", sdp=made.peer.call_answer(offer["sdp"]), incoming=True)
        phone.hear((await phone.event(CallAnswered)).description)
        await made.go()
        await said_and_heard(made, phone, b"hello")


async def test_where_srtp_is_required_and_keys_could_be_read_there_is_no_call(tmp_path: Path) -> None:
    account = ACCOUNT | {"sipRegisterRequired": True}
    async with (
        world(tmp_path, sip_sdes=SdesRule.REQUIRED) as (server, phone),
        wcs_client(server.url("ws"), **account) as client,
    ):
        made = await call(client)
        assert (await made.status("finish", "FAILED"))["info"] == CallInfo.NO_SRTP
        await client.receive("registered", sipLogin="alice")
        phone.dials(phone.registered[0], offer=phone.description())
        assert (await phone.event(CallEnded)).status == 488
        assert phone.events == []
