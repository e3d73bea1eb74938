"""What the SIP endpoint does not do for strangers: read them, answer them, or send to where they want it to."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from protocol.sip.calls.outgoing_call import Invitation
from protocol.sip.events import CallAnswered, CallEnded, RegistrationSucceeded
from protocol.sip.messages.digest import SipCredentials
from protocol.sip.messages.headers import NameAddress, parse_uri
from tests.support.calls.sip_network import ANSWER, OFFER
from tests.support.calls.sip_peer import CHALLENGE, Holder, UdpPeer, plan, sip_endpoint, udp_peer

GARBAGE = b"\xff\x00nonsense\r\n\r\n"
STRANGER = "127.0.0.9"


@asynccontextmanager
async def silent(host: str) -> AsyncIterator[UdpPeer]:
    """A socket at this address, which must not be sent anything."""
    async with udp_peer(host) as peer:
        yield peer
        peer.socket._sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            peer.socket._sock.recv(1)


async def test_what_a_stranger_sends_is_not_even_read() -> None:
    async with udp_peer() as peer, silent(STRANGER) as stranger, sip_endpoint() as endpoint:
        for each in (stranger, peer):
            each.last_source = ("127.0.0.1", endpoint.port)
            await each.send(GARBAGE)
        holder = Holder()
        endpoint.register(plan(peer.hop), None, holder)
        await peer.answer(await peer.request("REGISTER"), 200)
        await holder.event(RegistrationSucceeded)  # what came before has been looked at
        counts = endpoint.transport.counts
        assert (counts.strange, counts.malformed) == (1, 1)


async def test_a_phone_that_names_a_forbidden_address_has_nothing_sent_there() -> None:
    async with udp_peer() as peer, silent(STRANGER) as victim, sip_endpoint() as endpoint:
        heard = Holder()
        invitation = Invitation(
            caller=NameAddress(uri=parse_uri("sip:alice@example.com")),
            callee=parse_uri("sip:bob@example.com"),
            hops=[peer.hop],
            offer=OFFER,
            contact_user="alice",
            contact_token="t",
        )
        place = f"{victim.hop.host}:{victim.hop.port}"
        for headers in (
            [("Contact", f"<sip:bob@{place}>")],
            [("Contact", f"<sip:bob@{place};transport=tcp>")],
            [("Contact", f"<sip:bob@127.0.0.1:{peer.hop.port}>"), ("Record-Route", f"<sip:{place};lr>")],
        ):
            line = endpoint.call(invitation, None, heard.hear)
            given = (*headers, ("Content-Type", "application/sdp"))
            await peer.answer(await peer.request("INVITE"), 200, *given, body=ANSWER)
            await heard.event(CallAnswered)
            await peer.request("ACK")
            line.hang_up()
            await peer.answer(await peer.request("BYE"), 200)
        line = endpoint.call(invitation, None, heard.hear)
        await peer.answer(await peer.request("INVITE"), 302, ("Contact", f"<sip:bob@{place}>"))
        assert (await heard.event(CallEnded)).status == 302
        await peer.request("ACK")


async def test_digests_have_nonces_of_ours_that_nobody_can_guess() -> None:
    nonces = set()
    async with udp_peer() as peer, sip_endpoint() as endpoint:
        for _ in "12":
            endpoint.register(plan(peer.hop), SipCredentials(username="alice", password="secret"), Holder())
            await peer.answer(await peer.request("REGISTER"), 401, CHALLENGE)
            request = await peer.request("REGISTER")
            found = re.search(r'cnonce="([0-9a-f]{32})"', request.headers.get("Authorization"))
            assert found is not None
            nonces.add(found[1])
            await peer.answer(request, 200)
    assert len(nonces) == 2
