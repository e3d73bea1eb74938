"""Loss and its repair, both ways: NACK, RTX, plain resends, key frame requests, transport-cc and receiver reports."""

import trio

from protocol.sfu.nack import MAX_RESENDS
from protocol.sfu.router import MIN_REQUEST_INTERVAL
from protocol.webrtc.rtcp import (
    FullIntraRequest,
    Nack,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    TransportFeedback,
    build_fir,
    build_nack,
    build_pli,
    build_receiver_report,
    build_remb,
    build_sender_report,
)
from tests.support.media_peer import AUDIO_SSRC, VIDEO_SSRC, vp8_delta, vp8_key_frame
from tests.support.media_rig import Played, Published, media_rig, until


def send(published: Published, number: int, payload: bytes) -> None:
    published.peer.send(published.peer.rtp(number, payload, timestamp=number * 3000))


def ssrcs(played: Played) -> tuple[int, int]:
    """Video and its RTX."""
    return played.peer.answer.ssrcs[-2], played.peer.answer.ssrcs[-1]


# -- towards the publisher -------------------------------------------------------------------------------------------


async def test_a_hole_is_asked_for_and_filled_by_rtx() -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        viewer = await rig.play(published.publication, audio=False)
        send(published, 1, vp8_key_frame())
        published.peer.rtp(2, b"encrypted, never sent")
        send(published, 3, vp8_delta(b"3"))
        await published.peer.until(lambda: 2 in published.peer.nacked)
        assert [p.media_ssrc for p in published.peer.rtcp if isinstance(p, Nack)] == [VIDEO_SSRC]
        published.peer.send_rtx(500, 2, vp8_delta(b"2"), timestamp=6000)
        await viewer.peer.until_received(3)
        numbers = [packet.sequence for packet in viewer.peer.received]
        assert [packet.payload for packet in viewer.peer.received] == [
            vp8_key_frame(),
            vp8_delta(b"3"),
            vp8_delta(b"2"),
        ]
        assert numbers == [numbers[0], numbers[0] + 2, numbers[0] + 1]
        assert {packet.ssrc for packet in viewer.peer.received} == {ssrcs(viewer)[0]}
        assert published.publication.statistics().lost == 0


async def test_a_hole_is_filled_by_a_plain_resend() -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False, rtx_type=None)
        viewer = await rig.play(published.publication, audio=False)
        send(published, 1, vp8_key_frame())
        lost = published.peer.rtp(2, vp8_delta(b"2"))
        send(published, 3, vp8_delta(b"3"))
        await published.peer.until(lambda: 2 in published.peer.nacked)
        published.peer.send(lost)
        await viewer.peer.until_received(3)
        assert viewer.peer.received[-1].payload == vp8_delta(b"2")


async def test_bandwidth_probes_reach_no_viewer() -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        viewer = await rig.play(published.publication, audio=False)
        send(published, 1, vp8_key_frame())
        published.peer.send_rtx(500, 1, vp8_key_frame())  # repeats the newest packet
        published.peer.send_rtx(501, 0, b"")  # nothing but padding
        send(published, 2, vp8_delta())
        await viewer.peer.until_received(2)
        assert [packet.payload for packet in viewer.peer.received] == [vp8_key_frame(), vp8_delta()]
        assert viewer.peer.undecryptable == 0


async def test_transport_feedback_and_receiver_reports_come() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        for number in range(1, 11):
            published.peer.send(published.peer.rtp(number, b"opus", kind="audio"))
        peer = published.peer
        await peer.until(lambda: any(isinstance(packet, TransportFeedback) for packet in peer.rtcp))
        feedback = next(packet for packet in peer.rtcp if isinstance(packet, TransportFeedback))
        base, count = int.from_bytes(feedback.fci[:2], "big"), int.from_bytes(feedback.fci[2:4], "big")
        assert base == 1
        assert 1 <= count <= 10
        await peer.until(lambda: any(isinstance(packet, ReceiverReport) and packet.reports for packet in peer.rtcp))
        block = next(packet for packet in peer.rtcp if isinstance(packet, ReceiverReport) and packet.reports).reports[0]
        assert (block.ssrc, block.packets_lost, block.highest_sequence) == (AUDIO_SSRC, 0, 10)


async def test_a_thousand_requests_make_few_key_frames() -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        began = trio.current_time()
        viewers = [await rig.play(published.publication, audio=False) for _ in range(10)]
        for viewer in viewers:
            for _ in range(100):
                viewer.peer.send_rtcp(build_pli(1, ssrcs(viewer)[0]))
        await until(lambda: all(viewer.playback.statistics().plis == 100 for viewer in viewers))
        await published.peer.until(lambda: published.peer.key_frame_requests >= 2)  # the deferred one comes too
        send(published, 1, vp8_key_frame())
        for viewer in viewers:
            await viewer.peer.until_received(1)
        asked = published.publication.statistics().plis
        assert asked == published.peer.key_frame_requests
        assert asked <= 1 + (trio.current_time() - began) / MIN_REQUEST_INTERVAL


