"""A page's calls when SIP does what it may do: written messages at one end, a page of a whole server at the other."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from actors.calls.sip import endpoint as endpoint_module
from protocol.sip.accounts.servers import read_servers
from protocol.sip.calls.outgoing_call import Invitation
from protocol.sip.messages.headers import NameAddress, parse_name_address, parse_uri
from protocol.sip.messages.media_description import parse_description
from protocol.sip.messages.message import RequestMessage, ResponseMessage
from tests.support.calls.page_call import ACCOUNT, PageCall, call
from tests.support.calls.plain_phone import PlainPhone
from tests.support.calls.sip_network import OFFER
from tests.support.calls.sip_peer import CHALLENGE, Holder, UdpPeer, answer_to, sip_endpoint, udp_peer
from tests.support.servers.full_server import full_server
from tests.support.session.wcs_client import WcsClient, wcs_client
from tests.support.webrtc.media_peer import MediaPeer

SDP = ("Content-Type", "application/sdp")
RELIABLE = (("Require", "100rel"), ("RSeq", "1"))


@asynccontextmanager
async def world(folder: Path, **account: Any) -> AsyncIterator[tuple[UdpPeer, WcsClient]]:
    """A server of SIP that does what is written, and a page."""
    async with udp_peer() as peer:
        servers = read_servers(f"127.0.0.1:{peer.hop.port}")
        async with full_server(folder, sip_servers=servers, port_from=0, sip_address="127.0.0.1") as server:
            async with wcs_client(server.url("ws"), **ACCOUNT | account) as client:
                yield peer, client
            if account.get("sipRegisterRequired"):
                await gives_back(peer)


def speaks(media: PlainPhone) -> bytes:
    """The description of a phone."""
    host, port = media.address
    return (
        f"v=0\r\no=- 1 1 IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
        f"a=rtpmap:0 PCMU/8000\r\n"
    ).encode()


async def answer(
    peer: UdpPeer, invite: RequestMessage, status: int, *headers: Any, tag: str = "one", body: bytes = b""
) -> None:
    """Answer a call as the phone of this tag."""
    fields = (("Contact", f"<sip:{tag}@127.0.0.1:{peer.hop.port}>"), *([SDP] if body else []), *headers)
    await peer.send(answer_to(invite, status, *fields, body=body).replace(b"tag=peer", f"tag={tag}".encode()))


async def gives_back(peer: UdpPeer) -> None:
    """The page's registration ends with its session; what was under way before does not matter."""
    while not isinstance(found := await peer.receive(), RequestMessage) or found.method != "REGISTER":
        pass
    await peer.answer(found, 200)


async def says_bye(peer: UdpPeer, request: RequestMessage) -> None:
    assert request.method == "BYE"
    await peer.answer(request, 200)


async def test_progress_that_wants_an_acknowledgement_gets_it_and_its_media_is_heard(tmp_path: Path) -> None:
    media = PlainPhone()
    async with world(tmp_path) as (peer, client):
        made = await call(client)
        invite = await peer.request("INVITE")
        assert "100rel" in invite.headers.tokens("Supported")
        offered = parse_description(invite.body).audio
        await answer(peer, invite, 183, *RELIABLE, body=speaks(media))
        acknowledged = await peer.request("PRACK")
        assert acknowledged.headers.get("RAck") == f"1 {invite.headers.get('CSeq')}"
        await peer.answer(acknowledged, 200)
        await made.connect()
        await made.status("ring", "RING_MEDIA")
        media.server = (offered.address, offered.port)
        media.talk(b"a ringing tone")
        await made.hears(b"a ringing tone")
        await answer(peer, invite, 200)  # the description has been told
        await peer.request("ACK")
        await made.status("talk", "ESTABLISHED")
        await made.command("hangup")
        await says_bye(peer, await peer.request("BYE"))
    media.close()


async def test_of_two_phones_that_answer_the_first_one_is_the_call(tmp_path: Path) -> None:
    first, second = PlainPhone(), PlainPhone()
    async with world(tmp_path) as (peer, client):
        made = await call(client)
        invite = await peer.request("INVITE")
        for tag in ("one", "two"):
            await answer(peer, invite, 180, tag=tag)
        for tag, media in (("two", second), ("one", first)):
            await answer(peer, invite, 200, tag=tag, body=speaks(media))
        acknowledged = [await peer.request("ACK"), await peer.request("ACK")]
        assert [parse_name_address(ack.headers.get("To")).tag for ack in acknowledged] == ["two", "one"]
        bye = await peer.request("BYE")
        assert parse_name_address(bye.headers.get("To")).tag == "one"
        await says_bye(peer, bye)
        await made.connect()
        await made.status("talk", "ESTABLISHED")
        made.speak(b"to the second")
        assert (await second.hear())[0].payload == b"to the second"
        assert len(client.of("setRemoteSDP")) == len(client.of("talk")) == 1
        await made.command("hangup")
        await says_bye(peer, await peer.request("BYE"))
    for media in (first, second):
        media.close()


