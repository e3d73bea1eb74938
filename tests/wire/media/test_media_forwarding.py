"""Real datagrams through the media plane: what a publisher sends is what its viewers get, and when."""

import pytest

from actors.media import subscribers
from actors.media.events import Connected, Flowing, MediaRefused, Resized
from actors.media.sending.fast_sender import FastSender
from actors.media.sending.sender import PacketSender, PortableSender
from config.values.addresses import AddressPair
from protocol.stream.info_texts import StreamInfo
from protocol.webrtc.rtcp import SenderReport, build_sender_report
from tests.support.media.media_rig import Played, Published, media_rig
from tests.support.webrtc.media_peer import AUDIO_SSRC, VIDEO_SSRC, vp8_delta, vp8_key_frame


def send_video(published: Published, first: int, payloads: list[bytes]) -> None:
    for number, payload in enumerate(payloads, first):
        published.peer.send(published.peer.rtp(number, payload, timestamp=number * 3000))


def video_of(played: Played) -> list[bytes]:
    return [packet.payload for packet in played.peer.media(played.peer.answer.ssrcs[-2])]


async def test_two_viewers_get_the_bytes_that_were_published() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        viewers = [await rig.play(published.publication), await rig.play(published.publication, video_type=120)]
        payloads = [vp8_key_frame(b"first"), *(vp8_delta(bytes([n]) * 1100) for n in range(20))]
        for number, payload in enumerate(payloads):
            published.peer.send(published.peer.rtp(100 + number, payload, timestamp=number * 3000, marker=True))
            published.peer.send(published.peer.rtp(7 + number, b"opus", kind="audio", timestamp=number * 960))
        for viewer in viewers:
            audio_ssrc, video_ssrc = viewer.peer.answer.ssrcs[:2]
            await viewer.peer.until_received(2 * len(payloads))
            video = viewer.peer.media(video_ssrc)
            assert [packet.payload for packet in video] == payloads
            assert [packet.timestamp for packet in video] == [number * 3000 for number in range(len(payloads))]
            assert {packet.payload_type for packet in video} == {viewer.peer.video_type}
            assert all(packet.marker and not packet.has_extension for packet in video)
            assert {packet.payload for packet in viewer.peer.media(audio_ssrc)} == {b"opus"}
        assert published.facts.told == [Connected(), Flowing(), Resized(width=640, height=480)]
        assert rig.plane.statistics().forwarded == 2 * 2 * len(payloads)
        assert viewers[0].playback.statistics().packets == 2 * len(payloads)


async def test_video_begins_with_a_key_frame_and_audio_at_once() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        viewer = await rig.play(published.publication)
        send_video(published, 1, [vp8_delta(b"before"), vp8_delta(b"before")])
        published.peer.send(published.peer.rtp(1, b"opus", kind="audio"))
        await viewer.peer.until_received(1)
        send_video(published, 3, [vp8_key_frame(b"key"), vp8_delta(b"after")])
        await viewer.peer.until_received(3)
        assert viewer.peer.received[0].payload == b"opus"
        assert video_of(viewer) == [vp8_key_frame(b"key"), vp8_delta(b"after")]


async def test_a_late_packet_of_before_the_key_frame_is_not_sent_to_who_started_there() -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        early = await rig.play(published.publication, audio=False)
        send_video(published, 1, [vp8_key_frame(b"1")])
        send_video(published, 3, [vp8_delta(b"3")])  # with a hole before it the first key frame is no start for anybody
        await early.peer.until_received(2)
        late = await rig.play(published.publication, audio=False)
        send_video(published, 4, [vp8_key_frame(b"4")])
        send_video(published, 2, [vp8_delta(b"2")])
        send_video(published, 5, [vp8_delta(b"5")])
        await early.peer.until_received(5)
        await late.peer.until_received(2)
        assert video_of(late) == [vp8_key_frame(b"4"), vp8_delta(b"5")]


@pytest.mark.parametrize("lost", [0, 3])
async def test_a_viewer_that_joins_before_the_sequence_wraps_decrypts_all_of_it(lost: int) -> None:
    # Without a sequence offset a viewer that loses what came before the wrap never decrypts anything again.
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        viewer = await rig.play(published.publication, audio=False)
        viewer.peer.lose = lost
        payloads = [vp8_key_frame(bytes([n])) for n in range(12)]
        send_video(published, 65_533, payloads)
        await viewer.peer.until_received(12 - lost)
        numbers = [packet.sequence for packet in viewer.peer.received]
        assert video_of(viewer) == payloads[lost:]
        assert numbers == list(range(numbers[0], numbers[0] + 12 - lost))
        assert numbers[0] - lost < 32_768
        assert viewer.peer.undecryptable == 0


