"""How a transport ends before it is connected: in each state that lasts only for moments."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from actors.media.events import Failed, PeerClosed
from protocol.stream.info_texts import StreamInfo
from protocol.webrtc.demux import Datagram
from protocol.webrtc.dtls_state import DtlsState
from tests.support.media.media_rig import PATIENCE, Published, media_rig, until
from tests.support.moved_clock import Hands, run
from tests.support.webrtc.media_peer import MediaPeer

CLOSE_NOTIFY = b"\x15\xfe\xfd" + bytes(7) + b"\x09" + b"\x00\x02" + b"\x01\x00"
"""As an alert in the clear: before there are keys, anybody can send it."""


async def _next_flight(peer: MediaPeer) -> list[bytes]:
    """What the peer answers to the server's flight; it is not sent yet."""
    while True:
        await trio.lowlevel.wait_readable(peer.udp)
        data = peer.udp.recv(2048)
        if Datagram.of(data) is Datagram.DTLS:
            peer.dtls.feed(data)
            if flight := peer.dtls.take_datagrams():
                return flight


@asynccontextmanager
async def _handshaking() -> AsyncIterator[Published]:
    """A publisher whose last flight the server waits for."""
    async with media_rig() as rig:
        published = await rig.publish(connect=False)
        published.peer.check()
        published.peer.start_dtls()
        with trio.fail_after(PATIENCE):
            await _next_flight(published.peer)
            yield published


@asynccontextmanager
async def _keyed(dtls_timeout: float = 10.0) -> AsyncIterator[Published]:
    """A publisher whose handshake came by two paths, and who answers no checks: it has keys and is nowhere."""
    async with media_rig(dtls_timeout=dtls_timeout) as rig:
        published = await rig.publish(connect=False, answers_checks=False)
        peer = published.peer
        peer.check()
        peer.start_dtls()
        with trio.fail_after(PATIENCE):
            flight = await _next_flight(peer)
            peer.rebind()
            peer.check()
            for datagram in flight:
                peer.send(datagram)
            while not _has_keys(peer):
                await trio.lowlevel.wait_readable(peer.udp)
                peer.poll()
            yield published


def _has_keys(peer: MediaPeer) -> bool:
    return peer.dtls.state is DtlsState.UP


async def test_the_owner_may_end_a_transport_before_the_first_check() -> None:
    async with media_rig() as rig:
        published = await rig.publish(connect=False)
        published.ingest.close()
        assert published.ingest.closed
        assert published.facts.told == []


async def test_the_owner_may_end_a_transport_that_waits_for_dtls() -> None:
    async with media_rig() as rig:
        published = await rig.publish(connect=False)
        published.peer.check()
        await until(lambda: rig.plane.statistics().handshakes == 1)
        published.ingest.close()
        assert published.ingest.closed
        assert rig.plane.statistics().handshakes == 0
        assert published.facts.told == []


async def test_a_goodbye_in_the_middle_of_a_handshake_is_told() -> None:
    async with _handshaking() as published:
        published.peer.send(CLOSE_NOTIFY)
        await published.facts.until(PeerClosed())
        assert published.ingest.closed


async def test_the_owner_may_end_a_handshake() -> None:
    async with _handshaking() as published:
        published.ingest.close()
        assert published.ingest.closed
        assert published.facts.told == []


def test_a_peer_with_keys_that_is_nowhere_runs_out_of_time() -> None:
    async def main(hands: Hands) -> None:
        async with _keyed(dtls_timeout=5.0) as published:
            await hands.pass_time(6)
            assert published.facts.told == [Failed(info=StreamInfo.FAILED_BY_DTLS_ERROR)]

    run(main)


async def test_a_peer_with_keys_that_is_nowhere_says_goodbye() -> None:
    async with _keyed() as published:
        published.peer.close()
        await published.facts.until(PeerClosed())
        assert published.facts.told == [PeerClosed()]


async def test_the_owner_ends_a_peer_with_keys_that_is_nowhere() -> None:
    async with _keyed() as published:
        published.ingest.close()
        assert published.ingest.closed
        assert published.facts.told == []
