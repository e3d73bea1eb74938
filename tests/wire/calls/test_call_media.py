"""The media of calls: a WebRTC peer on one side, a plain phone on the other, real sockets on loopback."""

from collections.abc import Iterator
from functools import partial
from itertools import pairwise
from typing import TypeVar

import pytest
import trio
from attrs import evolve

from actors.media.call import port_pairs
from actors.media.call.bridge import Bridge
from actors.media.call.leg import MAX_PACKET_RATE
from actors.media.call.port_pairs import NoPortFree, PortPairs
from actors.media.call.secured_port import SecuredPort
from actors.media.events import Connected, Failed, Flowing, PeerClosed
from actors.media.io.sockets import MediaSocket, open_media_sockets
from protocol.calls import latching
from protocol.calls.codecs import CallCodecs, page_offer
from protocol.calls.dtmf import DigitsRefused
from protocol.calls.g711 import ULAW_TO_ALAW
from protocol.calls.silence import SILENCE
from protocol.stream.info_texts import StreamInfo
from protocol.webrtc.call_offer import call_section, read_call_answer
from protocol.webrtc.rtcp import Bye, ReceiverReport, RtcpPacket, SenderReport
from protocol.webrtc.sdp import Codec, Direction
from protocol.webrtc.srtp import SrtpKeys, SrtpProfile
from tests.support.calls.call_rig import CallRig, call_rig
from tests.support.calls.plain_phone import EVENTS, PCMA, PCMU, PlainPhone
from tests.support.media.media_rig import PATIENCE, Facts, media_rig, media_settings, until
from tests.support.media.rtp_packets import build_header
from tests.support.webrtc.media_peer import MediaPeer

R = TypeVar("R", bound=RtcpPacket)

KEYS = SrtpKeys(
    profile=SrtpProfile.AES128_CM_SHA1_80,
    local_key=bytes(range(16)),
    local_salt=bytes(14),
    remote_key=bytes(range(16, 32)),
    remote_salt=bytes(range(14)),
)
PHONE_KEYS = SrtpKeys(
    profile=KEYS.profile,
    local_key=KEYS.remote_key,
    local_salt=KEYS.remote_salt,
    remote_key=KEYS.local_key,
    remote_salt=KEYS.local_salt,
)


async def heard_by_phone(call: CallRig, payload: bytes) -> None:
    """The browser says something, and the phone hears it after whatever it heard before."""
    before = len(call.phone.received)
    call.speak(payload)
    while call.phone.received[-1:] == [] or call.phone.received[-1].payload != payload:
        await call.phone.hear(before + 1)
        before = len(call.phone.received)


async def heard_by_browser(call: CallRig, payload: bytes) -> None:
    call.phone.talk(payload)
    await call.browser.until(lambda: any(packet.payload == payload for packet in call.browser.received))


async def report_to(phone: PlainPhone, kind: type[R]) -> R:
    """The first one of a kind; on a slow machine others come in time before."""
    while True:
        for packet in await phone.hear_rtcp():
            if isinstance(packet, kind):
                return packet


async def test_voice_goes_both_ways_under_one_ssrc() -> None:
    async with call_rig() as call:
        for word in (b"one", b"two", b"three"):
            await heard_by_phone(call, word)
            await heard_by_browser(call, word)
        heard = call.phone.received
        assert len({packet.ssrc for packet in heard}) == 1
        assert {packet.payload_type for packet in heard} == {0}
        assert [(b.sequence - a.sequence) & 0xFFFF for a, b in pairwise(heard)] == [1, 1]
        assert not any(packet.has_extension for packet in heard)
        assert len({packet.ssrc for packet in call.browser.received}) == 1
        await call.leg_facts.until(Flowing())
        assert (call.leg.statistics().received, call.peer.statistics().received) == (3, 3)
        assert (call.leg.statistics().sent, call.peer.statistics().sent) == (3, 3)