async def test_a_packet_of_nothing_but_padding_leaves_no_hole() -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        viewer = await rig.play(published.publication, audio=False)
        send_video(published, 1, [vp8_key_frame(), b"", vp8_delta()])
        await viewer.peer.until_received(3)
        assert video_of(viewer) == [vp8_key_frame(), b"", vp8_delta()]


async def test_an_offer_without_ssrcs_is_told_apart_by_payload_type() -> None:
    async with media_rig() as rig:
        published = await rig.publish(announce_ssrcs=False)
        viewer = await rig.play(published.publication)
        published.peer.send(published.peer.rtp(1, b"opus", kind="audio", ssrc=77))
        published.peer.send(published.peer.rtp(1, vp8_key_frame(), ssrc=88))
        published.peer.send(published.peer.rtp(2, b"another source", ssrc=99))
        published.peer.send(published.peer.rtp(2, vp8_delta(), ssrc=88))
        await viewer.peer.until_received(3)
        assert [packet.payload for packet in viewer.peer.received] == [b"opus", vp8_key_frame(), vp8_delta()]
        assert rig.plane.statistics().unexpected == 1


async def test_an_ssrc_that_was_not_announced_is_dropped_before_decryption() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        viewer = await rig.play(published.publication)
        published.peer.send(published.peer.rtp(1, b"foreign", kind="audio", ssrc=99))
        published.peer.send(published.peer.rtp(1, b"own", kind="audio"))
        await viewer.peer.until_received(1)
        assert [packet.payload for packet in viewer.peer.received] == [b"own"]


async def test_players_of_audio_only_and_of_video_only() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        listener = await rig.play(published.publication, video=None)
        watcher = await rig.play(published.publication, audio=False)
        for number in (1, 2):
            published.peer.send(published.peer.rtp(number, b"opus", kind="audio"))
            send_video(published, number, [vp8_key_frame()])
        await listener.peer.until_received(2)
        await watcher.peer.until_received(2)
        assert {packet.payload for packet in listener.peer.received} == {b"opus"}
        assert {packet.payload for packet in watcher.peer.received} == {vp8_key_frame()}
        assert (listener.playback.audio_codec, listener.playback.video_codec) == ("OPUS", None)


async def test_a_player_without_the_publishers_codec_is_refused() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        with pytest.raises(MediaRefused) as refused:
            await rig.play(published.publication, video="VP9/90000", connect=False)
        assert refused.value.info is StreamInfo.NO_COMMON_CODECS


async def test_an_offer_that_is_none_is_refused() -> None:
    async with media_rig() as rig:
        with pytest.raises(MediaRefused) as refused:
            rig.plane.publish("v=0\r\nnothing\r\n", session_id="s", post=lambda fact: None)
        assert refused.value.info is StreamInfo.FAILED_TO_ADD_STREAM_TO_PROXY


async def test_a_session_has_a_bounded_number_of_streams() -> None:
    async with media_rig(max_streams_per_session=2) as rig:
        first = await rig.publish(connect=False, session_id="greedy")
        await rig.publish(connect=False, session_id="greedy")
        with pytest.raises(MediaRefused):
            await rig.publish(connect=False, session_id="greedy")
        await rig.publish(connect=False, session_id="modest")
        first.ingest.close()
        await rig.publish(connect=False, session_id="greedy")


async def test_a_new_picture_size_is_told_once() -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        sizes = [(640, 480), (640, 480), (1280, 720)]
        send_video(published, 1, [vp8_key_frame(width=width, height=height) for width, height in sizes])
        await published.facts.until(Resized(width=1280, height=720))
        assert [fact for fact in published.facts.told if isinstance(fact, Resized)] == [
            Resized(width=640, height=480),
            Resized(width=1280, height=720),
        ]
        assert (published.publication.width, published.publication.height) == (1280, 720)


async def test_what_exceeds_the_bitrate_limit_is_dropped() -> None:
    async with media_rig(max_publisher_bitrate=100) as rig:  # 12,500 bytes at once, then so many a second
        published = await rig.publish(audio=False)
        viewer = await rig.play(published.publication, audio=False)
        send_video(published, 1, [vp8_key_frame(bytes(1000)) for _ in range(40)])
        await viewer.peer.until_received(11)
        assert 15 <= rig.plane.statistics().over_bitrate <= 30, "12.5 more may pass with each second that this takes"
        assert published.ingest.statistics().dropped == rig.plane.statistics().over_bitrate


