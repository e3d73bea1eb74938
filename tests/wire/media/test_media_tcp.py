"""Media over TCP (ICE-TCP) between real sockets, with our own peer."""

import contextlib
import gc
import socket
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from actors.media.events import Failed, PeerClosed
from actors.media.sending.fast_sender import FastSender
from config.values.addresses import AddressPair
from protocol.stream.info_texts import StreamInfo
from protocol.webrtc.framing import framed
from protocol.webrtc.rtcp import build_pli
from protocol.webrtc.stun import Address
from tests.support.media.media_rig import Played, Published, Rig, media_rig, until
from tests.support.webrtc.framed_socket import FramedSocket
from tests.support.webrtc.media_peer import VIDEO_SSRC, MediaPeer, vp8_delta, vp8_key_frame

LIMIT = 60.0


def picture(peer: MediaPeer, number: int, content: bytes = b"", *, key: bool = True) -> None:
    """Publish a picture of one packet."""
    payload = (vp8_key_frame if key else vp8_delta)(content)
    peer.send(peer.rtp(number, payload, marker=True, timestamp=number * 3000))


async def seen(viewer: Played, content: bytes) -> None:
    await viewer.peer.until(lambda: any(packet.payload.endswith(content) for packet in viewer.peer.received))


def port_of(rig: Rig) -> Address:
    """Where connections for media are accepted."""
    (address,) = rig.plane._services.port.tcp_candidates
    return address


@asynccontextmanager
async def connected(rig: Rig) -> AsyncIterator[trio.SocketStream]:
    stream = await trio.open_tcp_stream(*port_of(rig))
    async with stream:
        yield stream


async def is_closed(stream: trio.SocketStream) -> bool:
    with trio.fail_after(LIMIT):
        try:
            return await stream.receive_some() == b""
        except trio.BrokenResourceError:
            return True


# -- the way -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("publisher", [False, True], ids=["by UDP", "by TCP"])
@pytest.mark.parametrize("viewer", [False, True], ids=["to UDP", "to TCP"])
async def test_media_goes_either_way(publisher: bool, viewer: bool) -> None:
    async with media_rig() as rig:
        published = await rig.publish(over_tcp=publisher)
        played = await rig.play(published.publication, over_tcp=viewer)
        for number in range(1, 6):
            picture(published.peer, number, b"picture%d" % number)
        await seen(played, b"picture5")
        assert [packet.payload[-1:] for packet in played.peer.received] == [b"1", b"2", b"3", b"4", b"5"]
        assert rig.plane.statistics().tcp_connections == publisher + viewer
        assert played.playback.statistics().packets == 5


async def test_the_answer_has_candidates_of_tcp_alone_or_none_or_both() -> None:
    async with media_rig() as rig:
        only = (await rig.publish(connect=False, over_tcp=True)).peer.answer
        assert (only.candidates, len(only.tcp_candidates)) == ((), 1)
        plain = (await rig.publish(connect=False)).peer.answer
        assert (len(plain.candidates), plain.tcp_candidates) == (1, ())
    async with media_rig(ice_tcp_transport=True) as rig:
        both = await rig.publish(connect=False)
        assert (len(both.peer.answer.candidates), len(both.peer.answer.tcp_candidates)) == (1, 1)
    async with media_rig(media_tcp=False) as rig:
        off = (await rig.publish()).peer.answer
        assert (len(off.candidates), off.tcp_candidates) == (1, ())


async def test_tcp_is_on_the_port_of_udp() -> None:
    async with media_rig() as rig:
        answer = (await rig.publish(connect=False, over_tcp=True)).peer.answer
        assert answer.tcp_candidates[0][0] == "127.0.0.1"
        assert answer.tcp_candidates[0][1] in (rig.plane.addresses[0][1], port_of(rig)[1])


async def test_viewers_by_both_ways_get_the_same_from_the_fast_sender() -> None:
    async with media_rig(sender=FastSender()) as rig:
        published = await rig.publish()
        viewers = [await rig.play(published.publication, over_tcp=by_tcp) for by_tcp in (False, True, False, True)]
        for number in range(1, 4):
            picture(published.peer, number, b"picture%d" % number)
        for viewer in viewers:
            await seen(viewer, b"picture3")
            assert len(viewer.peer.received) == 3


# -- the end -----------------------------------------------------------------------------------------------------------


