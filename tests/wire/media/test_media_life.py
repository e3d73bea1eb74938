"""How a peer's media begins and ends, and what strangers cannot do."""

import secrets
from functools import partial

import pytest
import trio

from actors.media.events import Connected, Failed, MediaRefused, PeerClosed
from actors.media.tracks.published_track import PublishedTrack
from protocol.sfu.incoming_track import MediaPacket
from protocol.stream.info_texts import StreamInfo
from protocol.webrtc.dtls import DtlsContext
from protocol.webrtc.rtcp import build_nack, build_pli
from protocol.webrtc.srtp import SrtpProfile
from tests.support.media.media_rig import Published, media_rig, until
from tests.support.moved_clock import Hands, run
from tests.support.webrtc.media_peer import WRONG_FINGERPRINT, MediaPeer, vp8_key_frame


def send_audio(published: Published, *numbers: int) -> None:
    for number in numbers:
        published.peer.send(published.peer.rtp(number, b"opus", kind="audio"))


# -- the begin -------------------------------------------------------------------------------------------------------


async def test_a_client_hello_right_behind_the_first_check_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(MediaPeer, "_run_timers", lambda peer: None)  # it sends nothing twice
    async with media_rig() as rig:
        published = await rig.publish(connect=False)
        peer = published.peer
        peer.check()
        peer.start_dtls()  # both datagrams leave before the answer to the first can have come
        rig.nursery.start_soon(partial(peer.run, check_first=False))
        await published.facts.until(Connected())
        await peer.connected.wait()


@pytest.mark.parametrize("lost", [0, 1])
async def test_a_handshake_survives_the_loss_of_a_flight(lost: int) -> None:
    # The first is sent again when its timer runs out; the last, which ends the handshake for the server, when the
    # browser repeats its own.
    async with media_rig() as rig:
        published = await rig.publish(lose_dtls=frozenset({lost}))
        assert published.peer.dtls_datagrams > 2
        viewer = await rig.play(published.publication)
        send_audio(published, 1)
        await viewer.peer.until_received(1)


async def test_dtls_from_an_address_without_a_valid_check_is_not_answered() -> None:
    async with media_rig() as rig:
        published = await rig.publish(connect=False)
        published.peer.start_dtls()
        published.peer.check(pwd="not the password of this peer")
        published.peer.start_dtls()
        await until(lambda: rig.plane.statistics().datagrams >= 3)
        statistics = rig.plane.statistics()
        assert (statistics.handshakes, statistics.addresses, statistics.stun_checks) == (0, 0, 0)
        assert published.peer.datagrams == 0


@pytest.mark.parametrize("profile", SrtpProfile)
async def test_both_srtp_profiles(profile: SrtpProfile) -> None:
    async with media_rig() as rig:
        context = DtlsContext.create(profiles=[profile])
        published = await rig.publish(context=context)
        viewer = await rig.play(published.publication, context=context)
        send_audio(published, 1)
        await viewer.peer.until_received(1)
        assert viewer.peer.received[0].payload == b"opus"


async def test_a_certificate_that_is_not_the_offers_fails() -> None:
    async with media_rig() as rig:
        published = await rig.publish(connect=False, fingerprint=WRONG_FINGERPRINT)
        rig.nursery.start_soon(published.peer.run)
        await published.facts.until(Failed(info=StreamInfo.FAILED_BY_DTLS_FINGERPRINT_ERROR))
        assert published.facts.told == [Failed(info=StreamInfo.FAILED_BY_DTLS_FINGERPRINT_ERROR)]
        assert rig.plane.statistics().addresses == 0


async def test_a_client_without_srtp_fails() -> None:
    async with media_rig() as rig:
        published = await rig.publish(connect=False, context=DtlsContext.create(profiles=[]))
        rig.nursery.start_soon(published.peer.run)
        await published.facts.until(Failed(info=StreamInfo.FAILED_BY_DTLS_ERROR))


async def test_nobody_comes() -> None:
    async with media_rig(ice_timeout=0.1) as rig:
        published = await rig.publish(connect=False)
        await published.facts.until(Failed(info=StreamInfo.FAILED_BY_ICE_TIMEOUT))
        assert rig.plane.statistics().publishers == 0


async def test_a_peer_that_checks_but_never_shakes_hands() -> None:
    async with media_rig(dtls_timeout=0.1) as rig:
        published = await rig.publish(connect=False)
        published.peer.check()
        await published.facts.until(Failed(info=StreamInfo.FAILED_BY_DTLS_ERROR))