async def test_a_phone_with_the_other_law_is_understood() -> None:
    async with call_rig() as call:
        call.change((PCMA, EVENTS))
        call.leg.describe(evolve(call.phone.media(), codecs=(PCMA, EVENTS)), voice=PCMA, events=EVENTS)
        voice = bytes(range(160))
        await heard_by_phone_as(call, voice, voice.translate(ULAW_TO_ALAW))
        assert call.phone.received[-1].payload_type == 8
        call.phone.talk(voice.translate(ULAW_TO_ALAW), payload_type=8)
        await call.browser.until_received(1)
        assert call.browser.received[0].payload_type == 0


async def heard_by_phone_as(call: CallRig, said: bytes, heard: bytes) -> None:
    call.speak(said)
    await call.phone.hear(len(call.phone.received) + 1)
    assert call.phone.received[-1].payload == heard


async def test_a_format_that_the_other_side_does_not_take_is_dropped() -> None:
    async with call_rig() as call:
        call.speak(b"opus", payload_type=111)
        await heard_by_phone(call, b"voice")
        assert [packet.payload for packet in call.phone.received] == [b"voice"]
        assert call.peer.statistics().dropped == 1


async def test_srtp_with_keys_from_sdp() -> None:
    async with call_rig(phone=PlainPhone(keys=PHONE_KEYS), keys=KEYS) as call:
        await heard_by_phone(call, b"to the phone")
        await heard_by_browser(call, b"to the page")
        call.leg.close()
        await report_to(call.phone, Bye)


async def test_the_index_of_srtp_goes_on_under_the_same_key(sockets: list[MediaSocket]) -> None:
    pairs = PortPairs(media_settings(media_port_from=20_000, media_port_to=20_400), sockets)
    pair, phone = pairs.open("127.0.0.1", 0.0), PlainPhone(keys=PHONE_KEYS)
    port = SecuredPort(pair)
    port.secure(KEYS)
    for sequence in (65_534, 65_535, 0):  # the packets' index is beyond 16 bits now
        send_sealed(port, sequence, phone)
    port.secure(None)
    port.secure(KEYS)
    send_sealed(port, 1, phone)
    assert [packet.sequence for packet in await phone.hear(4)] == [65_534, 65_535, 0, 1]
    phone.secure(evolve(PHONE_KEYS, remote_key=bytes(16)))
    port.secure(evolve(KEYS, local_key=bytes(16)))
    send_sealed(port, 2, phone)
    assert (await phone.hear(5))[-1].sequence == 2
    phone.close()
    pairs.give_back(pair, 0.0)


def send_sealed(port: SecuredPort, sequence: int, phone: PlainPhone) -> None:
    header = build_header(payload_type=0, marker=False, sequence=sequence, timestamp=0, ssrc=9)
    port.send(header + b"voice", phone.address)


async def test_without_the_key_nothing_is_taken_and_nobody_is_followed() -> None:
    async with call_rig(phone=PlainPhone(), keys=KEYS) as call:
        call.phone.talk(b"in the clear")
        await until(lambda: call.leg.statistics().stray == 1)
        assert call.browser.received == []
        assert call.leg.statistics().received == 0


async def test_digits_are_events_between_the_packets_of_voice() -> None:
    async with call_rig() as call:
        await heard_by_phone(call, b"before")
        assert call.leg.takes_events
        call.leg.send_digits("1#")
        await call.phone.hear(1 + 16)
        await heard_by_phone(call, b"after")
        events = [packet for packet in call.phone.received if packet.payload_type == EVENTS.payload_type]
        assert [packet.payload[0] for packet in events] == [1] * 8 + [11] * 8
        assert [packet.payload[1] >> 7 for packet in events] == [0, 0, 0, 0, 0, 1, 1, 1] * 2
        assert [packet.marker for packet in events].count(True) == 2
        assert len({packet.timestamp for packet in events}) == 2
        heard = call.phone.received
        assert {(b.sequence - a.sequence) & 0xFFFF for a, b in pairwise(heard)} == {1}
        assert len({packet.ssrc for packet in heard}) == 1


