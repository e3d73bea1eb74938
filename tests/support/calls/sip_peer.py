"""A SIP server that does what a test says, message by message, by UDP or as the other end of a stream."""

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import trio
from attrs import define, evolve, field

from actors.calls.sip.access import SipAccess
from actors.calls.sip.endpoint import SipEndpoint
from actors.calls.sip.sockets import open_sip_sockets
from actors.calls.sip.transport import SipTransport
from config.settings import Settings
from protocol.sip.accounts.servers import read_servers
from protocol.sip.events import CallArrived, CallEvent, RegistrationEvent
from protocol.sip.messages.headers import NameAddress, parse_uri
from protocol.sip.messages.message import (
    HeaderFields,
    RequestMessage,
    ResponseMessage,
    SipMessage,
    encode,
    parse_datagram,
)
from protocol.sip.registration import RegistrationPlan
from protocol.sip.transactions.machines import Hop
from tests.support.calls.dns_records import NO_RECORDS
from tests.support.nurseries import plain_nursery
from tests.support.session.wcs_client import PATIENCE

CHALLENGE = ("WWW-Authenticate", 'Digest realm="test", nonce="abc", qop="auth", algorithm=SHA-256')


def answer_to(request: RequestMessage, status: int, *headers: tuple[str, str], body: bytes = b"") -> bytes:
    """A response, with a tag."""
    kept = [(name, value) for name, value in request.headers.fields if name in ("Via", "From", "Call-ID", "CSeq")]
    to = request.headers.get("To")
    tagged = to if ";tag=" in to else f"{to};tag=peer"
    fields = HeaderFields((*kept, ("To", tagged), *headers))
    return encode(ResponseMessage(status=status, reason="so", headers=fields, body=body))


@define(eq=False)
class UdpPeer:
    """A socket on loopback that speaks SIP."""

    socket: Any
    last_source: tuple[str, int] = ("", 0)
    _heard: set[bytes] = field(init=False, factory=set)

    @property
    def hop(self) -> Hop:
        host, port = self.socket.getsockname()
        return Hop(transport="udp", host=host, port=port)

    async def receive(self) -> SipMessage:
        """The next message, but for keep-alives and what is repeated because the answer was not quick enough."""
        while (data := await self._datagram()) in self._heard:
            pass
        self._heard.add(data)
        return parse_datagram(data)

    async def repetition(self) -> SipMessage:
        """The next message that has come before."""
        while (data := await self._datagram()) not in self._heard:
            pass
        return parse_datagram(data)

    async def _datagram(self) -> bytes:
        with trio.fail_after(PATIENCE):
            while True:
                data, self.last_source = await self.socket.recvfrom(65_535)
                if data.strip():
                    return bytes(data)

    async def request(self, method: str) -> RequestMessage:
        """The next request, which must be of this method."""
        found = await self.receive()
        assert isinstance(found, RequestMessage), found
        assert found.method == method
        return found

    async def response(self) -> ResponseMessage:
        """The next response."""
        found = await self.receive()
        assert isinstance(found, ResponseMessage), found
        return found

    async def answer(self, request: RequestMessage, status: int, *headers: tuple[str, str], body: bytes = b"") -> None:
        """Answer a request."""
        await self.send(answer_to(request, status, *headers, body=body))

    async def send(self, data: bytes) -> None:
        await self.socket.sendto(data, self.last_source)


@asynccontextmanager
async def udp_peer(host: str = "127.0.0.1") -> AsyncIterator[UdpPeer]:
    """One of them."""
    opened = trio.socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    await opened.bind((host, 0))
    with opened:
        yield UdpPeer(opened)


@define(eq=False)
class Holder:
    """Whoever registers or calls: what it is told can be waited for."""

    refuses_by: int | None = None
    lines: list[Any] = field(factory=list)
    arrived: list[CallArrived] = field(factory=list)
    _send: Any = field(init=False)
    _receive: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._send, self._receive = trio.open_memory_channel[RegistrationEvent | CallEvent](1000)

    def registration_event(self, event: RegistrationEvent) -> None:
        self._send.send_nowait(event)

    def call_arrived(self, event: CallArrived, line: Any) -> Callable[[CallEvent], None] | int:
        self.lines.append(line)
        self.arrived.append(event)
        if self.refuses_by is not None:
            return self.refuses_by
        self._send.send_nowait(event)
        return self.hear

    def hear(self, event: CallEvent) -> None:
        self._send.send_nowait(event)

    async def event(self, kind: type[Any]) -> Any:
        """The next event, which must be of this kind."""
        with trio.fail_after(PATIENCE):
            found = await self._receive.receive()
        assert isinstance(found, kind), found
        return found


@asynccontextmanager
async def sip_endpoint(servers: str = "127.0.0.1", **settings: Any) -> AsyncIterator[SipEndpoint]:
    """An endpoint on loopback, which stops in order at the end."""
    given: dict[str, Any] = {"sip_servers": read_servers(servers), "port_from": 0, "sip_address": "127.0.0.1"}
    made = evolve(Settings(), **(given | settings))
    sockets = open_sip_sockets(made)
    assert sockets is not None
    access = SipAccess(made.sip_servers, own=lambda: ("127.0.0.1",), records=NO_RECORDS)

    endpoint = SipEndpoint(sockets.port, made, access, partial(SipTransport, sockets, made, access))
    async with plain_nursery() as nursery:
        await nursery.start(endpoint.run)
        yield endpoint
        nursery.cancel_scope.cancel()


def plan(*hops: Hop) -> RegistrationPlan:
    """Alice's registration."""
    return RegistrationPlan(
        account=NameAddress(uri=parse_uri("sip:alice@example.com")),
        registrar=parse_uri("sip:example.com"),
        hops=hops,
        contact_user="alice",
    )
