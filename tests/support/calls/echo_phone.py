"""A phone in a thread that answers every call and says what it hears, for tests that drive other processes."""

import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import trio
from attrs import define, field

from protocol.sip.events import CallArrived, CallEnded, InfoArrived, OfferArrived
from tests.support.calls.plain_phone import EVENTS
from tests.support.calls.sip_phone import SipPhone, sip_phone


@define(eq=False)
class EchoPhone:
    """What it has seen. It may be read from another thread."""

    address: tuple[str, int]
    callees: list[str] = field(factory=list)
    heard: int = 0
    digits: set[int] = field(factory=set)
    infos: list[bytes] = field(factory=list)
    ended: int = 0


@contextmanager
def echo_phone() -> Iterator[EchoPhone]:
    """A phone that listens on loopback."""
    ready = threading.Event()
    running: list[tuple[EchoPhone, trio.lowlevel.TrioToken, trio.CancelScope]] = []

    async def serve() -> None:
        with trio.CancelScope() as scope:
            async with sip_phone() as phone, trio.open_nursery() as nursery:
                seen = EchoPhone(phone.address)
                running.append((seen, trio.lowlevel.current_trio_token(), scope))
                ready.set()
                nursery.start_soon(_echo, phone, seen)
                await _answer(phone, seen)

    thread = threading.Thread(target=trio.run, args=(serve,), name="echo phone", daemon=True)
    thread.start()
    if not ready.wait(30):
        raise RuntimeError("the phone did not start")
    seen, token, scope = running[0]
    try:
        yield seen
    finally:
        token.run_sync_soon(scope.cancel)
        thread.join(30)


async def _answer(phone: SipPhone, seen: EchoPhone) -> None:
    while True:
        event = await phone.next_event()
        match event:
            case CallArrived():
                seen.callees.append(event.callee.user)
                phone.call = event.call
                phone.hear(event.offer)
                phone.does("ring")
                phone.does("answer", phone.description(event.offer))
            case OfferArrived():
                phone.does("accept_offer", phone.description(event.offer))
            case InfoArrived():
                seen.infos.append(event.body)
            case CallEnded():
                seen.ended += 1


async def _echo(phone: SipPhone, seen: EchoPhone) -> None:
    media = phone.media
    while True:
        packet = (await media.hear(len(media.received) + 1, within=math.inf))[-1]
        if packet.payload_type == EVENTS.payload_type:
            seen.digits.add(packet.payload[0])
        else:
            seen.heard += 1
            media.talk(packet.payload)
