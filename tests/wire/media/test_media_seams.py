"""A track does not know where its packets come from or where they go: each end is replaced by one without WebRTC."""

import pytest
import trio

from actors.media.events import Flowing, PeerClosed, Resized
from actors.media.sending.fast_sender import FastSender
from actors.media.sending.sender import PacketSender, PortableSender
from protocol.sfu.incoming_track import MediaPacket
from protocol.webrtc.roles import PeerRoles
from protocol.webrtc.rtcp import PictureLoss, SenderReport, build_nack, build_pli, build_sender_report
from protocol.webrtc.sdp import MediaKind, Setup
from tests.support.media.media_rig import Facts, Played, media_rig, until
from tests.support.media.plain_media import KeepingSink, PlainSource
from tests.support.media.rtp_packets import build_header
from tests.support.webrtc.media_peer import AUDIO_SSRC, VIDEO_SSRC, vp8_delta, vp8_key_frame

SOURCE_SSRC = 4242


def rtp(sequence: int, payload: bytes, *, timestamp: int = 0, ssrc: int = SOURCE_SSRC) -> bytes:
    header = build_header(payload_type=50, marker=True, sequence=sequence, timestamp=timestamp, ssrc=ssrc)
    return header + payload


def video_of(played: Played) -> list[bytes]:
    return [packet.payload for packet in played.peer.media(played.peer.answer.ssrcs[-2])]


# -- where packets come from -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("make_sender", [PortableSender, FastSender])
async def test_plain_packets_are_played_by_srtp_viewers(make_sender: type[PacketSender]) -> None:
    async with media_rig(sender=make_sender()) as rig:
        facts = Facts()
        source = PlainSource(rig.plane.context, post=facts.post)
        viewers = [await rig.play(source.publication), await rig.play(source.publication, video_type=120)]
        pictures = [vp8_key_frame(b"first"), *(vp8_delta(bytes([n]) * 1100) for n in range(20))]
        video = [rtp(65_530 + n & 0xFFFF, picture, timestamp=n * 3000) for n, picture in enumerate(pictures)]
        source.feed(MediaKind.VIDEO, video)
        source.feed(MediaKind.AUDIO, [rtp(n, b"opus", timestamp=n * 960) for n in range(5)])
        for viewer in viewers:
            await viewer.peer.until_received(len(pictures) + 5)
            assert video_of(viewer) == pictures
            assert {packet.payload for packet in viewer.peer.media(viewer.peer.answer.ssrcs[0])} == {b"opus"}
            assert SOURCE_SSRC not in viewer.peer.answer.ssrcs
        assert facts.told == [Flowing(), Resized(width=640, height=480)]
        assert (source.publication.video_codec, source.publication.width) == ("VP8", 640)
        assert source.publication.statistics().packets == len(pictures) + 5
        assert rig.plane.statistics().forwarded == 2 * (len(pictures) + 5)


async def test_viewers_of_plain_packets_get_lost_ones_again_and_late_viewers_the_last_key_frame() -> None:
    async with media_rig() as rig:
        source = PlainSource(rig.plane.context, post=lambda event: None)
        viewer = await rig.play(source.publication, audio=False, rtx_type=None)
        pictures = [vp8_key_frame(b"key"), vp8_delta(b"one"), vp8_delta(b"two")]
        source.feed(MediaKind.VIDEO, [rtp(n, picture) for n, picture in enumerate(pictures)])
        await viewer.peer.until_received(3)
        lost = viewer.peer.received[1]
        viewer.peer.send_rtcp(build_nack(1, lost.ssrc, [lost.sequence]))
        await until(lambda: rig.plane.statistics().resent == 1)

        late = await rig.play(source.publication, audio=False)
        await late.peer.until_received(3)
        assert video_of(late) == pictures


async def test_a_source_is_asked_for_key_frames_and_told_of_no_viewer() -> None:
    async with media_rig() as rig:
        source = PlainSource(rig.plane.context, post=lambda event: None)
        viewer = await rig.play(source.publication, audio=False)
        assert source.key_frames_asked == 1, "the viewer on its way"
        source.feed(MediaKind.VIDEO, [rtp(1, vp8_key_frame())])
        await viewer.peer.until_received(1)
        viewer.peer.send_rtcp(build_pli(1, viewer.peer.received[0].ssrc))
        await until(lambda: viewer.playback.statistics().plis == 1)
        track = source.publication.tracks[MediaKind.VIDEO]
        assert track.requests.deadline <= trio.current_time() + 1.0, "deferred, and not lost"


async def test_the_end_of_a_source_ends_its_packets() -> None:
    async with media_rig() as rig:
        source = PlainSource(rig.plane.context, post=lambda event: None)
        viewer = await rig.play(source.publication, audio=False)
        source.feed(MediaKind.VIDEO, [rtp(1, vp8_key_frame())])
        await viewer.peer.until_received(1)
        source.publication.end()
        source.publication.end()
        source.feed(MediaKind.VIDEO, [rtp(2, vp8_delta())])
        assert source.publication.ended
        assert rig.plane.statistics().forwarded == 1
        late = await rig.play(source.publication, audio=False)
        assert late.peer.received == []


# -- where packets go ------------------------------------------------------------------------------------------------