async def test_an_answer_that_crosses_a_hang_up_is_ended(tmp_path: Path) -> None:
    media = PlainPhone()
    async with world(tmp_path) as (peer, client):
        made = await call(client)
        invite = await peer.request("INVITE")
        await answer(peer, invite, 180)
        await made.status("ring", "RING")
        await made.command("hangup")
        cancel = await peer.request("CANCEL")
        await answer(peer, invite, 200, body=speaks(media))
        await peer.answer(cancel, 200)
        await peer.request("ACK")
        await says_bye(peer, await peer.request("BYE"))
        await made.status("finish", "FINISH")
        assert client.of("talk") == []
    media.close()


@pytest.mark.parametrize(("stale", "tries"), [("", 2), (", stale=true", 3)])
async def test_a_server_that_asks_for_the_password_again_and_again_is_left(
    tmp_path: Path, stale: str, tries: int
) -> None:
    async with world(tmp_path) as (peer, client):
        made = await call(client)
        for number in range(tries):
            invite = await peer.request("INVITE")
            assert invite.headers.has("Proxy-Authorization") is (number > 0)
            asked = f'Digest realm="test", nonce="n{number}", qop="auth", algorithm=SHA-256{stale}'
            await peer.answer(invite, 407, ("Proxy-Authenticate", asked))
            await peer.request("ACK")
        finished = await made.status("finish", "FAILED")
        assert finished["sipStatus"] == 407
        assert ACCOUNT["sipPassword"] not in str(client.frames)


async def test_a_call_gives_no_digest_to_another_realm_than_the_one_that_has_registered_the_account(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, sipRegisterRequired=True) as (peer, client):
        await peer.answer(await peer.request("REGISTER"), 401, CHALLENGE)
        await peer.answer(await peer.request("REGISTER"), 200)
        await client.receive("registered")
        made = await call(client)
        asked = 'Digest realm="of the phone", nonce="chosen by it", qop="auth", algorithm=SHA-256'
        invite = await peer.request("INVITE")
        await peer.answer(invite, 100)  # the server sends it on
        await peer.answer(invite, 407, ("Proxy-Authenticate", asked))
        await peer.request("ACK")
        assert (await made.status("finish", "FAILED"))["sipStatus"] == 407


async def test_a_call_is_made_where_the_proxy_is_of_another_realm_than_the_registrar(tmp_path: Path) -> None:
    async with world(tmp_path, sipRegisterRequired=True) as (peer, client):
        await peer.answer(await peer.request("REGISTER"), 401, CHALLENGE)
        await peer.answer(await peer.request("REGISTER"), 200)
        await client.receive("registered")
        for _ in range(2):
            made = await call(client)
            asked = 'Digest realm="of the proxy", nonce="n", qop="auth", algorithm=SHA-256'
            await peer.answer(await peer.request("INVITE"), 407, ("Proxy-Authenticate", asked))
            await peer.request("ACK")
            invite = await peer.request("INVITE")
            assert 'realm="of the proxy"' in invite.headers.get("Proxy-Authorization")
            await peer.answer(invite, 486)
            await peer.request("ACK")
            assert (await made.status("finish", "BUSY"))["sipStatus"] == 486


@pytest.mark.parametrize(("status", "shown"), [(302, "FAILED"), (503, "FAILED"), (500, "FAILED")])
async def test_whoever_redirects_or_cannot_take_a_call_has_refused_it(tmp_path: Path, status: int, shown: str) -> None:
    async with world(tmp_path) as (peer, client), udp_peer() as elsewhere:
        made = await call(client)
        invite = await peer.request("INVITE")
        await peer.answer(invite, status, ("Contact", f"<sip:000900@127.0.0.1:{elsewhere.hop.port}>"))
        await peer.request("ACK")
        assert (await made.status("finish", shown))["sipStatus"] == status
        elsewhere.socket._sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            elsewhere.socket._sock.recv(1)


async def test_a_server_that_cannot_take_a_call_is_followed_by_the_next_one() -> None:
    async with udp_peer() as first, udp_peer() as second, sip_endpoint() as endpoint:
        invitation = Invitation(
            caller=NameAddress(uri=parse_uri("sip:alice@example.com")),
            callee=parse_uri("sip:bob@example.com"),
            hops=[first.hop, second.hop],
            offer=OFFER,
            contact_user="alice",
            contact_token="t",
        )
        line = endpoint.call(invitation, None, Holder().hear)
        await first.answer(await first.request("INVITE"), 503)
        await first.request("ACK")
        assert (await second.request("INVITE")).body == OFFER
        line.hang_up()


# -- calls that come to the page -------------------------------------------------------------------------------------