def test_handshakes_are_bounded_and_the_next_one_gets_its_turn() -> None:
    async def main(hands: Hands) -> None:
        async with media_rig(max_handshakes=1, dtls_timeout=5.0) as rig:
            idle = await rig.publish(connect=False)
            idle.peer.check()
            await until(lambda: rig.plane.statistics().handshakes == 1)
            other = await rig.publish(connect=False)
            rig.nursery.start_soon(other.peer.run)
            await until(lambda: rig.plane.statistics().stun_ignored > 0)
            assert other.facts.told == []
            await hands.pass_time(6)
            await other.facts.until(Connected())
            assert idle.facts.told == [Failed(info=StreamInfo.FAILED_BY_DTLS_ERROR)]

    run(main)


# -- the end ---------------------------------------------------------------------------------------------------------


async def test_close_says_goodbye_and_nothing_follows() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        stays, goes = await rig.play(published.publication), await rig.play(published.publication)
        send_audio(published, 1)
        await goes.peer.until_received(1)
        goes.playback.close()
        send_audio(published, *range(2, 50))
        goes.peer.check()
        await stays.peer.until_received(49)
        await goes.peer.closed.wait()
        goes.peer.poll()
        assert (len(goes.peer.received), goes.peer.after_close) == (1, 0)
        assert goes.facts.told == [Connected()]
        goes.playback.close()
        assert goes.playback.statistics().packets == 1


async def test_a_closed_publication_sends_nothing_to_anybody() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        viewer = await rig.play(published.publication)
        send_audio(published, 1)
        await viewer.peer.until_received(1)
        published.ingest.close()
        published.publication.request_key_frame()
        await published.peer.closed.wait()
        before = rig.plane.statistics().datagrams
        send_audio(published, 2, 3)
        await until(lambda: rig.plane.statistics().datagrams >= before + 2)
        viewer.playback.close()
        await viewer.peer.closed.wait()
        assert len(viewer.peer.received) == 1
        statistics = rig.plane.statistics()
        assert (statistics.publishers, statistics.players, statistics.addresses) == (0, 0, 0)


async def test_a_player_that_connects_after_the_publication_ended_gets_nothing() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        late = await rig.play(published.publication, connect=False)
        published.ingest.close()
        rig.nursery.start_soon(late.peer.run)
        await late.facts.until(Connected())
        late.playback.close()
        await late.peer.closed.wait()
        assert late.peer.received == []


async def test_the_browsers_goodbye_is_told() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        viewer = await rig.play(published.publication)
        viewer.peer.close()
        await viewer.facts.until(PeerClosed())
        published.peer.close()
        await published.facts.until(PeerClosed())
        assert rig.plane.statistics().addresses == 0


async def test_the_plane_says_goodbye_to_all_when_it_ends() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        viewer = await rig.play(published.publication)
        rig.serving.cancel()
        await published.peer.closed.wait()
        await viewer.peer.closed.wait()
        with pytest.raises(MediaRefused, match="has ended"):
            await rig.publish()


# -- strangers -------------------------------------------------------------------------------------------------------


async def test_a_peer_behind_a_new_port_goes_on() -> None:
    async with media_rig() as rig:
        published = await rig.publish(check_interval=0.05)
        viewer = await rig.play(published.publication, check_interval=0.05)
        send_audio(published, 1)
        await viewer.peer.until_received(1)
        viewer.peer.rebind()
        published.peer.rebind()
        number = 1
        with trio.fail_after(60):
            while len(viewer.peer.received) < 2:  # nobody tells the peers when they have been followed
                number += 1
                send_audio(published, number)
                await trio.sleep(0.02)  # the pace of an Opus stream
        await until(lambda: rig.plane.statistics().moved == 2)  # the publisher's media was taken before it was followed


async def test_media_from_an_unknown_address_moves_nobody() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        viewer = await rig.play(published.publication)
        stranger = MediaPeer()
        rig.peers.append(stranger)
        stranger.server = published.peer.server
        stolen = published.peer.rtp(1, b"opus", kind="audio")
        stranger.send(stolen)
        stranger.send(bytes([200]) * 40)
        await until(lambda: rig.plane.statistics().unknown_address == 2)
        send_audio(published, 2)
        await viewer.peer.until_received(1)
        assert viewer.peer.received[0].sequence == 2


