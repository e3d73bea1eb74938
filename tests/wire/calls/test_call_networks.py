"""Calls over bad networks: server and phone each behind a NAT, and SIP by UDP that loses one message in ten."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from actors.calls.call import PhoneCall
from actors.calls.sip.endpoint import SipEndpoint
from protocol.calls import latching
from protocol.sip.accounts.servers import read_servers
from protocol.sip.events import CallAcknowledged, CallAnswered, CallArrived, CallEnded, OfferAccepted
from tests.support.calls.page_call import ACCOUNT, PageCall, call
from tests.support.calls.plain_phone import PlainPhone
from tests.support.calls.sip_phone import SipPhone, sip_phone
from tests.support.media.media_rig import until
from tests.support.network.lossy_relay import LossyRelay, Network
from tests.support.network.nat import Nat
from tests.support.servers.full_server import FullServer, full_server
from tests.support.session.wcs_client import PATIENCE, WcsClient, wcs_client
from tests.support.webrtc.media_peer import MediaPeer

PROXY = "127.0.0.2"
"""Where the server finds the phone: a relay stands there, on the phone's port."""
SEEN, PHONE_SEEN = "127.0.0.3", "127.0.0.4"
"""Where each side's NAT makes it appear."""
NOWHERE = "127.9.9.9"
"""What the phone takes for its address."""
CALLS = 10
HANGS_UP = "2000"
"""A callee who ends each call."""
SEED = 474
"""Of the first fifty messages seven are lost on their way to the phone, the very first among them, and five back."""
LOST_TO_THE_PHONE, LOST_BACK = b"ACK ", b"BYE "
"""Lost besides, once each, for which messages chance meets depends on their order: the phone has to repeat itself."""


@asynccontextmanager
async def serving(folder: Path, phone: SipPhone, **settings: Any) -> AsyncIterator[tuple[FullServer, WcsClient]]:
    """A server that reaches the phone by way of the relay, and a page that is registered there."""
    servers = read_servers(f"{PROXY}:{phone.address[1]}")
    given = {"sip_servers": servers, "port_from": 0, "sip_address": "127.0.0.1", **settings}
    account = ACCOUNT | {"sipDomain": PROXY, "sipRegisterRequired": True}
    async with full_server(folder, **given) as server, wcs_client(server.url("ws"), **account) as client:
        await client.receive("registered", sipLogin="alice")
        yield server, client


def endpoint_of(server: FullServer) -> SipEndpoint:
    desk = server.server.parts.sessions.calls
    assert desk is not None
    return desk._endpoint


def strays_of(server: FullServer, made: PageCall) -> int:
    """How many packets were nobody's of this call."""
    desk = server.server.parts.sessions.calls
    running = desk and desk.services.table.get(made.id)
    assert isinstance(running, PhoneCall)
    assert running._ends.leg is not None
    return running._ends.leg.statistics().stray


async def is_answered(client: WcsClient, phone: SipPhone) -> PageCall:
    """The page answers the call that has come; it rings until then."""
    incoming = await client.receive("notifyIncomingCall")
    made = PageCall(client, incoming["callId"], MediaPeer(g711=True, video=None))
    client.peers.append(made.peer)
    (offer,) = client.of("setRemoteSDP", mediaSessionId=made.id)
    await made.command("answer", sdp=made.peer.call_answer(offer["sdp"]), incoming=True)
    phone.hear((await phone.event(CallAnswered)).description)
    await made.status("talk", "ESTABLISHED")
    return made


async def hears(phone: SipPhone, made: PageCall, word: bytes) -> None:
    made.speak(word)
    while word not in [packet.payload for packet in phone.media.received]:
        await phone.media.hear(len(phone.media.received) + 1)