@asynccontextmanager
async def called(folder: Path, body: bytes) -> AsyncIterator[tuple[UdpPeer, PageCall, "Caller"]]:
    """The page has been called, and rings."""
    async with world(folder, sipRegisterRequired=True) as (peer, client):
        registration = await peer.request("REGISTER")
        contact = registration.headers.get("Contact")
        await peer.answer(registration, 200, ("Contact", contact))
        await client.receive("registered")
        caller = Caller(peer, str(parse_name_address(contact).uri))
        await caller.sends("INVITE", body)
        incoming = await client.receive("notifyIncomingCall")
        made = PageCall(client, incoming["callId"], MediaPeer(g711=True, video=None))
        client.peers.append(made.peer)
        assert (await peer.response()).status == 100
        ringing = await peer.response()
        assert ringing.status == 180
        caller.to = ringing.headers.get("To")
        yield peer, made, caller


class Caller:
    """A phone that calls. `to` is whom its requests are for, with the tag that its first response had."""

    def __init__(self, peer: UdpPeer, uri: str) -> None:
        self._peer, self._uri, self.to, self.number = peer, uri, "<sip:alice@127.0.0.1>", 0

    async def sends(self, method: str, body: bytes = b"") -> None:
        if method != "ACK":
            self.number += 1
        port, kind = self._peer.hop.port, "Content-Type: application/sdp\r\n" if body else ""
        head = (
            f"{method} {self._uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{method}{self.number}\r\n"
            f"From: <sip:bob@127.0.0.1>;tag=b\r\nTo: {self.to}\r\nCall-ID: c1\r\nCSeq: {self.number} {method}\r\n"
            f"Contact: <sip:bob@127.0.0.1:{port}>\r\n{kind}Content-Length: {len(body)}\r\n\r\n"
        )
        await self._peer.send(head.encode() + body)


async def picks_up(made: PageCall) -> None:
    """The page answers."""
    (offer,) = made.client.of("setRemoteSDP", mediaSessionId=made.id)
    await made.command("answer", sdp=made.peer.call_answer(offer["sdp"]), incoming=True)


async def is_answered(peer: UdpPeer) -> ResponseMessage:
    accepted = await peer.response()
    assert accepted.status == 200
    return accepted


async def test_an_answer_is_repeated_until_it_is_acknowledged(tmp_path: Path) -> None:
    media = PlainPhone()
    async with called(tmp_path, speaks(media)) as (peer, made, caller):
        await picks_up(made)
        accepted = await is_answered(peer)
        again = await peer.repetition()  # for want of an ACK
        assert isinstance(again, ResponseMessage)
        assert (again.status, again.body) == (200, accepted.body)
        await caller.sends("ACK")
        await made.status("talk", "ESTABLISHED")
        await made.command("hangup")
        await says_bye(peer, await peer.request("BYE"))
    media.close()


async def test_offers_that_cross_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoint_module, "uniform", lambda low, high: low if high > 10 else 0.01)
    media = PlainPhone()
    async with called(tmp_path, speaks(media)) as (peer, made, caller):
        await picks_up(made)
        await is_answered(peer)
        await caller.sends("ACK")
        await made.status("talk", "ESTABLISHED")
        await made.command("hold")
        crossing = await peer.request("INVITE")
        await caller.sends("INVITE", speaks(media))
        assert (await peer.response()).status == 491
        await caller.sends("ACK")
        await peer.answer(crossing, 491)
        await peer.request("ACK")
        again = await peer.request("INVITE")
        assert again.body == crossing.body
        contact = ("Contact", f"<sip:bob@127.0.0.1:{peer.hop.port}>")
        await peer.answer(again, 200, contact, SDP, body=speaks(media) + b"a=recvonly\r\n")
        await peer.request("ACK")
        await made.status("hold", "HOLD")
        await caller.sends("BYE")
        await made.status("finish", "FINISH")
    media.close()


async def test_a_caller_that_waits_for_an_offer_gets_one_and_is_heard(tmp_path: Path) -> None:
    media = PlainPhone()
    async with called(tmp_path, b"") as (peer, made, caller):
        await picks_up(made)
        offered = parse_description((await is_answered(peer)).body).audio
        await caller.sends("ACK", speaks(media))
        await made.status("talk", "ESTABLISHED")
        await made.go()
        media.server = (offered.address, offered.port)
        media.talk(b"hello")
        await made.hears(b"hello")
        await caller.sends("BYE")
        await made.status("finish", "FINISH")
    media.close()


async def test_a_caller_that_says_bye_before_the_answer_is_gone(tmp_path: Path) -> None:
    media = PlainPhone()
    async with called(tmp_path, speaks(media)) as (peer, made, caller):
        await caller.sends("BYE")
        ends = {(response.headers.get("CSeq"), response.status) for response in [await peer.response() for _ in "12"]}
        assert ends == {("2 BYE", 200), ("1 INVITE", 487)}
        await made.status("finish", "FINISH")
    media.close()
