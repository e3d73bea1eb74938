"""The SIP endpoint on real sockets: registrations, calls, who is let in, floods, TCP in any pieces, TLS."""

import hashlib
import socket
import ssl
import struct
from typing import Any

import pytest
import trio
import trustme

from actors.calls.sip import transport as transport_module
from actors.calls.sip.access import SipForbidden, SipUnreachable
from actors.calls.sip.arriving_calls import MAX_UNANSWERED
from actors.calls.sip.endpoint import SipEndpoint
from actors.calls.sip.transport import SipTransport
from protocol.sip.calls.outgoing_call import Invitation
from protocol.sip.events import (
    CallAcknowledged,
    CallAnswered,
    CallArrived,
    CallEnded,
    CallProgressed,
    RegistrationFailed,
    RegistrationSucceeded,
)
from protocol.sip.messages.digest import SipCredentials
from protocol.sip.messages.headers import NameAddress, parse_name_address, parse_uri
from protocol.sip.messages.message import RequestMessage, ResponseMessage, SipMessage, StreamParser
from protocol.sip.transactions.machines import Hop
from tests.support.calls.sip_network import ANSWER, OFFER
from tests.support.calls.sip_peer import CHALLENGE, Holder, UdpPeer, answer_to, plan, sip_endpoint, udp_peer
from tests.support.network.ports import unused_port
from tests.support.session.wcs_client import PATIENCE

SECRET = SipCredentials(username="alice", password="secret")


async def registered(endpoint: SipEndpoint, peer: UdpPeer, holder: Holder) -> str:
    """Alice is registered; her Contact."""
    endpoint.register(plan(peer.hop), None, holder)
    request = await peer.request("REGISTER")
    await peer.answer(request, 200, ("Contact", request.headers.get("Contact")))
    await holder.event(RegistrationSucceeded)
    return str(parse_name_address(request.headers.get("Contact")).uri)


