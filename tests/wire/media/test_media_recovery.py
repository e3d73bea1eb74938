"""Loss and its repair, both ways: NACK, RTX, plain resends, key frame requests, transport-cc and receiver reports."""

import struct

import pytest
import trio

from actors.media.events import Connected, NotEnoughBandwidth
from protocol.sfu import bandwidth
from protocol.sfu.keyframe_requests import MIN_REQUEST_INTERVAL
from protocol.sfu.nack import MAX_RESENDS, MAX_TRIES
from protocol.webrtc.rtcp import (
    BitrateEstimate,
    FullIntraRequest,
    Nack,
    PictureLoss,
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
from tests.support.media.media_rig import Played, Published, media_rig, until
from tests.support.webrtc.media_peer import AUDIO_SSRC, VIDEO_SSRC, sequences, vp8_delta, vp8_key_frame

RECEIVER_REPORT, DESCRIPTION = 201, 202


def send(published: Published, number: int, payload: bytes) -> None:
    published.peer.send(published.peer.rtp(number, payload, timestamp=number * 3000))


def ssrcs(played: Played) -> tuple[int, int]:
    """Video and its RTX."""
    return played.peer.answer.ssrcs[-2], played.peer.answer.ssrcs[-1]


def packet_types(compound: bytes) -> tuple[int, ...]:
    """Of all packets in it, by their numbers."""
    types, position = [], 0
    while position < len(compound):
        types.append(compound[position + 1])
        position += 4 * (int.from_bytes(compound[position + 2 : position + 4], "big") + 1)
    return tuple(types)


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
        assert published.ingest.statistics().lost == 0


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


async def test_a_hole_around_the_wrap_is_filled() -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        viewer = await rig.play(published.publication, audio=False)
        send(published, 65_534, vp8_key_frame())
        for lost in (65_535, 65_536):
            published.peer.rtp(lost, b"encrypted, never sent")
        send(published, 65_537, vp8_delta(b"1"))
        await published.peer.until(lambda: {65_535, 0} <= set(published.peer.nacked))
        published.peer.send_rtx(500, 65_535, vp8_delta(b"65535"))
        published.peer.send_rtx(501, 0, vp8_delta(b"0"))
        await viewer.peer.until_received(4)
        first = viewer.peer.received[0].sequence
        assert [packet.sequence - first for packet in viewer.peer.received] == [0, 3, 1, 2]
        assert viewer.peer.undecryptable == 0


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


async def test_a_packet_that_never_comes_makes_a_key_frame_necessary() -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        viewer = await rig.play(published.publication, audio=False)
        send(published, 1, vp8_key_frame())
        await viewer.peer.until_received(1)
        asked = published.peer.key_frame_requests
        send(published, 3, vp8_delta(b"3"))
        await published.peer.until(lambda: published.peer.key_frame_requests > asked)
        assert 1 <= published.peer.nacked.count(2) <= MAX_TRIES


async def test_the_round_trip_to_a_publisher_is_known_by_its_echo_of_our_clock() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        peer = published.peer
        await peer.until(lambda: any(compound[1] == RECEIVER_REPORT for compound in peer.compounds))
        report = next(compound for compound in peer.compounds if compound[1] == RECEIVER_REPORT)
        server_ssrc, clock = report[4:8], report[-6:-2]  # the middle of the 64 bits that our clock has
        assert published.ingest.statistics().round_trip == 0
        peer.send_rtcp(struct.pack("!BBHIBBH", 0x80, 207, 5, AUDIO_SSRC, 5, 0, 3) + server_ssrc + clock + bytes(4))
        await until(lambda: published.ingest.statistics().round_trip > 0)
        assert published.ingest.statistics().round_trip < 10


@pytest.mark.parametrize("reduced", [True, False])
async def test_feedback_is_compound_unless_both_sides_agreed_on_less(reduced: bool) -> None:
    async with media_rig() as rig:
        published = await rig.publish(reduced_size=reduced)
        peer = published.peer
        viewer = await rig.play(published.publication)
        send(published, 1, vp8_key_frame())
        send(published, 3, vp8_delta(b"3"))
        await published.peer.until(lambda: 2 in published.peer.nacked)
        viewer.peer.send_rtcp(build_pli(1, ssrcs(viewer)[0]))
        kinds = (Nack, PictureLoss, TransportFeedback, ReceiverReport)
        await peer.until(lambda: {type(packet) for packet in peer.rtcp}.issuperset(kinds))
        starts = {packet_types(compound)[:2] for compound in peer.compounds}
        assert (starts == {(RECEIVER_REPORT, DESCRIPTION)}) is not reduced
        assert (RECEIVER_REPORT, DESCRIPTION) in starts


async def test_a_publisher_without_transport_feedback_is_told_its_bandwidth_by_remb() -> None:
    async with media_rig(max_publisher_bitrate=1200) as rig:
        measured, told = await rig.publish(audio=False), await rig.publish(audio=False, twcc=False)
        for published in (measured, told):
            send(published, 1, vp8_key_frame())
        await told.peer.until(lambda: any(isinstance(packet, BitrateEstimate) for packet in told.peer.rtcp))
        estimate = next(packet for packet in told.peer.rtcp if isinstance(packet, BitrateEstimate))
        assert (estimate.ssrcs, estimate.bitrate) == ((VIDEO_SSRC,), 1_200_000)
        await measured.peer.until(lambda: any(isinstance(packet, ReceiverReport) for packet in measured.peer.rtcp))
        assert not any(isinstance(packet, BitrateEstimate) for packet in measured.peer.rtcp)


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
        asked = published.ingest.statistics().plis
        await published.peer.until(lambda: published.peer.key_frame_requests == asked)
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
        await published.peer.until(lambda: published.peer.key_frame_requests > asked)
        assert not any(isinstance(packet, FullIntraRequest) for packet in published.peer.rtcp)


async def test_the_owner_may_ask_for_a_key_frame() -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        published.publication.request_key_frame()
        await published.peer.until(lambda: published.peer.key_frame_requests >= 1)


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


@pytest.mark.parametrize("rtx_type", [97, None])
async def test_a_viewer_that_loses_packets_around_the_wrap_gets_them_again(rtx_type: int | None) -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        viewer = await rig.play(published.publication, audio=False, rtx_type=rtx_type)
        video = viewer.peer.answer.ssrcs[0]
        for number in (100, 30_000, 60_000, 65_533):  # the viewer gets the publisher's own numbers, and so its wrap
            send(published, number, vp8_key_frame())
        await viewer.peer.until_received(4)
        viewer.peer.lose = 4
        for number in range(65_534, 65_540):
            send(published, number, vp8_key_frame(bytes([number & 0xFF])))
        await viewer.peer.until_received(6)
        assert sequences(viewer.peer.received) == [100, 30_000, 60_000, 65_533, 2, 3]
        viewer.peer.send_rtcp(build_nack(1, video, [65_534, 65_535, 0, 1]))
        await viewer.peer.until_received(10)
        again = viewer.peer.received[6:]
        if rtx_type is None:
            assert sequences(again) == [65_534, 65_535, 0, 1]
        else:
            assert [int.from_bytes(packet.payload[:2], "big") for packet in again] == [65_534, 65_535, 0, 1]
        assert [packet.payload[-1] for packet in again] == [0xFE, 0xFF, 0, 1]
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
        path = rig.plane.quality.paths["play"]
        assert (path.losses.count, path.losses.sum) == (1, 9 / 256)
        assert (path.round_trips.count, path.jitter.count) == (1, 1)


async def test_a_viewer_whose_path_carries_less_than_the_stream_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bandwidth, "PATIENCE", 0.0)
    monkeypatch.setattr(bandwidth, "WINDOW", 0.0)
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        narrow = await rig.play(published.publication, audio=False)
        wide = await rig.play(published.publication, audio=False)
        for number in range(1, 101):
            send(published, number, vp8_key_frame(bytes(1000)))
        # The stream's rate is measured once a second, with the report.
        peer = published.peer
        await peer.until(lambda: any(isinstance(packet, ReceiverReport) and packet.reports for packet in peer.rtcp))
        for viewer, estimate in ((wide, 10_000_000), (narrow, 100_000)):
            ssrc = ssrcs(viewer)[0]
            for lost, highest in ((0, 100), (20, 200)):
                block = ReportBlock(ssrc=ssrc, fraction_lost=0, packets_lost=lost, highest_sequence=highest, jitter=0)
                viewer.peer.send_rtcp(build_receiver_report(1, [block]) + build_remb(1, estimate, [ssrc]))
        await until(lambda: len(narrow.facts.told) > 1)
        (_, fact) = narrow.facts.told
        assert isinstance(fact, NotEnoughBandwidth)
        assert fact.bandwidth == 100_000
        assert 100_000 < fact.bitrate < 900_000
        await until(lambda: wide.playback.statistics().available_kbps > 0)
        assert wide.facts.told == [Connected()]