async def test_a_phone_without_events_gets_none() -> None:
    async with call_rig(phone=PlainPhone(codecs=(PCMU,))) as call:
        with pytest.raises(DigitsRefused):
            call.leg.send_digits("1")


async def test_events_of_the_phone_are_counted_and_not_passed_on() -> None:
    async with call_rig() as call:
        call.phone.talk(bytes((5, 10, 0, 160)), payload_type=EVENTS.payload_type)
        await heard_by_browser(call, b"voice")
        assert [packet.payload for packet in call.browser.received] == [b"voice"]
        assert call.leg.statistics().digits_received == 1


async def test_on_hold_the_phone_hears_silence_and_the_page_is_not_heard() -> None:
    async with call_rig() as call:
        await heard_by_phone(call, b"before")
        call.leg.hold(held=True)
        await call.phone.hear(2)
        assert call.phone.received[-1].payload == SILENCE["PCMU"]
        call.speak(b"held")
        await until(lambda: call.peer.statistics().received == 2)
        call.leg.hold(held=False)
        await heard_by_phone(call, b"after")
        assert b"held" not in [packet.payload for packet in call.phone.received]


async def test_a_phone_that_holds_is_sent_nothing() -> None:
    async with call_rig() as call:
        held = call.phone.media(Direction.SENDONLY)
        call.leg.describe(held, voice=PCMU, events=EVENTS)
        call.speak(b"held")
        await until(lambda: call.peer.statistics().received == 1)
        await heard_by_browser(call, b"music")
        call.leg.describe(call.phone.media(), voice=PCMU, events=EVENTS)
        await heard_by_phone(call, b"after")
        assert [packet.payload for packet in call.phone.received] == [b"after"]


async def test_a_phone_behind_a_nat_is_found_and_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latching, "WINDOW", PATIENCE)  # the page connects within it
    async with call_rig() as call:
        stranger = PlainPhone(server=call.leg.address, ssrc=666)
        moved = PlainPhone(server=call.leg.address)
        moved.talk(b"from elsewhere")
        await call.browser.until_received(1)
        call.speak(b"found")
        await moved.hear(1)
        stranger.talk(b"bleed")
        await until(lambda: call.leg.statistics().stray == 1)
        call.phone.talk(b"late")
        await until(lambda: call.leg.statistics().stray == 2)
        assert [packet.payload for packet in call.browser.received] == [b"from elsewhere"]
        stranger.close()
        moved.close()


def call_has_stray(call: CallRig, count: int) -> bool:
    return call.leg.statistics().stray == count


async def test_strangers_use_up_nothing_of_what_a_phone_may_send() -> None:
    async with call_rig() as call:
        await heard_by_browser(call, b"before")  # the phone is known now
        stranger = PlainPhone(server=call.leg.address, ssrc=666)
        for sent in range(1, 2 * MAX_PACKET_RATE + 1):
            stranger.talk(b"flood")
            if sent % 50 == 0:
                await until(partial(call_has_stray, call, sent))
        await heard_by_browser(call, b"after")
        stranger.close()


async def test_a_silent_phone_ends_the_call() -> None:
    async with call_rig(rtp_activity_detecting=0.2) as call:
        await call.leg_facts.until(Failed(info=StreamInfo.FAILED_BY_RTP_ACTIVITY))
        assert call.leg.closed


async def test_a_held_call_may_be_silent() -> None:
    async with call_rig(rtp_activity_detecting=60.0) as call:
        assert call.leg.deadline < trio.current_time() + 60
        call.leg.hold(held=True)
        silent_for = call.leg.deadline
        assert silent_for <= trio.current_time() + 5
        assert call.leg_facts.told == []


async def test_reports_go_to_both_sides() -> None:
    async with call_rig() as call:
        await heard_by_phone(call, b"one")
        await heard_by_browser(call, b"two")
        now = trio.current_time() + 5
        call.leg.on_time(now)
        call.peer.on_time(now)
        report = await report_to(call.phone, SenderReport)
        assert report.packet_count == 1
        assert [block.ssrc for block in report.reports] == [call.phone.ssrc]
        await call.browser.until(lambda: any(isinstance(packet, SenderReport) for packet in call.browser.rtcp))
        reports = [packet for packet in call.browser.rtcp if isinstance(packet, SenderReport | ReceiverReport)]
        assert isinstance(reports[-1], SenderReport)