def invite(uri: str, number: int, body: bytes = OFFER) -> bytes:
    head = (
        f"INVITE {uri} SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bKx{number}\r\n"
        f"From: <sip:bob@example.com>;tag=b\r\nTo: <sip:alice@example.com>\r\nCall-ID: c{number}\r\n"
        f"CSeq: 1 INVITE\r\nContact: <sip:bob@127.0.0.1:9>\r\nContent-Type: application/sdp\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


OPTIONS = (
    b"OPTIONS sip:x@y SIP/2.0\r\nVia: SIP/2.0/UDP 127.0.0.1:9;rport;branch=z9hG4bK%d\r\nFrom: <sip:a@b>;tag=1\r\n"
    b"To: <sip:x@y>\r\nCall-ID: o%d\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
)


async def test_a_registration_with_a_password_that_is_given_back() -> None:
    async with udp_peer() as peer, sip_endpoint() as endpoint:
        holder = Holder()
        registration = endpoint.register(plan(peer.hop), SECRET, holder)
        await peer.answer(await peer.request("REGISTER"), 401, CHALLENGE)
        request = await peer.request("REGISTER")
        assert "algorithm=SHA-256" in request.headers.get("Authorization")
        contact = parse_name_address(request.headers.get("Contact")).uri
        assert (contact.host, contact.port) == ("127.0.0.1", endpoint.port)
        await peer.answer(request, 200)
        assert (await holder.event(RegistrationSucceeded)).registration == registration
        endpoint.unregister(registration)
        assert (await peer.request("REGISTER")).headers.get("Expires") == "0"


async def test_a_call_out() -> None:
    async with udp_peer() as peer, sip_endpoint() as endpoint:
        heard = Holder()
        invitation = Invitation(
            caller=NameAddress(uri=parse_uri("sip:alice@example.com")),
            callee=parse_uri("sip:bob@example.com"),
            hops=[peer.hop],
            offer=OFFER,
            contact_user="alice",
            contact_token="t",
        )
        line = endpoint.call(invitation, None, heard.hear)
        request = await peer.request("INVITE")
        assert request.body == OFFER
        contact = ("Contact", f"<sip:bob@127.0.0.1:{peer.hop.port}>")
        await peer.answer(request, 180, contact)
        assert (await heard.event(CallProgressed)).status == 180
        await peer.answer(request, 200, contact, ("Content-Type", "application/sdp"), body=ANSWER)
        assert (await heard.event(CallAnswered)).description == ANSWER
        await peer.request("ACK")
        line.hang_up()
        await peer.answer(await peer.request("BYE"), 200)
        assert endpoint.call_count == 0


async def test_a_call_in_and_its_end() -> None:
    async with udp_peer() as peer, sip_endpoint() as endpoint:
        holder = Holder()
        contact = await registered(endpoint, peer, holder)
        await peer.send(invite(contact, 1))
        arrived = await holder.event(CallArrived)
        assert arrived.offer == OFFER
        assert (await peer.response()).status == 100
        (line,) = holder.lines
        line.ring()
        assert (await peer.response()).status == 180
        line.answer(ANSWER)
        accepted = await peer.response()
        assert (accepted.status, accepted.body) == (200, ANSWER)
        head = invite(contact, 1).partition(b"\r\n\r\n")[0].decode()
        within = head.replace("To: <sip:alice@example.com>", f"To: {accepted.headers.get('To')}")
        within = within.replace(f"Content-Length: {len(OFFER)}", "Content-Length: 0")
        for method, number in (("ACK", 1), ("BYE", 2)):
            text = within.replace("INVITE", method).replace("z9hG4bKx1", f"z9hG4bK{method}")
            await peer.send(text.replace(f"CSeq: 1 {method}", f"CSeq: {number} {method}").encode() + b"\r\n\r\n")
        await holder.event(CallAcknowledged)
        assert (await holder.event(CallEnded)).was_up
        assert (await peer.response()).headers.get("CSeq") == "2 BYE"


async def final(peer: UdpPeer, number: int) -> int:
    """The final response to a call; others, and repetitions of those before, are passed over."""
    while True:
        found = await peer.response()
        if found.status >= 200 and found.headers.get("Call-ID") == f"c{number}":
            return found.status


async def test_calls_for_nobody_and_for_somebody_who_does_not_answer() -> None:
    async with udp_peer() as peer, sip_endpoint() as endpoint:
        holder = Holder()
        contact = await registered(endpoint, peer, holder)
        await peer.send(invite("sip:carol@127.0.0.1", 0))
        assert await final(peer, 0) == 404
        for number in range(1, MAX_UNANSWERED + 2):
            await peer.send(invite("sip:alice@127.0.0.1" if number == 1 else contact, number))
        assert await final(peer, MAX_UNANSWERED + 1) == 486
        assert len(holder.arrived) == MAX_UNANSWERED
        holder.lines[0].hang_up(480)
        assert await final(peer, 1) == 480
        holder.refuses_by = 603
        await peer.send(invite(contact, 99))
        assert await final(peer, 99) == 603


async def test_strangers_are_not_answered() -> None:
    async with udp_peer() as peer, udp_peer("127.0.0.2") as stranger, sip_endpoint() as endpoint:
        for each in (stranger, peer):
            each.last_source = ("127.0.0.1", endpoint.port)
            await each.send(OPTIONS % (1, 1))
        assert (await peer.response()).status == 200
        assert endpoint.transport.counts.strange == 1
        stranger.socket._sock.setblocking(False)
        with pytest.raises(BlockingIOError):
            stranger.socket._sock.recv(1)


async def test_a_connection_of_a_stranger_is_closed_unread() -> None:
    async with sip_endpoint() as endpoint:
        stream = await trio.open_tcp_stream("127.0.0.1", endpoint.port, local_address="127.0.0.2")
        with trio.fail_after(PATIENCE):
            assert await stream.receive_some() == b""
        await stream.aclose()
        assert (endpoint.transport.counts.strange, endpoint.transport.connection_count) == (1, 0)


async def test_a_flood_of_one_source_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport_module, "MESSAGES_PER_SECOND", 0.01)  # however slowly they are sent here
    async with udp_peer() as peer, sip_endpoint() as endpoint:
        peer.last_source = ("127.0.0.1", endpoint.port)
        for number in range(400):
            await peer.send(OPTIONS % (number, number))
            await trio.lowlevel.checkpoint()
        counts = endpoint.transport.counts
        with trio.fail_after(PATIENCE):
            while not counts.flooding:
                await peer.response()
        assert counts.received < 400


