"""Viewers that come late, and a thousand that come within seconds: the publisher notices little of it."""

import pytest
import trio

from actors.media.sending.fast_sender import FastSender
from actors.media.sending.sender import PacketSender, PortableSender
from protocol.sfu.keyframe_requests import MIN_REQUEST_INTERVAL
from protocol.webrtc.dtls import DtlsContext
from protocol.webrtc.rtcp import build_nack
from tests.support.media.media_rig import Published, Rig, media_rig
from tests.support.webrtc.media_peer import sequences, vp8_delta, vp8_key_frame

VIEWERS, AT_ONCE = 1000, 100


async def publish_as_a_browser(published: Published) -> None:
    """A key frame for every request, and pictures in between, 50 a second."""
    peer, number, answered = published.peer, 0, 0
    while True:
        is_asked, answered = peer.key_frame_requests > answered, peer.key_frame_requests
        number += 1
        peer.send(peer.rtp(number, vp8_key_frame() if is_asked else vp8_delta(), timestamp=number * 1800))
        await trio.sleep(0.02)


async def watch_one_picture(rig: Rig, published: Published, session_id: str, context: DtlsContext) -> None:
    """Join, see a picture from its key frame on, and leave."""
    viewer = await rig.play(published.publication, connect=False, audio=False, session_id=session_id, context=context)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(viewer.peer.run)
        await viewer.peer.until_received(2)
        nursery.cancel_scope.cancel()
    viewer.playback.close()
    assert viewer.peer.received[0].payload == vp8_key_frame()


async def test_a_thousand_joins_make_few_key_frames() -> None:
    async with media_rig() as rig:
        context = DtlsContext.create()
        published = await rig.publish(audio=False)
        rig.nursery.start_soon(publish_as_a_browser, published)
        began = trio.current_time()
        for first in range(0, VIEWERS, AT_ONCE):
            async with trio.open_nursery() as nursery:
                for number in range(first, first + AT_ONCE):
                    nursery.start_soon(watch_one_picture, rig, published, f"s{number}", context)
        elapsed = trio.current_time() - began
        statistics = published.ingest.statistics()
        await published.peer.until(lambda: published.peer.key_frame_requests >= statistics.plis)
        assert statistics.plis <= 1 + elapsed / MIN_REQUEST_INTERVAL
        plane = rig.plane.statistics()
        assert (plane.players, plane.failed, plane.crashed) == (0, 0, 0)


@pytest.mark.parametrize("sender", [PortableSender, FastSender])
async def test_a_late_viewer_starts_with_the_last_key_frame_at_once(sender: type[PacketSender]) -> None:
    async with media_rig(sender=sender()) as rig:
        published = await rig.publish(audio=False)
        first = await rig.play(published.publication, audio=False)
        payloads = [vp8_key_frame(), vp8_delta(b"2"), vp8_delta(b"3")]
        for number, payload in enumerate(payloads, start=65_534):
            published.peer.send(published.peer.rtp(number & 0xFFFF, payload, timestamp=number * 1800))
        await first.peer.until_received(3)
        asked = published.ingest.statistics().plis
        late = await rig.play(published.publication, audio=False)
        await late.peer.until_received(3)
        published.peer.send(published.peer.rtp(1, vp8_delta(b"4"), timestamp=1 << 20))
        await late.peer.until_received(4)
        assert [packet.payload for packet in late.peer.received] == [*payloads, vp8_delta(b"4")]
        assert [number & 0x7FFF for number in sequences(late.peer.received)] == [32_766, 32_767, 0, 1]
        assert published.ingest.statistics().plis == asked > 0  # for the first viewer alone
        assert late.playback.statistics().packets == 4
        assert rig.plane.statistics().replayed == 3


async def test_a_late_viewer_gets_again_what_it_lost_of_the_past() -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        first = await rig.play(published.publication, audio=False)
        for number, payload in enumerate([vp8_key_frame(), vp8_delta(b"2"), vp8_delta(b"3")], start=10):
            published.peer.send(published.peer.rtp(number, payload, timestamp=number * 1800))
        await first.peer.until_received(3)
        late = await rig.play(published.publication, audio=False)
        await late.peer.until_received(3)
        ssrc = late.peer.received[0].ssrc
        late.peer.send_rtcp(build_nack(1, ssrc, [11]))
        await late.peer.until_received(4)
        assert late.peer.received[3].payload.endswith(vp8_delta(b"2"))