async def test_a_player_that_is_ended_gets_close_notify_and_its_connection_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("actors.media.tcp.service.LONELY", 0.2)
    monkeypatch.setattr("actors.media.tcp.service._LOOK_INTERVAL", 0.05)
    async with media_rig() as rig:
        published = await rig.publish()
        played = await rig.play(published.publication, over_tcp=True)
        played.playback.close()
        with trio.fail_after(LIMIT):
            await played.peer.closed.wait()
            await played.peer.lost.wait()
        await until(lambda: rig.plane.statistics().tcp_connections == 0)


async def test_a_peer_that_closes_dtls_is_over() -> None:
    async with media_rig() as rig:
        published = await rig.publish(over_tcp=True)
        published.peer.close()
        await published.facts.until(PeerClosed())


async def test_a_lost_connection_is_a_lost_path_and_another_one_goes_on() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        played = await rig.play(published.publication, over_tcp=True, check_interval=0.05)
        picture(published.peer, 1, b"before")
        await seen(played, b"before")
        played.peer.rebind()
        await until_other_path(rig, played)
        for number in range(2, 100):
            picture(published.peer, number, b"after")
            with trio.move_on_after(0.1):
                await seen(played, b"after")
                break
        else:
            pytest.fail("no media comes by the other path")
        assert played.facts.told[-1] != Failed(info=StreamInfo.FAILED_BY_KEEP_ALIVE)


async def until_other_path(rig: Rig, played: Played) -> None:
    before = rig.plane.statistics().moved
    with trio.fail_after(LIMIT):
        while rig.plane.statistics().moved == before:  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.02)


async def test_a_connection_that_stays_lost_ends_the_stream_in_time() -> None:
    async with media_rig(ice_keep_alive_timeout=1.0) as rig:
        published = await rig.publish()
        played = await rig.play(published.publication, over_tcp=True)
        played.peer.udp.shutdown(socket.SHUT_RDWR)
        await played.facts.until(Failed(info=StreamInfo.FAILED_BY_KEEP_ALIVE))


# -- strangers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "first",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\xff\xff",
        framed(b"\x80\x60" + bytes(30)),
        framed(b"\x16\xfe\xff" + bytes(30)),
        framed(b"\x00\x01" + bytes(18)) * 500,
    ],
    ids=["HTTP", "too long", "media", "DTLS", "too many checks"],
)
async def test_what_does_not_begin_with_a_check_is_closed(first: bytes, caplog: pytest.LogCaptureFixture) -> None:
    async with media_rig() as rig, connected(rig) as stream:
        await stream.send_all(first)
        assert await is_closed(stream)
        assert rig.plane.statistics().tcp_refused == 1
        assert "media connection closed" in caplog.messages


async def test_a_silent_connection_is_closed_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.media.tcp.service.LONELY", 0.2)
    monkeypatch.setattr("actors.media.tcp.service._LOOK_INTERVAL", 0.05)
    async with media_rig() as rig, connected(rig) as stream:
        assert await is_closed(stream)
        assert rig.plane.statistics().tcp_connections == 0


async def test_connections_are_limited_by_address(caplog: pytest.LogCaptureFixture) -> None:
    async with media_rig(media_tcp_max_connections_per_address=2) as rig:
        async with connected(rig), connected(rig), connected(rig) as third:
            assert await is_closed(third)
            (line,) = [record for record in caplog.records if "too many media" in record.getMessage()]
            assert vars(line)["wcsd_fields"]["setting"] == "media_tcp_max_connections_per_address"


async def test_strangers_make_room_and_peers_do_not(caplog: pytest.LogCaptureFixture) -> None:
    async with media_rig(media_tcp_max_connections=2) as rig:
        published = await rig.publish(over_tcp=True)
        async with connected(rig) as first:
            await until(lambda: rig.plane.statistics().tcp_connections == 2)
            played = await rig.play(published.publication, over_tcp=True)
            assert await is_closed(first)
            async with connected(rig) as second:
                assert await is_closed(second)
            picture(published.peer, 1, b"picture")
            await seen(played, b"picture")


async def test_garbage_of_a_peer_ends_its_connection_and_nobody_elses() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        played, other = [await rig.play(published.publication, over_tcp=True) for _ in range(2)]
        played.peer.udp.sendall(b"\xff\xff\xff")
        with trio.fail_after(LIMIT):
            await played.peer.lost.wait()
        picture(published.peer, 1, b"picture")
        await seen(other, b"picture")


# -- a link that is too slow -------------------------------------------------------------------------------------------