async def test_what_is_malformed_is_counted() -> None:
    async with udp_peer() as peer, sip_endpoint() as endpoint:
        peer.last_source = ("127.0.0.1", endpoint.port)
        await peer.send(b"\xff\x00nonsense\r\n\r\n")
        await peer.send(b"OPTIONS sip:x@y SIP/2.0\r\nVia: nonsense\r\n\r\n")
        await peer.send(OPTIONS % (1, 1))
        assert (await peer.response()).status == 200
        assert endpoint.transport.counts.malformed == 2


@pytest.mark.parametrize(
    ("servers", "host", "error"),
    [
        ("pbx.example.com", "other.example.com", SipForbidden),
        ("*", "127.0.0.1", SipForbidden),
        ("*", "10.0.0.1", SipForbidden),
        ("*", "169.254.169.254", SipForbidden),
        ("*", "::1", SipForbidden),
        ("pbx.invalid", "pbx.invalid", SipUnreachable),
    ],
)
async def test_servers_that_are_out_of_reach(servers: str, host: str, error: type[Exception]) -> None:
    async with sip_endpoint(servers) as endpoint:
        with pytest.raises(error):
            await endpoint.access.hops(host)


async def test_what_the_list_says_about_a_server_counts() -> None:
    async with sip_endpoint("127.0.0.1:5099;transport=tcp, 10.0.0.0/8") as endpoint:
        (hop,) = await endpoint.access.hops("127.0.0.1", 5060, "udp")
        assert hop == Hop(transport="tcp", host="127.0.0.1", port=5099, name="127.0.0.1")
        (hop,) = await endpoint.access.hops("10.1.2.3", None, "tls")
        assert (hop.transport, hop.port) == ("tls", 5061)


async def test_a_server_without_a_listener_is_told_at_once() -> None:
    async with sip_endpoint() as endpoint:
        holder = Holder()
        endpoint.register(plan(Hop(transport="tcp", host="127.0.0.1", port=unused_port())), None, holder)
        assert (await holder.event(RegistrationFailed)).status == 408


