"""What of a peer's packets is not taken: how early, how it is counted and told; and that large ones are taken."""

import secrets

import pytest

from actors.media.drops import Drop
from actors.media.sending.fast_sender import FastSender
from actors.media.sending.sender import PacketSender, PortableSender
from protocol.webrtc.rtcp import build_nack, build_pli
from protocol.webrtc.srtp import MAX_PACKET
from tests.support.media.media_rig import media_rig, until
from tests.support.media.rtp_packets import build_header
from tests.support.webrtc.media_peer import VIDEO_SSRC, vp8_delta, vp8_key_frame

HEADER = 12


def reasons(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Why media was dropped, as the log has it."""
    return [vars(record)["wcsd_fields"]["why"] for record in caplog.records if record.getMessage() == "media dropped"]


@pytest.mark.parametrize("make", [PortableSender, FastSender])
@pytest.mark.parametrize("repaired", [True, False], ids=["rtx", "plain"])
async def test_packets_that_fill_a_path_reach_viewers_and_are_given_again(
    make: type[PacketSender], repaired: bool
) -> None:
    async with media_rig(sender=make()) as rig:
        rtx_type = 97 if repaired else None
        published = await rig.publish(audio=False, rtx_type=rtx_type, twcc=False)
        viewers = [await rig.play(published.publication, audio=False, rtx_type=rtx_type) for _ in range(3)]
        peer = viewers[0].peer
        peer.lose = 1
        sizes = (1400, 1400, 1472, 1472, 1500, MAX_PACKET)
        payloads = [vp8_key_frame(bytes(MAX_PACKET - HEADER - 11)), *(vp8_delta(bytes(n - HEADER - 4)) for n in sizes)]
        for number, payload in enumerate(payloads, 1):
            published.peer.send(published.peer.rtp(number, payload, timestamp=3000))
        for viewer in viewers[1:]:
            await viewer.peer.until_received(len(payloads))
            assert [packet.payload for packet in viewer.peer.received] == payloads
        await peer.until_received(len(sizes))
        peer.send_rtcp(build_nack(1, peer.answer.ssrcs[0], [peer.received[0].sequence - 1]))
        await peer.until_received(len(payloads))
        assert peer.received[-1].payload[2 if repaired else 0 :] == payloads[0]
        assert rig.plane.statistics().too_large == 0


async def test_a_packet_that_is_too_large_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        for number in range(1, 4):
            header = build_header(payload_type=96, marker=False, sequence=number, timestamp=0, ssrc=VIDEO_SSRC)
            assert published.peer.transmitter is not None
            large = header + vp8_key_frame(bytes(MAX_PACKET))
            published.peer.send(published.peer.transmitter.session.protect(large))
        await until(lambda: rig.plane.statistics().too_large == 3)
        assert reasons(caplog) == [Drop.TOO_LARGE.reason]
        assert published.ingest.statistics().dropped == 3


async def test_a_source_and_a_format_that_nobody_offered_are_told(caplog: pytest.LogCaptureFixture) -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        peer = published.peer
        for number in range(1, 4):
            peer.send(peer.rtp(number, b"x", payload_type=55, ssrc=4242))
            peer.send(peer.rtp(number, b"x", payload_type=55))
        await until(lambda: rig.plane.statistics().unexpected == 6)
        assert reasons(caplog) == [Drop.UNKNOWN_SOURCE.reason, Drop.UNKNOWN_FORMAT.reason]


async def test_packets_beyond_the_rate_are_dropped_before_they_are_decrypted(caplog: pytest.LogCaptureFixture) -> None:
    async with media_rig(max_publisher_packet_rate=50) as rig:
        published = await rig.publish(audio=False)
        forged = b"\x80\x60" + bytes(6) + VIDEO_SSRC.to_bytes(4, "big")
        for _ in range(400):
            published.peer.send(forged + secrets.token_bytes(40))
        await until(lambda: rig.plane.statistics().srtp_errors + rig.plane.statistics().over_packet_rate == 400)
        assert rig.plane.statistics().over_packet_rate >= 200
        assert reasons(caplog) == [Drop.NOT_AUTHENTIC.reason, Drop.PACKET_RATE.reason]


async def test_control_packets_beyond_the_rate_are_dropped_of_publisher_and_player(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with media_rig(max_control_rate=30) as rig:
        published = await rig.publish(audio=False)
        viewer = await rig.play(published.publication, audio=False)
        for peer in (published.peer, viewer.peer):
            for _ in range(300):
                peer.send_rtcp(build_pli(1, 2))
        await until(lambda: rig.plane.statistics().over_control_rate >= 300)
        assert [drop for drop in reasons(caplog) if drop == Drop.CONTROL_RATE.reason] == [Drop.CONTROL_RATE.reason] * 2
        published.peer.send(published.peer.rtp(1, vp8_key_frame()))
        await viewer.peer.until_received(1)
