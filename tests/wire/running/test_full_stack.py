"""The whole server between real sockets: publish, play and every way that media can end, as pages see it."""

from pathlib import Path

import pytest

from tests.support.moved_clock import Hands, RunningHands, run
from tests.support.servers.full_server import full_server
from tests.support.session.wcs_client import ClientStream, WcsClient, wcs_client
from tests.support.webrtc.media_peer import MediaPeer


async def test_terminate_stops_the_media_of_what_it_names_and_of_nothing_else(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server, wcs_client(server.ws_url()) as one, wcs_client(server.ws_url()) as two:
        publication, other = await one.publish("news"), await one.publish("other")
        playback, witness = await two.play("news"), await two.play("other")
        await picture_arrives(publication, playback, b"first")
        await picture_arrives(other, witness, b"second")

        assert (await server.terminate(name="news", published=True)).status_code == 200

        assert (await publication.status("FAILED"))["info"] == "Stopped by rest /terminate"
        assert (await playback.status("FAILED"))["info"] == "Stopped by publisher stop"
        for stream in (publication, playback):
            await stream.until_closed()
        for _ in range(20):
            publication.send_key_frame(b"too late")
        await picture_arrives(other, witness, b"third")  # what was sent before it has been handled by now
        for stream in (publication, playback):
            stream.peer.poll()
            assert stream.peer.after_close == 0
        assert [each["name"] for each in await server.streams(published=True)] == ["other"]


async def test_a_terminated_player_falls_alone(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server, wcs_client(server.ws_url()) as one, wcs_client(server.ws_url()) as two:
        publication = await one.publish("news")
        playback, witness = await two.play("news"), await two.play("news")

        assert (await server.terminate(mediaSessionId=playback.id)).status_code == 200

        assert (await playback.status("FAILED"))["info"] == "Stopped by rest /terminate"
        await playback.until_closed()
        await picture_arrives(publication, witness, b"on")
        playback.peer.poll()
        assert playback.peer.after_close == 0
        assert publication.statuses == [("PUBLISHING", None)]


async def test_a_terminated_stream_is_published_and_played_again_at_once(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server, wcs_client(server.ws_url()) as one, wcs_client(server.ws_url()) as two:
        for _ in range(3):
            publication = await one.publish("news")
            playback = await two.play("news")
            await picture_arrives(publication, playback, b"picture")
            assert (await server.terminate(name="news")).headers["X-Terminated-Count"] == "2"


def test_a_publisher_without_media_fails_by_rtp_activity(tmp_path: Path) -> None:
    async def main(hands: Hands) -> None:
        async with full_server(tmp_path, rtp_activity_timeout=20.0) as server, wcs_client(server.ws_url()) as client:
            publication, playback = await client.publish("news"), await client.play("news")
            await hands.pass_time(25)
            await failed_by(publication, "Failed by RTP activity")
            await failed_by(playback, "Stopped by publisher stop")

    run(main, RunningHands())


@pytest.mark.parametrize("silent", ["publisher", "player"])
def test_a_peer_without_a_sign_of_life_fails_by_ice_keep_alive(tmp_path: Path, silent: str) -> None:
    async def main(hands: Hands) -> None:
        async with full_server(tmp_path) as server, wcs_client(server.ws_url()) as client:
            publication, playback = await client.publish("news"), await client.play("news")
            (publication if silent == "publisher" else playback).peer.silent = True
            await hands.pass_time(25)
            if silent == "publisher":
                await failed_by(publication, "Failed by ICE keep alive")
                await failed_by(playback, "Stopped by publisher stop")
            else:
                await failed_by(playback, "Failed by ICE keep alive")
                assert publication.statuses == [("PUBLISHING", None)]

    run(main, RunningHands())


def test_a_peer_that_is_never_heard_of_fails_by_ice_timeout(tmp_path: Path) -> None:
    async def main(hands: Hands) -> None:
        async with full_server(tmp_path) as server, wcs_client(server.ws_url()) as client:
            await client.publish("news")
            wanted = (("publishStream", "silent"), ("playStream", "news"))
            streams = [await client.offer(message, name, MediaPeer()) for message, name in wanted]
            await hands.pass_time(20)
            for stream in streams:
                assert (await stream.status("FAILED"))["info"] == "Failed by ICE timeout"
                assert stream.peer.datagrams == 0

    run(main, RunningHands())


async def test_a_peer_that_checks_but_does_no_dtls_fails_by_dtls(tmp_path: Path) -> None:
    async with full_server(tmp_path, dtls_timeout=0.3) as server, wcs_client(server.ws_url()) as client:
        stream = await client.offer("publishStream", "news", MediaPeer())
        stream.peer.check()
        assert (await stream.status("FAILED"))["info"] == "Failed by DTLS error"


async def test_another_certificate_than_the_offered_one_fails(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server, wcs_client(server.ws_url()) as client:
        stream = await offered_with_wrong_fingerprint(client)
        assert (await stream.status("FAILED"))["info"] == "Failed by DTLS fingerprint error"


async def offered_with_wrong_fingerprint(client: WcsClient) -> ClientStream:
    peer = MediaPeer(fingerprint=":".join(["AB"] * 32))
    stream = await client.offer("publishStream", "news", peer)
    client.nursery.start_soon(stream.run_peer)
    return stream


async def picture_arrives(publication: ClientStream, playback: ClientStream, content: bytes) -> None:
    """A key frame that is published now arrives, byte for byte."""
    publication.send_key_frame(content)
    await playback.until_media(lambda packet: packet.payload.endswith(content))


async def failed_by(stream: ClientStream, info: str) -> None:
    """The client hears why, and the peer that the connection is over."""
    assert (await stream.status("FAILED"))["info"] == info
    await stream.until_closed()
