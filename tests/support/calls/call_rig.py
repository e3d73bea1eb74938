"""Both ends of a call's media on loopback: a WebRTC peer, a plain phone, and a plane between them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio
from attrs import define

from actors.media.call.bridge import Bridge
from actors.media.call.leg import RtpLeg
from actors.media.call.peer import CallPeer
from actors.media.events import Connected
from protocol.calls.codecs import CallCodecs, answer_page
from protocol.webrtc.call_offer import call_section
from protocol.webrtc.offer import parse_offer
from protocol.webrtc.srtp import SrtpKeys
from tests.support.calls.plain_phone import PCMU, PlainPhone
from tests.support.media.media_rig import Facts, Rig, media_rig
from tests.support.webrtc.media_peer import MediaPeer


@define(eq=False, kw_only=True)
class CallRig:
    """A call that is up: what the browser and the phone send goes through the server to the other."""

    rig: Rig
    browser: MediaPeer
    phone: PlainPhone
    peer: CallPeer
    leg: RtpLeg
    bridge: Bridge
    codecs: CallCodecs
    facts: Facts
    leg_facts: Facts
    spoken: int = 0

    def speak(self, payload: bytes, *, payload_type: int = 0) -> None:
        """The browser sends its next packet."""
        self.spoken += 1
        self.browser.send(
            self.browser.rtp(self.spoken, payload, kind="audio", timestamp=self.spoken * 160, payload_type=payload_type)
        )

    def change(self, phone: tuple[Any, ...]) -> None:
        """The phone takes other formats from now on."""
        followed = self.codecs.follow(phone)
        assert followed is not None
        self.codecs = followed
        self.bridge.change(followed)


@asynccontextmanager
async def call_rig(
    *, phone: PlainPhone | None = None, keys: SrtpKeys | None = None, **changes: Any
) -> AsyncIterator[CallRig]:
    """The browser has called, and the phone has answered. `keys` are the server's and the phone's, of SDES."""
    phone = phone or PlainPhone()
    try:
        async with media_rig(**changes) as rig:
            calls = rig.plane.calls
            facts, leg_facts = Facts(), Facts()
            leg = calls.open_leg(session_id="s1", post=leg_facts.post, signalling=("127.0.0.1",))
            phone.server = leg.address
            browser = MediaPeer(g711=True, video=None)
            rig.peers.append(browser)
            offer = parse_offer(browser.call_offer())
            section = call_section(offer)
            codecs = CallCodecs(page=answer_page(section, phone.codecs, ()), phone=phone.codecs)
            peer = calls.answer_page(offer, section, codecs.page, session_id="s1", post=facts.post)
            bridge = Bridge(peer, leg, codecs)
            voice = codecs.to_phone[codecs.page_sends.payload_type].codec
            leg.describe(phone.media(keys=keys), voice=voice, events=codecs.event_format)
            browser.accept(peer.answer)
            rig.nursery.start_soon(browser.run)
            with trio.fail_after(60):
                await browser.connected.wait()
            await facts.until(Connected())
            yield CallRig(
                rig=rig, browser=browser, phone=phone, peer=peer, leg=leg, bridge=bridge, codecs=codecs, facts=facts,
                leg_facts=leg_facts,
            )  # fmt: skip
            leg.close()
    finally:
        phone.close()


__all__ = ["PCMU", "CallRig", "call_rig"]