async def test_a_request_is_repeated_until_the_key_frame_comes() -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        await rig.play(published.publication, audio=False)
        await published.peer.until(lambda: published.peer.key_frame_requests >= 2)
        send(published, 1, vp8_key_frame())


async def test_fir_counts_as_a_request_too() -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        viewer = await rig.play(published.publication, audio=False)
        send(published, 1, vp8_key_frame())
        await viewer.peer.until_received(1)
        asked = published.peer.key_frame_requests
        viewer.peer.send_rtcp(build_fir(1, ssrcs(viewer)[0], 1))
        await published.peer.until(lambda: published.peer.key_frame_requests == asked + 1)
        assert not any(isinstance(packet, FullIntraRequest) for packet in published.peer.rtcp)


async def test_the_owner_may_ask_for_a_key_frame() -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        published.publication.request_key_frame()
        await published.peer.until(lambda: published.peer.key_frame_requests == 1)


# -- towards a viewer ------------------------------------------------------------------------------------------------


async def test_a_viewer_gets_a_lost_packet_again_by_rtx() -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        viewer = await rig.play(published.publication, audio=False)
        video, rtx = ssrcs(viewer)
        for number in range(50_000, 50_005):
            send(published, number, vp8_key_frame(bytes([number & 0xFF])))
        await viewer.peer.until_received(5)
        wanted = viewer.peer.received[2]
        viewer.peer.send_rtcp(build_nack(1, video, [wanted.sequence]))
        await viewer.peer.until_received(6)
        again = viewer.peer.received[-1]
        assert (again.ssrc, again.payload_type, again.timestamp) == (rtx, viewer.peer.rtx_type, wanted.timestamp)
        assert again.payload == wanted.sequence.to_bytes(2, "big") + wanted.payload
        assert viewer.playback.statistics().resent == 1


async def test_a_viewer_without_rtx_gets_the_very_same_packet() -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        viewer = await rig.play(published.publication, audio=False, rtx_type=None)
        viewer.peer.lose = 1
        payloads = [vp8_key_frame(bytes([n])) for n in range(3)]
        for number, payload in enumerate(payloads, 1):
            send(published, number, payload)
        await viewer.peer.until_received(2)
        lost = viewer.peer.received[0].sequence - 1
        viewer.peer.send_rtcp(build_nack(1, viewer.peer.received[0].ssrc, [lost]))
        await viewer.peer.until_received(3)
        assert (viewer.peer.received[-1].sequence, viewer.peer.received[-1].payload) == (lost, payloads[0])
        assert viewer.peer.undecryptable == 0


async def test_a_nack_for_what_the_server_lacks_is_passed_over() -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        viewer = await rig.play(published.publication, audio=False)
        send(published, 1, vp8_key_frame())
        send(published, 3, vp8_delta())
        await viewer.peer.until_received(2)
        first, last = (packet.sequence for packet in viewer.peer.received)
        viewer.peer.send_rtcp(build_nack(1, ssrcs(viewer)[0], [first - 1 & 0xFFFF, first + 1, last, last + 7]))
        await viewer.peer.until_received(3)
        assert viewer.peer.received[-1].payload[:2] == last.to_bytes(2, "big")


async def test_a_packet_is_given_again_only_so_often() -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        viewer = await rig.play(published.publication, audio=False)
        send(published, 1, vp8_key_frame())
        await viewer.peer.until_received(1)
        wanted, asked = viewer.peer.received[0].sequence, MAX_RESENDS + 3
        for number in range(asked):
            viewer.peer.send_rtcp(build_nack(1, ssrcs(viewer)[0], [wanted]))
            await until(lambda: viewer.playback.statistics().nacks > number)  # noqa: B023  awaited here
            await trio.sleep(0.025)  # the server's own minimum between two resends of one packet
        send(published, 2, vp8_delta())
        await viewer.peer.until(lambda: viewer.peer.received[-1].payload == vp8_delta())
        assert len(viewer.peer.received) == 2 + MAX_RESENDS


async def test_loss_reports_and_round_trip_are_known() -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        viewer = await rig.play(published.publication, audio=False)
        send(published, 1, vp8_key_frame())
        await viewer.peer.until_received(1)
        report = SenderReport(ssrc=VIDEO_SSRC, ntp_timestamp=7 << 32, rtp_timestamp=1, packet_count=0, octet_count=0)
        published.peer.send_rtcp(build_sender_report(report))
        await viewer.peer.until(lambda: any(isinstance(packet, SenderReport) for packet in viewer.peer.rtcp))
        block = ReportBlock(
            ssrc=ssrcs(viewer)[0],
            fraction_lost=9,
            packets_lost=4,
            highest_sequence=1,
            jitter=0,
            lsr=report.lsr,
            dlsr=0,
        )
        viewer.peer.send_rtcp(build_receiver_report(1, [block]) + build_remb(1, 2_500_000, [ssrcs(viewer)[0]]))
        await until(lambda: viewer.playback.statistics().available_kbps > 0)
        statistics = viewer.playback.statistics()
        assert statistics.lost == 4
        assert 2_400 <= statistics.available_kbps <= 2_500
        assert 0 < statistics.round_trip < 10