class StreamPeer:
    """The server's end of a TCP or TLS connection."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self._stream, self._parser = stream, StreamParser()
        self._messages: list[SipMessage] = []

    async def receive(self) -> SipMessage:
        with trio.fail_after(PATIENCE):
            while not self._messages:
                data = await self._stream.receive_some()
                assert data, "the connection has ended"
                self._messages += self._parser.feed(bytes(data))
        return self._messages.pop(0)

    async def request(self) -> RequestMessage:
        found = await self.receive()
        assert isinstance(found, RequestMessage)
        return found

    async def response(self) -> ResponseMessage:
        found = await self.receive()
        assert isinstance(found, ResponseMessage)
        return found

    async def send(self, data: bytes, *, piece: int = 0) -> None:
        for start in range(0, len(data), piece or len(data)):
            await self._stream.send_all(data[start : start + (piece or len(data))])
            if piece:
                await trio.lowlevel.checkpoint()

    async def close(self) -> None:
        await self._stream.aclose()


async def accepted(listener: trio.SocketListener) -> StreamPeer:
    with trio.fail_after(PATIENCE):
        return StreamPeer(await listener.accept())


async def test_registration_and_call_by_one_tcp_connection() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener, sip_endpoint() as endpoint:
        holder = Holder()
        hop = Hop(transport="tcp", host="127.0.0.1", port=listener.socket.getsockname()[1])
        registration = endpoint.register(plan(hop), None, holder)
        peer = await accepted(listener)
        request = await peer.request()
        assert request.headers.get("Via").startswith("SIP/2.0/TCP 127.0.0.1:")
        await peer.send(answer_to(request, 200), piece=7)
        await holder.event(RegistrationSucceeded)
        contact = str(parse_name_address(request.headers.get("Contact")).uri)
        assert contact.endswith("wcsd=" + endpoint._registrations[registration].token)
        await peer.send(b"\r\n\r\n" + invite(contact, 1), piece=1)
        await holder.event(CallArrived)
        assert (await peer.response()).status == 100
        await peer.close()
        endpoint.refresh(registration)
        again = await accepted(listener)
        assert (await again.request()).headers.get("CSeq") == "2 REGISTER"
        await again.close()


async def test_a_stream_that_is_no_sip_is_closed() -> None:
    async with sip_endpoint() as endpoint:
        stream = await trio.open_tcp_stream("127.0.0.1", endpoint.port)
        await stream.send_all(b"GET / HTTP/1.1\r\n\r\n")
        with trio.fail_after(PATIENCE):
            assert await stream.receive_some() == b""
        await stream.aclose()


def tls_identity() -> tuple[trustme.CA, ssl.SSLContext, str]:
    authority = trustme.CA()
    own = authority.issue_cert("127.0.0.1")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    own.configure_cert(context)
    der = ssl.PEM_cert_to_DER_cert(own.cert_chain_pems[0].bytes().decode())
    return authority, context, hashlib.sha256(der).hexdigest()


@pytest.mark.parametrize(("trusts", "is_reached"), [("ca", True), ("pin", True), ("wrong pin", False), ("", False)])
async def test_tls(trusts: str, is_reached: bool, tmp_path: Any) -> None:
    authority, context, fingerprint = tls_identity()
    (tmp_path / "ca.pem").write_bytes(authority.cert_pem.bytes())
    pins = {"pin": f";sha256={fingerprint}", "wrong pin": f";sha256={'0' * 64}"}
    settings = {"sip_ca_file": tmp_path / "ca.pem"} if trusts == "ca" else {}
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with (
        listener,
        sip_endpoint(f"127.0.0.1;transport=tls{pins.get(trusts, '')}", **settings) as endpoint,
        trio.open_nursery() as nursery,
    ):
        holder = Holder()
        port = listener.socket.getsockname()[1]
        hop = Hop(transport="tls", host="127.0.0.1", port=port, name="127.0.0.1")
        endpoint.register(plan(hop), None, holder)

        async def serve() -> None:
            stream = trio.SSLStream(await listener.accept(), context, server_side=True)
            try:
                peer = StreamPeer(stream)
                await peer.send(answer_to(await peer.request(), 200))
                await trio.sleep_forever()
            except (trio.BrokenResourceError, AssertionError):
                return  # as it should be, where we are not trusted
            finally:
                await trio.aclose_forcefully(stream)

        nursery.start_soon(serve)
        await holder.event(RegistrationSucceeded if is_reached else RegistrationFailed)
        nursery.cancel_scope.cancel()


async def test_a_contact_whose_name_no_certificate_could_have_ends_nothing_but_its_request() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener, udp_peer() as peer, sip_endpoint() as endpoint:
        holder = Holder()
        uri = await registered(endpoint, peer, holder)
        target = f"<sips:bob@.example:{listener.socket.getsockname()[1]};maddr=127.0.0.1>".encode()
        await peer.send(invite(uri, 1).replace(b"<sip:bob@127.0.0.1:9>", target))
        await holder.event(CallArrived)
        holder.lines[0].answer(ANSWER)
        assert [(await peer.response()).status, (await peer.response()).status] == [100, 200]
        holder.lines[0].hang_up()  # the BYE goes to the Contact
        await (await accepted(listener)).close()
        await registered(endpoint, peer, Holder())


async def test_a_timer_that_fails_ends_nothing_else() -> None:
    def fail(now: float) -> None:
        raise RuntimeError("a fault")

    async with udp_peer() as peer, sip_endpoint() as endpoint:
        endpoint.perform(lambda agent, now: agent._core.timers.at(now, fail))
        await registered(endpoint, peer, Holder())


async def test_a_connection_that_is_reset_before_it_is_looked_at_ends_nothing_else() -> None:
    (listener,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    async with listener, sip_endpoint() as endpoint:
        client = await trio.open_tcp_stream(*listener.socket.getsockname())
        stream = await listener.accept()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await client.aclose()
        with trio.fail_after(PATIENCE), pytest.raises(trio.BrokenResourceError):
            await stream.receive_some()
        transport = endpoint.transport
        assert isinstance(transport, SipTransport)
        await transport._connections.accept(stream)
        assert transport.connection_count == 0
        await stream.aclose()
