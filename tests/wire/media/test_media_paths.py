"""Where a peer's media goes: behind a NAT that gives it another port, with two addresses of the server, and when
somebody writes another one's address on his packets.

A socket of the test's own stands for the address that is written on them: who gets a packet there is not the peer.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trio

from actors.media.events import Connected, Failed
from config.values.addresses import AddressPair
from protocol.stream.info_texts import StreamInfo
from protocol.webrtc.dtls import DtlsEndpoint
from protocol.webrtc.paths import AMPLIFICATION
from protocol.webrtc.rtcp import build_receiver_report
from tests.support.media.media_rig import Published, Rig, media_rig, until
from tests.support.moved_clock import Hands, run
from tests.support.network.nat import Nat
from tests.support.webrtc.media_peer import MediaPeer

OVERHEAD = 28
NEVER = 60.0
REPORT = build_receiver_report(7)


def send_audio(published: Published, *numbers: int) -> None:
    for number in numbers:
        published.peer.send(published.peer.rtp(number, b"opus", kind="audio"))


async def send_check(rig: Rig, peer: MediaPeer, *, nominate: bool = True) -> None:
    """The peer sends one check, and the server has taken it."""
    before = rig.plane.statistics().stun_checks
    peer.check(nominate=nominate)
    await until(lambda: rig.plane.statistics().stun_checks > before)


async def taken(rig: Rig, count: int) -> None:
    """The server has read so many datagrams more."""
    before = rig.plane.statistics().datagrams
    await until(lambda: rig.plane.statistics().datagrams >= before + count)


class Bystander:
    """An address whose owner has nothing to do with the server, and answers nothing."""

    def __init__(self, opened: socket.socket) -> None:
        self._socket = opened
        self.sent = 0
        self.received = 0

    def send(self, datagram: bytes, peer: MediaPeer) -> None:
        """The peer sends it, and says that it came from here."""
        self.sent += len(datagram) + OVERHEAD
        self._socket.sendto(datagram, peer.server)

    def poll(self) -> None:
        while True:
            try:
                self.received += len(self._socket.recv(4096)) + OVERHEAD
            except BlockingIOError:
                return


@contextmanager
def bystander() -> Iterator[Bystander]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as opened:
        opened.bind(("127.0.0.1", 0))
        opened.setblocking(False)
        yield Bystander(opened)


# -- another port ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("nominates", [True, False])
async def test_a_player_behind_a_new_port_is_followed(host: str, nominates: bool) -> None:
    async with media_rig(ip=(AddressPair(host),)) as rig:
        published = await rig.publish(host=host)
        viewer = await rig.play(published.publication, host=host, check_interval=NEVER)
        viewer.peer.rebind()
        await send_check(rig, viewer.peer, nominate=nominates)
        viewer.peer.send_rtcp(REPORT)  # Firefox does not nominate again, but it reports from where it is
        await until(lambda: rig.plane.statistics().moved == 1)
        send_audio(published, 1)
        await viewer.peer.until_received(1)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
@pytest.mark.parametrize("nominates", [True, False])
async def test_a_publisher_behind_a_new_port_is_followed(host: str, nominates: bool) -> None:
    async with media_rig(ip=(AddressPair(host),)) as rig:
        published = await rig.publish(host=host, check_interval=NEVER)
        viewer = await rig.play(published.publication, host=host)
        published.peer.rebind()
        await send_check(rig, published.peer, nominate=nominates)
        send_audio(published, 1)
        await viewer.peer.until_received(1)
        await until(lambda: rig.plane.statistics().moved == 1)
        before = len(published.peer.rtcp)
        await published.peer.until(lambda: len(published.peer.rtcp) > before)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_media_from_a_new_port_is_taken_before_any_check_comes_from_there(host: str) -> None:
    async with media_rig(ip=(AddressPair(host),)) as rig:
        published = await rig.publish(host=host, check_interval=NEVER)
        viewer = await rig.play(published.publication, host=host, check_interval=NEVER)
        viewer.peer.send_rtcp(REPORT)
        send_audio(published, 1)
        await viewer.peer.until_received(1)
        published.peer.rebind()
        viewer.peer.rebind()
        send_audio(published, 2)
        viewer.peer.send_rtcp(REPORT)
        await until(lambda: rig.plane.statistics().moved == 2)
        send_audio(published, 3)
        await viewer.peer.until(lambda: viewer.peer.received[-1].sequence == 3)
        assert rig.plane.statistics().stun_checks == 2  # those of the start


async def test_forged_media_from_an_unknown_address_is_tried_a_few_times_and_changes_nothing() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        viewer = await rig.play(published.publication)
        send_audio(published, 1)
        await viewer.peer.until_received(1)
        with bystander() as stranger:
            for number in range(200):
                forged = bytearray(published.peer.rtp(number, b"opus", kind="audio"))
                forged[-1] ^= 1
                stranger.send(bytes(forged), published.peer)
                stranger.send(published.peer.rtp(number, b"opus", kind="audio", ssrc=99), published.peer)
            await until(lambda: rig.plane.statistics().unknown_address == 400)
            stranger.poll()
            assert stranger.received == 0
        assert 0 < rig.plane.statistics().srtp_errors < 100
        send_audio(published, 300)
        await viewer.peer.until_received(2)


async def test_a_copied_packet_sends_no_media_to_the_one_who_copied_it() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        viewer = await rig.play(published.publication)
        viewer.peer.send_rtcp(REPORT)
        send_audio(published, 1)
        await viewer.peer.until_received(1)
        with bystander() as thief:
            assert viewer.peer.transmitter is not None
            thief.send(viewer.peer.transmitter.protect_rtcp(REPORT), viewer.peer)  # and the original is lost
            await taken(rig, 1)
            for number in range(2, 52):
                send_audio(published, number)
            await viewer.peer.until_received(51)
            thief.poll()
            assert thief.received <= AMPLIFICATION * thief.sent
        assert rig.plane.statistics().moved == 0


def test_a_peer_that_cannot_be_reached_any_more_ends_as_a_failure() -> None:
    async def main(hands: Hands) -> None:
        async with media_rig(ice_keep_alive_timeout=5.0) as rig:
            published = await rig.publish()
            viewer = await rig.play(published.publication, answers_checks=False)
            viewer.peer.rebind()
            await hands.pass_time(12)
            assert viewer.facts.told == [Connected(), Failed(info=StreamInfo.FAILED_BY_KEEP_ALIVE)]
            assert published.facts.told == [Connected()]

    run(main)


async def test_of_two_addresses_of_the_server_the_one_that_the_peer_sends_to_is_used() -> None:
    async with media_rig(ip=(AddressPair("127.0.0.1"), AddressPair("127.0.0.2"))) as rig:
        published = await rig.publish()
        viewer = await rig.play(published.publication, check_interval=NEVER)
        preferred, other = viewer.peer.answer.candidates
        for server in (other, preferred):  # nominated both, as Firefox does, the better one last
            viewer.peer.server = server
            await send_check(rig, viewer.peer)
        viewer.peer.server = other
        viewer.peer.send_rtcp(REPORT)
        await until(lambda: rig.plane.statistics().moved >= 1)
        for number in range(1, 200):
            viewer.peer.send_rtcp(REPORT)
            send_audio(published, number)
            await viewer.peer.until_received(number)
            if viewer.peer.heard_from == other:
                return
            await trio.sleep(0.02)  # the pace of an Opus stream
        pytest.fail("media stays on the address that the peer does not use")


@pytest.mark.parametrize("slow_first", [True, False])
async def test_of_two_ways_with_unequal_delays_media_takes_the_one_that_the_peer_uses(slow_first: bool) -> None:
    """What went the slow way comes after what was sent later the quick way, and tells of a choice of the past."""
    async with media_rig(ip=(AddressPair("127.0.0.1"), AddressPair("127.0.0.2"))) as rig:
        published = await rig.publish()
        viewer = await rig.play(published.publication, connect=False, check_interval=NEVER)
        preferred, other = viewer.peer.answer.candidates
        slow, quick = (preferred, other) if slow_first else (other, preferred)
        ways = [Nat((host, at[1]), at, "127.0.0.1") for host, at in (("127.0.0.3", slow), ("127.0.0.4", quick))]
        ways[0].delay = 0.05
        for way in ways:
            rig.nursery.start_soon(way.run)
        viewer.peer.server = ways[0].inside
        rig.nursery.start_soon(viewer.peer.run)
        await viewer.facts.until(Connected())
        await viewer.peer.connected.wait()
        for number in range(1, 300):
            if number < 10:  # it finds out that the other way is quicker
                viewer.peer.server = ways[number % 2].inside
                viewer.peer.check()
            viewer.peer.send_rtcp(REPORT)
            send_audio(published, number)
            await trio.sleep(0.02)  # the pace of an Opus stream, and what the delay is measured by
            if number > 20 and viewer.peer.heard_from == ways[1].inside and len(viewer.peer.received) > 10:
                break
        else:
            pytest.fail("media stays on the way that the peer does not use")
        moved = rig.plane.statistics().moved
        for number in range(1000, 1030):
            viewer.peer.send_rtcp(REPORT)
            send_audio(published, number)
            await trio.sleep(0.02)
        assert rig.plane.statistics().moved == moved, "and there it stays"
        assert viewer.peer.heard_from == ways[1].inside


# -- addresses of others ---------------------------------------------------------------------------------------------


async def test_nobody_takes_the_address_of_a_peer_that_is_there() -> None:
    async with media_rig() as rig:
        victim = await rig.publish()
        viewer = await rig.play(victim.publication)
        thief = await rig.publish(connect=False, session_id="s3")
        for number in range(1, 11):
            victim.peer.send(thief.peer.check_datagram())  # the thief's, from the victim's address
            send_audio(victim, number)
        await viewer.peer.until_received(10)
        assert rig.plane.statistics().unexpected == 0
        assert rig.plane.statistics().srtp_errors == 0


async def test_many_ports_of_a_thief_leave_a_victims_route_alone() -> None:
    async with media_rig() as rig:
        victim = await rig.publish()
        viewer = await rig.play(victim.publication)
        thief = await rig.publish(connect=False, session_id="s3")
        victim.peer.send(thief.peer.check_datagram())
        for _ in range(20):
            with bystander() as port:
                port.send(thief.peer.check_datagram(), thief.peer)
                await taken(rig, 1)
        send_audio(victim, 1)
        await viewer.peer.until_received(1)


async def test_an_address_goes_to_the_one_who_proves_to_be_there() -> None:
    """A NAT gave a port of a peer that is gone to another one, which is not told apart from it but by the proof."""
    async with media_rig() as rig:
        gone = await rig.publish(check_interval=NEVER)
        heir = await rig.publish(connect=False, session_id="s3")
        heir.peer.take_port_of(gone.peer)
        rig.nursery.start_soon(heir.peer.run)
        await heir.facts.until(Connected())
        viewer = await rig.play(heir.publication)
        send_audio(heir, 1)
        await viewer.peer.until_received(1)


async def test_an_address_is_taken_back_by_the_next_check() -> None:
    async with media_rig() as rig:
        first = await rig.publish(connect=False)
        second = await rig.publish(connect=False, session_id="s3")
        first.peer.check()
        await taken(rig, 1)
        first.peer.send(second.peer.check_datagram())
        await taken(rig, 1)
        rig.nursery.start_soon(first.peer.run)
        await first.facts.until(Connected())


async def test_a_nomination_sends_no_media_to_somebody_else() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        viewer = await rig.play(published.publication)
        with bystander() as victim:
            for number in range(1, 51):
                victim.send(viewer.peer.check_datagram(), viewer.peer)
                assert viewer.peer.transmitter is not None
                victim.send(viewer.peer.transmitter.protect_rtcp(REPORT), viewer.peer)
                send_audio(published, number)
                await viewer.peer.until_received(number)
            await taken(rig, 0)
            victim.poll()
            assert victim.received <= AMPLIFICATION * victim.sent
            assert rig.plane.statistics().moved == 0
            assert rig.plane.statistics().forwarded == 50


async def test_a_handshake_sends_little_to_somebody_else() -> None:
    async with media_rig(dtls_timeout=3.0) as rig:
        attacker = await rig.publish(connect=False)
        with bystander() as victim:
            victim.send(attacker.peer.check_datagram(), attacker.peer)
            hello = DtlsEndpoint(attacker.peer.context, [attacker.peer.answer.fingerprint], role="client")
            for datagram in hello.take_datagrams():
                victim.send(datagram, attacker.peer)
            await attacker.facts.until(Failed(info=StreamInfo.FAILED_BY_DTLS_ERROR))  # all timers have run
            victim.poll()
            assert 0 < victim.received <= AMPLIFICATION * victim.sent
            assert rig.plane.statistics().withheld > 0


async def test_a_handshake_from_two_addresses_proves_neither() -> None:
    async with media_rig(dtls_timeout=0.5) as rig:
        viewer = await rig.publish(connect=False, check_interval=NEVER, answers_checks=False)
        with bystander() as victim:
            victim.send(viewer.peer.check_datagram(), viewer.peer)
            hello = DtlsEndpoint(viewer.peer.context, [viewer.peer.answer.fingerprint], role="client")
            for datagram in hello.take_datagrams():
                victim.send(datagram, viewer.peer)
            await taken(rig, 1)
            rig.nursery.start_soon(viewer.peer.run)
            await viewer.facts.until(Failed(info=StreamInfo.FAILED_BY_DTLS_ERROR))
            assert Connected() not in viewer.facts.told


# -- shares ----------------------------------------------------------------------------------------------------------


async def test_one_sessions_handshakes_leave_room_for_others() -> None:
    async with media_rig(max_handshakes=20) as rig:
        for _ in range(30):
            idle = await rig.publish(connect=False, session_id="greedy")
            idle.peer.check()
        await until(lambda: rig.plane.statistics().stun_ignored == 28)
        assert rig.plane.statistics().handshakes == 2
        await rig.publish(session_id="honest", check_interval=NEVER)


async def test_checks_are_read_at_a_rate_and_those_of_strangers_do_not_use_up_the_peers() -> None:
    async with media_rig() as rig:
        published = await rig.publish(check_interval=NEVER)
        before = rig.plane.statistics().stun_checks
        with bystander() as stranger:
            for _ in range(10):
                for _ in range(50):
                    stranger.send(published.peer.check_datagram(), published.peer)
                await taken(rig, 1)
            await send_check(rig, published.peer)
        assert rig.plane.statistics().stun_checks - before < 500
        assert rig.plane.statistics().stun_ignored > 0