async def test_a_page_is_called_behind_a_nat_by_a_phone_behind_another_and_nobody_takes_the_call_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latching, "WINDOW", PATIENCE)  # the page connects within it
    async with sip_phone(named=NOWHERE) as phone, trio.open_nursery() as nursery:
        between = Nat((PROXY, phone.address[1]), phone.address, outside=SEEN)
        nursery.start_soon(between.run)
        async with serving(tmp_path, phone) as (server, client):
            await until(lambda: f"@{SEEN}:" in phone.registered[-1])  # the phone's side sees it there, and says so
            phone.dials(phone.registered[-1], offer=phone.description())
            made = await is_answered(client, phone)
            await made.go()
            media, stranger = phone.media, PlainPhone(server=phone.media.server, ssrc=666)
            around = Nat((PHONE_SEEN, phone.media.server[1]), phone.media.server, outside=PHONE_SEEN)
            nursery.start_soon(around.run)
            media.server = around.inside
            media.talk(b"from behind a NAT")
            await made.hears(b"from behind a NAT")
            await hears(phone, made, b"back through it")
            await nobody_else_is(made, phone, stranger, (b"one", b"two", b"three"))
            strays = strays_of(server, made)
            around.rebind()
            media.talk(b"from another port")
            await until(lambda: strays_of(server, made) == strays + 1)
            phone.does("offer", phone.description())  # only this opens the call for another source
            await phone.event(OfferAccepted)
            media.talk(b"found again")
            await made.hears(b"found again")
            await hears(phone, made, b"and heard")
            await nobody_else_is(made, phone, stranger, (b"four", b"five", b"six"))
            assert b"from another port" not in [packet.payload for packet in made.peer.received]
            await made.command("hangup")
            await made.status("finish", "FINISH")
            assert (await phone.event(CallEnded)).was_up
            stranger.close()
        nursery.cancel_scope.cancel()


async def nobody_else_is(made: PageCall, phone: SipPhone, stranger: PlainPhone, words: Sequence[bytes]) -> None:
    """A stranger who sends as much as the phone does is neither heard nor sent anything. `words`: not said before."""
    for word in words:
        stranger.talk(b"bleed")
        phone.media.talk(word)
        await made.hears(word)
        await hears(phone, made, b"to " + word)
    assert b"bleed" not in [packet.payload for packet in made.peer.received]
    try:
        stranger._rtp.recv(2048)
    except BlockingIOError:
        return
    raise AssertionError("the stranger was sent the call")


async def test_registrations_and_calls_get_through_where_one_message_in_ten_is_lost(tmp_path: Path) -> None:
    async with sip_phone(named=PROXY) as phone, trio.open_nursery() as nursery:
        ended: list[str] = []
        with LossyRelay((PROXY, phone.address[1]), phone.address, seed=SEED) as relay:
            relay.up.network = relay.down.network = Network(loss=0.1)
            relay.up.lost_once, relay.down.lost_once = {LOST_TO_THE_PHONE}, {LOST_BACK}
            limits = {"sip_max_calls_per_session": CALLS, "sip_max_calls_per_minute": CALLS}
            async with serving(tmp_path, phone, **limits) as (server, client):
                nursery.start_soon(takes_all, phone, ended)
                async with trio.open_nursery() as calls:
                    for number in range(CALLS):
                        calls.start_soon(talks, client, HANGS_UP if number % 2 else "1000")
                await until(lambda: len(ended) == CALLS)
                endpoint = endpoint_of(server)
                assert endpoint.call_count == 0
                assert min(endpoint.traffic.repeated["out"], phone.agent.traffic.repeated["out"]) > 0
        assert min(relay.up.lost, relay.down.lost) > 3
        assert not relay.up.lost_once | relay.down.lost_once
        nursery.cancel_scope.cancel()


async def talks(client: WcsClient, callee: str) -> None:
    """A call that the page ends, unless the phone does."""
    made = await call(client, callee)
    await made.status("talk", "ESTABLISHED")
    if callee != HANGS_UP:
        await made.command("hangup")
    await made.status("finish", "FINISH")


async def takes_all(phone: SipPhone, ended: list[str]) -> None:
    """The phone answers each call at once, and ends those that it is to end."""
    shorts = set()
    while True:
        match await phone.next_event():
            case CallArrived() as event:
                phone.call = event.call
                if event.callee.user == HANGS_UP:
                    shorts.add(event.call)
                phone.does("ring")
                phone.does("answer", phone.description(event.offer))
            case CallAcknowledged() as event if event.call in shorts:
                phone.call = event.call
                phone.hang_up()
                ended.append(event.call)
            case CallEnded() as event:
                ended.append(event.call)