async def test_a_page_that_closes_is_told_of() -> None:
    async with call_rig() as call:
        call.browser.close()
        await call.facts.until(PeerClosed())
        assert call.peer.closed
        call.phone.talk(b"to nobody")
        await until(lambda: call.leg.statistics().received == 1)


async def test_the_server_offers_to_a_page_that_is_called() -> None:
    async with media_rig() as rig:
        calls, facts, phone = rig.plane.calls, Facts(), PlainPhone()
        leg = calls.open_leg(session_id="s1", post=facts.post, signalling=("127.0.0.1",))
        phone.server = leg.address
        offered = calls.offer_page(page_offer(phone.codecs, ()))
        browser = MediaPeer(g711=True, video=None)
        rig.peers.append(browser)
        answer = read_call_answer(browser.call_answer(offered.sdp))
        page = tuple(codec for codec in call_section(answer).codecs if codec.name == "PCMU")
        codecs = CallCodecs(page=page, phone=phone.codecs)
        peer = calls.accept_answer(offered, answer, page, session_id="s1", post=facts.post)
        Bridge(peer, leg, codecs)
        leg.describe(phone.media(), voice=PCMU, events=EVENTS)
        rig.nursery.start_soon(browser.run)
        await facts.until(Connected())
        phone.talk(b"hello")
        await browser.until_received(1)
        assert browser.answer.ssrcs == (browser.received[0].ssrc,)
        assert browser.received[0].payload == b"hello"
        phone.close()


@pytest.fixture
def sockets() -> Iterator[list[MediaSocket]]:
    opened = open_media_sockets(media_settings())
    yield opened
    for each in opened:
        each.close()


async def test_calls_beyond_the_ports_are_refused(sockets: list[MediaSocket]) -> None:
    pairs = PortPairs(media_settings(media_port_from=20_000, media_port_to=20_001), sockets)
    with pytest.raises(NoPortFree):
        pairs.open("127.0.0.1", 0.0)


async def test_ports_come_from_the_range_and_are_even(sockets: list[MediaSocket]) -> None:
    pairs = PortPairs(media_settings(media_port_from=20_000, media_port_to=20_400), sockets)
    pair = pairs.open("127.0.0.1", 0.0)
    assert pair.told[1] % 2 == 0
    assert 20_000 < pair.told[1] < 20_400
    assert pair.rtcp.getsockname()[1] == pair.told[1] + 1
    pairs.give_back(pair, 0.0)
    assert pairs.used >= 1


async def test_where_any_ports_will_do_the_odd_ones_that_the_system_gives_do_too(
    sockets: list[MediaSocket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(port_pairs, "_TRIES", 4)  # the other one of the two may be somebody's
    pairs = PortPairs(media_settings(), sockets)
    opened = [pairs.open("127.0.0.1", 0.0) for _ in range(100)]
    for pair in opened:
        first, second = pair.rtp.getsockname()[1], pair.rtcp.getsockname()[1]
        assert (first % 2, second, pair.told[1]) == (0, first + 1, first)
        pairs.give_back(pair, 0.0)


async def test_the_end_of_the_plane_closes_the_ports() -> None:
    async with media_rig() as rig:
        leg = rig.plane.calls.open_leg(session_id="s1", post=Facts().post, signalling=("127.0.0.1",))
        rig.serving.cancel()
        await until(lambda: leg.closed)


async def test_a_page_may_be_offered_what_it_does_not_know() -> None:
    opus = Codec(payload_type=96, name="OPUS", clock_rate=48_000, channels=2)
    async with media_rig() as rig:
        offered = rig.plane.calls.offer_page(page_offer((opus,), ()))
        assert "m=audio" in offered.sdp
        assert "a=setup:actpass" in offered.sdp
        assert "a=sendrecv" in offered.sdp