async def test_ten_thousand_bogus_checks_change_nothing_and_are_not_answered() -> None:
    rounds, kinds = 100, 100
    async with media_rig() as rig:
        published = await rig.publish()
        viewer = await rig.play(published.publication)
        stranger = MediaPeer()
        rig.peers.append(stranger)
        stranger.server, stranger.answer = published.peer.server, published.peer.answer
        before = rig.plane.statistics()
        for turn in range(1, rounds + 1):  # media goes on between them, as it does in a second under attack
            send_audio(published, turn)
            stranger.check(pwd="guess")
            stranger.check(ufrag=f"nobody{turn}")
            for size in range(kinds - 2):
                stranger.send(b"\x00\x01" + secrets.token_bytes(size))
            await viewer.peer.until_received(turn)
        await until(lambda: rig.plane.statistics().stun_ignored >= rounds * kinds)
        after = rig.plane.statistics()
        assert (after.addresses, after.handshakes, after.failed) == (before.addresses, 0, 0)
        stranger.poll()
        assert stranger.datagrams == 0


async def test_garbage_from_a_valid_address_is_only_counted() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        viewer = await rig.play(published.publication)
        for first in range(4, 256):
            published.peer.send(bytes([first]) + secrets.token_bytes(40))
            published.peer.send(bytes([first]))
        published.peer.send(b"")
        send_audio(published, 1)
        await viewer.peer.until_received(1)
        assert rig.plane.statistics().crashed == 0


async def test_a_withdrawn_player_gets_no_media_however_it_asks_and_is_told_goodbye_at_its_close() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        gone, other = await rig.play(published.publication), await rig.play(published.publication)
        published.peer.send(published.peer.rtp(1, vp8_key_frame(), marker=True))
        await gone.peer.until_received(1)
        (first,) = gone.peer.received
        gone.playback.withdraw()
        gone.peer.send_rtcp(build_nack(1, first.ssrc, [first.sequence]) + build_pli(1, first.ssrc))
        for number in (2, 3):
            published.peer.send(published.peer.rtp(number, vp8_key_frame(), marker=True))
        await other.peer.until_received(3)
        other.peer.send_rtcp(build_nack(1, other.peer.received[-1].ssrc, [other.peer.received[-1].sequence]))
        await other.peer.until_received(4)
        assert gone.peer.received == [first]
        assert gone.playback.statistics().packets == 1
        gone.playback.close()
        await gone.peer.closed.wait()
        assert (gone.peer.received, rig.plane.statistics().resent) == ([first], 1)


async def test_no_packet_of_a_withdrawn_publication_reaches_its_players() -> None:
    async with media_rig() as rig:
        published, other = await rig.publish(), await rig.publish()
        viewer, witness = await rig.play(published.publication), await rig.play(other.publication)
        send_audio(published, 1)
        await viewer.peer.until_received(1)
        published.ingest.withdraw()
        send_audio(published, 2, 3)
        send_audio(other, 1)
        await witness.peer.until_received(1)
        published.ingest.close()
        await published.peer.closed.wait()
        assert len(viewer.peer.received) == 1


async def test_a_crash_ends_the_peer_that_it_happened_to_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    async with media_rig() as rig:
        unlucky, lucky = await rig.publish(), await rig.publish()
        viewer = await rig.play(lucky.publication)
        forward = PublishedTrack.forward

        def crash(self: PublishedTrack, packet: MediaPacket, now: float) -> None:
            if packet.data.endswith(b"poison"):
                raise RuntimeError("made by the test")
            forward(self, packet, now)

        monkeypatch.setattr(PublishedTrack, "forward", crash)
        unlucky.peer.send(unlucky.peer.rtp(1, b"poison", kind="audio"))
        await unlucky.facts.until(Failed(info=StreamInfo.FAILED_BY_ERROR))
        await unlucky.peer.closed.wait()
        send_audio(lucky, 1)
        await viewer.peer.until_received(1)
        assert rig.plane.statistics().crashed == 1


async def test_another_peers_address_is_not_taken_by_rtp_and_a_media_packet_before_keys_is_dropped() -> None:
    async with media_rig() as rig:
        published = await rig.publish(connect=False)
        published.peer.check()
        await until(lambda: rig.plane.statistics().stun_checks == 1)
        published.peer.send(bytes([0x80, 111]) + secrets.token_bytes(40))
        published.peer.send(bytes([0x80, 200]) + secrets.token_bytes(40))
        await until(lambda: rig.plane.statistics().unexpected == 2)
        assert published.facts.told == []
