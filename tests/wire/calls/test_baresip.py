"""Calls with a phone of others: baresip, registered at Kamailio as pages are. Tones prove who hears whom."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio

from protocol.sip.accounts.servers import read_servers
from tests.support.calls.baresip import Baresip, baresip
from tests.support.calls.kamailio import PASSWORD, kamailio
from tests.support.calls.page_call import PageCall, call
from tests.support.calls.tones import heard, strongest, voice
from tests.support.servers.full_server import FullServer, full_server
from tests.support.session.wcs_client import WcsClient, wcs_client
from tests.support.webrtc.media_peer import MediaPeer

PAGE, PHONE, OTHER = 450, 1000, 2000
"""The tones, in Hz, that either side says."""
TONES = (PAGE, PHONE, OTHER)
ENOUGH = 25
"""Packets that a tone is known by: half a second."""


@asynccontextmanager
async def world(folder: Path) -> AsyncIterator[tuple[FullServer, Baresip, dict[str, Any]]]:
    """A server, a phone, and the account of a page at the same Kamailio."""
    (folder / "kamailio").mkdir()
    with kamailio(folder / "kamailio") as port:
        account = {"sipLogin": "alice", "sipPassword": PASSWORD, "sipDomain": "127.0.0.1", "sipRegisterRequired": True}
        servers = read_servers(f"127.0.0.1:{port}")
        async with (
            full_server(
                folder, sip_servers=servers, port_from=0, sip_address="127.0.0.1", sip_accept_refer=True
            ) as server,
            baresip(folder / "phone", "bob", port, tone=PHONE) as phone,
        ):
            yield server, phone, account | {"sipPort": str(port)}


async def speak(made: PageCall) -> None:
    """The page says its tone, in the pace of a voice, until cancelled."""
    payload, began = voice(PAGE), trio.current_time()
    while True:
        made.speak(payload)
        await trio.sleep_until(began + made.sequence * 0.02)


async def hears_the_phone(made: PageCall, tone: int = PHONE) -> None:
    """What the page hears from now on is the phone's tone."""
    before = len(made.peer.received)
    await made.peer.until_received(before + ENOUGH)
    assert heard((packet.payload for packet in made.peer.received[before:]), TONES) == tone


async def each_holds(made: PageCall, client: WcsClient, phone: Baresip) -> None:
    """Whoever holds, the page is not told twice, and both are heard afterwards."""
    for begin, end in (("page", "page"), ("phone", "phone")):
        client.frames.clear()
        await (made.command("hold") if begin == "page" else phone.does("hold"))
        await made.status("hold", "HOLD")
        await (made.command("unhold") if end == "page" else phone.resumes())
        await made.status("talk", "ESTABLISHED")
        await hears_the_phone(made)


async def test_a_page_calls_baresip_with_digits_and_holds(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, phone, account), wcs_client(server.url("ws"), **account) as client:
        made = await call(client, "bob")
        await phone.event("CALL_ESTABLISHED")
        await made.connect()
        await made.status("talk", "ESTABLISHED")
        client.nursery.start_soon(speak, made)
        await hears_the_phone(made)
        for kind, digit in (("RFC2833", "5"), ("INFO_RELAY", "7")):
            await made.command("sendDtmf", type=kind, dtmf=digit)
            assert (await phone.event("CALL_DTMF_START"))["param"] == digit
        await each_holds(made, client, phone)
        await phone.does("hangup")
        await made.status("finish", "FINISH")
        await phone.event("CALL_CLOSED")
        (recorded,) = await phone.recordings()
        assert strongest(recorded[-4000:], TONES) == PAGE


async def test_baresip_calls_a_page_and_has_it_go_on_with_another_phone(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, phone, account), wcs_client(server.url("ws"), **account) as client:
        await client.receive("registered", sipLogin="alice")
        await phone.does("dial", f"sip:alice@127.0.0.1:{account['sipPort']}")
        incoming = await client.receive("notifyIncomingCall", caller="bob@127.0.0.1")
        made = PageCall(client, incoming["callId"], MediaPeer(g711=True, video=None))
        client.peers.append(made.peer)
        (offer,) = client.of("setRemoteSDP", mediaSessionId=made.id)
        await made.command("answer", sdp=made.peer.call_answer(offer["sdp"]), incoming=True)
        await made.status("talk", "ESTABLISHED")
        await phone.event("CALL_ESTABLISHED")
        await made.go()
        client.nursery.start_soon(speak, made)
        await hears_the_phone(made)
        await is_transferred(made, phone, tmp_path / "other", int(account["sipPort"]))
        (recorded,) = await phone.recordings()
        assert strongest(recorded[-4000:], TONES) == PAGE


async def is_transferred(made: PageCall, phone: Baresip, folder: Path, port: int) -> None:
    """The phone has the page go on with another one, and is out of it."""
    async with baresip(folder, "carol", port, tone=OTHER) as other:
        await phone.does("transfer", f"sip:carol@127.0.0.1:{port}")
        await made.client.receive("talk", callId=made.id, caller="carol@127.0.0.1")
        await phone.event("CALL_CLOSED")
        await hears_the_phone(made, OTHER)
        await made.command("hangup")
        await made.status("finish", "FINISH")
        await other.event("CALL_CLOSED")
        (recorded,) = await other.recordings()
        assert strongest(recorded[-4000:], TONES) == PAGE
