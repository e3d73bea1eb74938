"""A call as its page has it, through a whole server to a phone; all on loopback."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from attrs import define, field

from protocol.sip.accounts.servers import read_servers
from protocol.sip.events import (
    CallAcknowledged,
    OfferArrived,
)
from protocol.sip.messages.media_description import parse_description
from protocol.webrtc.sdp import Direction
from tests.support.calls.sip_phone import SipPhone, sip_phone
from tests.support.servers.full_server import FullServer, full_server
from tests.support.session.wcs_client import PATIENCE, Frame, WcsClient
from tests.support.webrtc.media_peer import MediaPeer

ACCOUNT: dict[str, Any] = {
    "sipLogin": "alice",
    "sipPassword": "secret",
    "sipDomain": "127.0.0.1",
    "sipRegisterRequired": False,
}


@define(eq=False)
class PageCall:
    """A call as its page has it."""

    client: WcsClient
    id: str
    peer: MediaPeer
    sequence: int = field(init=False, default=0)

    async def status(self, message: str, status: str) -> Frame:
        return await self.client.receive(message, callId=self.id, status=status)

    async def connect(self) -> None:
        """Take the answer, and connect."""
        answer = await self.client.receive("setRemoteSDP", mediaSessionId=self.id)
        self.peer.accept(answer["sdp"])
        await self.go()

    async def go(self) -> None:
        self.client.nursery.start_soon(self.peer.run)
        with trio.fail_after(PATIENCE):
            await self.peer.connected.wait()

    async def command(self, message: str, **fields: Any) -> None:
        await self.client.send(message, {"callId": self.id, **fields})

    def speak(self, payload: bytes) -> None:
        self.sequence += 1
        packet = self.peer.rtp(self.sequence, payload, kind="audio", timestamp=160 * self.sequence, payload_type=0)
        self.peer.send(packet)

    async def hears(self, payload: bytes) -> None:
        await self.peer.until(lambda: any(packet.payload == payload for packet in self.peer.received))


@asynccontextmanager
async def world(folder: Path, **settings: Any) -> AsyncIterator[tuple[FullServer, SipPhone]]:
    """A server and a phone, which is the only SIP server it knows."""
    async with sip_phone() as phone:
        servers = read_servers(f"127.0.0.1:{phone.address[1]}")
        given = {"sip_servers": servers, "port_from": 0, "sip_address": "127.0.0.1"}
        async with full_server(folder, **(given | settings)) as server:
            yield server, phone


async def call(client: WcsClient, callee: str = "1000", *, peer: MediaPeer | None = None, **fields: Any) -> PageCall:
    """The page calls."""
    peer, call_id = peer or MediaPeer(g711=True, video=None), str(uuid.uuid4())
    client.peers.append(peer)
    wanted = {"callId": call_id, "callee": callee, "visibleName": "Alice", "incoming": False, "hasAudio": True}
    await client.send("call", wanted | {"hasVideo": False, "sdp": peer.call_offer(), "status": "PENDING"} | fields)
    return PageCall(client, call_id, peer)


async def established(client: WcsClient, phone: SipPhone) -> PageCall:
    """A call of the page that the phone has answered."""
    made = await call(client)
    arrived = await phone.is_called()
    phone.does("answer", phone.description(arrived.offer))
    await phone.event(CallAcknowledged)
    await made.connect()
    await made.status("talk", "ESTABLISHED")
    return made


async def page_holds(made: PageCall, phone: SipPhone) -> None:
    """The page puts the phone on hold, and takes it back."""
    client = made.client
    for message, direction, answered, status in (
        ("hold", Direction.SENDONLY, Direction.RECVONLY, "HOLD"),
        ("unhold", Direction.SENDRECV, Direction.SENDRECV, "ESTABLISHED"),
    ):
        client.frames.clear()
        await made.command(message)
        offer = (await phone.event(OfferArrived)).offer
        assert offer is not None
        assert parse_description(offer).audio.direction is direction
        phone.does("accept_offer", phone.description(offer, answered))
        await made.status("hold" if message == "hold" else "talk", status)