@asynccontextmanager
async def slow_viewer(rig: Rig, published: Published) -> AsyncIterator[tuple[Played, FramedSocket]]:
    """A viewer that can stop reading."""
    played = await rig.play(published.publication, over_tcp=True)
    connection = played.peer.udp
    assert isinstance(connection, FramedSocket)
    yield played, connection


async def test_a_viewer_that_is_too_slow_goes_on_from_a_key_frame_and_nobody_else_notices() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        healthy = await rig.play(published.publication, over_tcp=True)
        async with slow_viewer(rig, published) as (played, connection):
            picture(published.peer, 1)
            await played.peer.until_received(1)
            number = await fill(rig, published, connection)
            waiting, asked = rig.plane.statistics().tcp_waiting, published.peer.key_frame_requests
            assert waiting < 1 << 20
            connection.deaf = False
            await published.peer.until(lambda: published.peer.key_frame_requests > asked)
            picture(published.peer, number + 1, b"delta", key=False)
            picture(published.peer, number + 2, b"fresh")
            await seen(played, b"fresh")
            await seen(healthy, b"fresh")
            assert played.peer.undecryptable == 0
            assert not any(packet.payload.endswith(b"delta") for packet in played.peer.received)
            statistics = rig.plane.statistics()
            assert (statistics.tcp_restarts, statistics.forward_dropped) == (1, 0)
            assert statistics.tcp_dropped > 0
            assert played.playback.statistics().dropped == statistics.tcp_dropped
            assert healthy.playback.statistics().dropped == 0


async def fill(rig: Rig, published: Published, connection: FramedSocket) -> int:
    """Publish until the viewer's connection takes no more; the number of the last packet."""
    connection.deaf = True
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    number = 1
    with trio.fail_after(LIMIT):
        while not rig.plane.statistics().tcp_dropped:
            for _ in range(20):
                number += 1
                picture(published.peer, number, bytes(1100), key=False)
            await trio.sleep(0.02)
    return number


async def test_a_resend_is_not_given_for_what_was_dropped() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        async with slow_viewer(rig, published) as (played, connection):
            picture(published.peer, 1)
            await played.peer.until_received(1)
            number = await fill(rig, published, connection)
            connection.deaf = False
            await until_restarted(rig)
            ssrc = played.peer.received[0].ssrc
            played.peer.send_rtcp(build_pli(sender_ssrc=1, media_ssrc=ssrc))
            picture(published.peer, number + 1, b"fresh")
            await seen(played, b"fresh")
            assert played.playback.statistics().resent == 0
            assert played.peer.received[0].ssrc != VIDEO_SSRC


async def until_restarted(rig: Rig) -> None:
    with trio.fail_after(LIMIT):
        while not rig.plane.statistics().tcp_restarts:  # noqa: ASYNC110 - nobody tells
            await trio.sleep(0.02)


async def test_a_flood_of_small_packets_is_read_slowly_and_nobody_else_waits() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        played, other = [await rig.play(published.publication, over_tcp=True) for _ in range(2)]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flood, played.peer.udp)
            for number in range(1, 6):
                picture(published.peer, number, b"picture%d" % number)
                await seen(other, b"picture%d" % number)
            nursery.cancel_scope.cancel()
        assert rig.plane.statistics().datagrams < 50_000


async def flood(connection: socket.socket) -> None:
    """Send as much as is taken, 100,000 small packets at a time."""
    packets = framed(b"\x80") * 100_000
    while True:
        await trio.lowlevel.wait_writable(connection)
        with contextlib.suppress(BlockingIOError):
            sent = connection.send(packets)
            packets = packets[sent:] + packets[:sent]


async def test_a_connection_that_has_ended_is_freed_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("actors.media.tcp.service.LONELY", 0.2)
    monkeypatch.setattr("actors.media.tcp.service._LOOK_INTERVAL", 0.05)
    async with media_rig() as rig:
        published = await rig.publish()
        played = await rig.play(published.publication, over_tcp=True)
        (connection,) = next(outlet for outlet in rig.plane._tcp._outlets if len(outlet))
        ended = weakref.ref(connection)
        del connection
        gc.disable()
        try:
            played.playback.close()
            await until(lambda: not rig.plane.statistics().tcp_connections)
            await until(lambda: ended() is None)
        finally:
            gc.enable()


async def test_ipv6() -> None:
    async with media_rig(ip=(AddressPair("::1"),)) as rig:
        published = await rig.publish(host="::1", over_tcp=True)
        played = await rig.play(published.publication, host="::1", over_tcp=True)
        picture(published.peer, 1, b"picture")
        await seen(played, b"picture")