async def test_a_sink_gets_every_packet_while_it_is_attached() -> None:
    async with media_rig(sender=FastSender()) as rig:
        published = await rig.publish()
        viewer = await rig.play(published.publication)
        track, sink = published.publication.tracks[MediaKind.VIDEO], KeepingSink()

        def send(first: int, pictures: list[bytes]) -> None:
            for number, picture in enumerate(pictures, first):
                published.peer.send(published.peer.rtp(number, picture, timestamp=number * 3000))

        send(1, [vp8_key_frame(b"before")])
        await viewer.peer.until_received(1)
        track.attach(sink)
        pictures = [vp8_delta(b"one"), vp8_key_frame(b"two", width=1280, height=720), vp8_delta(b"three" * 200)]
        send(2, pictures)
        await viewer.peer.until_received(4)
        track.detach(sink)
        track.detach(sink)
        send(5, [vp8_delta(b"after")])
        await viewer.peer.until_received(5)

        assert sink.payloads == pictures
        sent = [packet for packet, _ in sink.packets]
        assert [packet.sequence - sent[0].sequence for packet in sent] == [0, 1, 2]
        assert [packet.sequence & 0xFFFF for packet in sent] == [2, 3, 4]
        assert [packet.key_frame is not None for packet in sent] == [False, True, False]
        assert sent[1].key_frame is not None
        assert (sent[1].key_frame.width, sent[1].key_frame.height) == (1280, 720)
        assert {int.from_bytes(packet.data[8:12]) for packet in sent} == {track.source.ssrc}
        times = [now for _, now in sink.packets]
        assert times == sorted(times)
        assert trio.current_time() - 10 < times[0] <= trio.current_time()
        assert len(video_of(viewer)) == 5, "viewers notice nothing of it"
        assert not sink.ended


async def test_a_sink_without_any_viewer_has_the_publisher_send_key_frames_and_mend_losses() -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        track, sink = published.publication.tracks[MediaKind.VIDEO], KeepingSink()
        track.attach(sink)
        track.request_key_frame(trio.current_time())
        await published.peer.until(lambda: any(isinstance(packet, PictureLoss) for packet in published.peer.rtcp))
        for number, picture in ((1, vp8_key_frame(b"1")), (3, vp8_delta(b"3"))):
            published.peer.send(published.peer.rtp(number, picture, timestamp=number * 3000))
        await published.peer.until(lambda: 2 in published.peer.nacked)
        published.peer.send_rtx(1, 2, vp8_delta(b"2"), timestamp=6000)
        await until(lambda: len(sink.packets) == 3)
        assert [packet.sequence & 0xFFFF for packet, _ in sink.packets] == [1, 3, 2], "a late one comes late"
        assert rig.plane.statistics().forwarded == 0
        assert track.requests.deadline > 1e9, "the key frame has answered the request"


async def test_a_sink_gets_sender_reports_and_the_end() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        sinks = {kind: KeepingSink() for kind in MediaKind}
        for kind, sink in sinks.items():
            published.publication.tracks[kind].attach(sink)
        published.peer.send(published.peer.rtp(1, b"opus", kind="audio"))
        published.peer.send(published.peer.rtp(1, vp8_key_frame()))
        for ssrc in (AUDIO_SSRC, VIDEO_SSRC):
            report = SenderReport(
                ssrc=ssrc, ntp_timestamp=ssrc << 32, rtp_timestamp=4711, packet_count=1, octet_count=1
            )
            published.peer.send_rtcp(build_sender_report(report))
        await until(lambda: all(sink.reports for sink in sinks.values()))
        assert sinks[MediaKind.AUDIO].reports[0].ntp_timestamp == AUDIO_SSRC << 32
        assert sinks[MediaKind.VIDEO].reports[0].rtp_timestamp == 4711
        published.ingest.close()
        assert [sink.ended for sink in sinks.values()] == [True, True]


async def test_a_sink_may_detach_itself_while_it_takes_a_packet() -> None:
    async with media_rig() as rig:
        source = PlainSource(rig.plane.context, post=lambda event: None)
        track = source.publication.tracks[MediaKind.AUDIO]

        class Once(KeepingSink):
            def take(self, packet: MediaPacket, now: float) -> None:
                super().take(packet, now)
                track.detach(self)

        once, other = Once(), KeepingSink()
        track.attach(once)
        track.attach(other)
        source.feed(MediaKind.AUDIO, [rtp(1, b"1"), rtp(2, b"2")])
        assert (once.payloads, other.payloads) == ([b"1"], [b"1", b"2"])


async def test_plain_packets_reach_a_sink_without_any_peer() -> None:
    async with media_rig() as rig:
        source = PlainSource(rig.plane.context, post=lambda event: None)
        sink = KeepingSink()
        source.publication.tracks[MediaKind.VIDEO].attach(sink)
        pictures = [vp8_key_frame(), vp8_delta(b"1"), vp8_delta(b"2")]
        source.feed(MediaKind.VIDEO, [rtp(n, picture) for n, picture in enumerate(pictures)])
        source.feed(MediaKind.VIDEO, [rtp(2, pictures[2])])
        assert sink.payloads == pictures, "each comes once"
        assert rig.plane.statistics().datagrams == 0


# -- which part the server takes -------------------------------------------------------------------------------------


async def test_the_server_may_be_the_dtls_client() -> None:
    roles = PeerRoles(setup=Setup.ACTIVE)
    async with media_rig() as rig:
        published = await rig.publish(roles=roles)
        viewer = await rig.play(published.publication, roles=roles)
        assert "a=setup:active" in published.ingest.answer
        assert "a=setup:active" in viewer.playback.answer
        published.peer.send(published.peer.rtp(1, b"opus", kind="audio"))
        await viewer.peer.until_received(1)
        assert rig.plane.statistics().withheld == 0
        viewer.playback.close()
        await viewer.peer.closed.wait()
        published.peer.close()
        await published.facts.until(PeerClosed())