async def test_sender_reports_are_passed_on_with_the_servers_counters() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        viewer = await rig.play(published.publication)
        published.peer.send(published.peer.rtp(1, b"opus", kind="audio"))
        await viewer.peer.until_received(1)
        report = SenderReport(
            ssrc=AUDIO_SSRC, ntp_timestamp=0xAABBCCDD11223344, rtp_timestamp=4711, packet_count=99, octet_count=999
        )
        published.peer.send_rtcp(build_sender_report(report))
        reports = viewer.peer.rtcp
        await viewer.peer.until(lambda: any(isinstance(packet, SenderReport) for packet in reports))
        audio_ssrc = viewer.peer.answer.ssrcs[0]
        expected = SenderReport(
            ssrc=audio_ssrc, ntp_timestamp=0xAABBCCDD11223344, rtp_timestamp=4711, packet_count=1, octet_count=4
        )
        assert expected in reports

        late = await rig.play(published.publication)
        published.peer.send(published.peer.rtp(2, b"opus", kind="audio"))
        await late.peer.until(lambda: any(isinstance(packet, SenderReport) for packet in late.peer.rtcp))


@pytest.mark.parametrize(
    ("make", "viewers", "allowed", "padded"),
    [
        (FastSender, 3, True, True),
        (FastSender, 2, True, False),
        (FastSender, 3, False, False),
        (PortableSender, 3, True, False),
    ],
)
async def test_video_is_padded_where_that_pays(
    monkeypatch: pytest.MonkeyPatch, make: type[PacketSender], viewers: int, allowed: bool, padded: bool
) -> None:
    monkeypatch.setattr(subscribers, "PADDED_FOR", 3)
    async with media_rig(sender=make(), media_padding=allowed) as rig:
        published = await rig.publish(audio=False)
        played = [await rig.play(published.publication, audio=False) for _ in range(viewers)]
        send_video(published, 1, [vp8_key_frame(bytes(900)), vp8_delta(bytes(901)), vp8_delta(bytes(902))])
        await played[0].peer.until_received(3)
        assert any(packet.padding for packet in played[0].peer.received) is padded
        played[-1].playback.close()
        send_video(published, 4, [vp8_key_frame(bytes(900)), vp8_delta(bytes(901))])
        await played[0].peer.until_received(5)
        assert not any(packet.padding for packet in played[0].peer.received[3:])


async def test_padding_reaches_the_viewer_and_is_counted_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscribers, "PADDED_FOR", 1)
    async with media_rig(sender=FastSender()) as rig:
        published = await rig.publish()
        viewer = await rig.play(published.publication)
        pictures = [vp8_key_frame(bytes(900)), vp8_delta(bytes(901)), vp8_delta(bytes(902))]
        send_video(published, 1, pictures)
        await viewer.peer.until_received(3)
        video_ssrc = viewer.peer.answer.ssrcs[1]
        packets = viewer.peer.media(video_ssrc)
        assert [packet.payload for packet in packets] == pictures
        assert any(packet.padding for packet in packets)
        report = SenderReport(ssrc=VIDEO_SSRC, ntp_timestamp=7 << 32, rtp_timestamp=1, packet_count=0, octet_count=0)
        published.peer.send_rtcp(build_sender_report(report))
        octets = sum(map(len, pictures))
        expected = SenderReport(
            ssrc=video_ssrc, ntp_timestamp=7 << 32, rtp_timestamp=1, packet_count=3, octet_count=octets
        )
        await viewer.peer.until(lambda: expected in viewer.peer.rtcp)
        assert viewer.playback.statistics().bytes == octets + 3 * 12


async def test_every_advertised_address_works() -> None:
    async with media_rig(ip=(AddressPair("127.0.0.1"), AddressPair("::1"))) as rig:
        (v4, port), (v6, same_port) = rig.plane.addresses
        assert (v4, v6, port) == ("127.0.0.1", "::1", same_port)
        published = await rig.publish(host="::1")
        viewers = [await rig.play(published.publication, host=host) for host in ("127.0.0.1", "::1")]
        published.peer.send(published.peer.rtp(1, b"opus", kind="audio"))
        for viewer in viewers:
            assert set(viewer.peer.answer.candidates) == {("127.0.0.1", port), ("::1", port)}
            await viewer.peer.until_received(1)


async def test_ssrcs_are_the_servers_own() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        viewer = await rig.play(published.publication)
        assert {AUDIO_SSRC, VIDEO_SSRC}.isdisjoint(viewer.peer.answer.ssrcs)
