"""Calls that REST begins, and what their phones hear."""

import struct
from typing import Any

from protocol.sip.events import CallAcknowledged
from tests.support.calls.page_call import ACCOUNT
from tests.support.calls.sip_phone import SipPhone
from tests.support.media.media_rig import until
from tests.support.servers.full_server import FullServer

LOGIN = {key: ACCOUNT[key] for key in ("sipLogin", "sipPassword", "sipDomain")}


CALL: dict[str, Any] = {"callId": "c1", "callee": "1000", "toStream": "line", **LOGIN}


async def order(server: FullServer, what: str, **body: Any) -> int:
    return (await server.rest.post(f"/rest-api/call/{what}", json=body)).status_code


async def answer(phone: SipPhone) -> None:
    """The phone takes the call, and says something."""
    arrived = await phone.is_called()
    phone.does("answer", phone.description(arrived.offer))
    await phone.event(CallAcknowledged)
    phone.media.talk(b"hello")


async def until_live(server: FullServer, name: str) -> None:
    await until(lambda: name in [each.name for each in server.server.parts.supervisor.live_streams()])


async def hears(phone: SipPhone, payload: bytes) -> None:
    """Whatever else came before."""
    while payload not in [packet.payload for packet in phone.media.received]:
        await phone.media.hear(len(phone.media.received) + 1)


def wave(frames: int, sample: int = 1000) -> bytes:
    data = struct.pack("<h", sample) * 160 * frames
    described = struct.pack("<HHIIHH", 1, 1, 8_000, 16_000, 2, 16)
    return b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0" + described + b"data" + struct.pack("<I", len(data)) + data


async def hears_frames(phone: SipPhone, frames: int, octet: int) -> None:
    """So many packets of one sample."""
    while [packet.payload for packet in phone.media.received].count(bytes([octet]) * 160) < frames:
        await phone.media.hear(len(phone.media.received) + 1)
