"""The media plane over the fast sender, with viewers of both address families; and what the kernel loses."""

import socket

from actors.media.io.sockets import MediaSocket
from actors.media.sending.fast_sender import FastSender
from config.values.addresses import AddressPair
from tests.support.media.media_rig import Played, Published, media_rig, until
from tests.support.webrtc.media_peer import vp8_delta, vp8_key_frame

BOTH = (AddressPair("127.0.0.1"), AddressPair("::1"))


def send_video(published: Published, first: int, payloads: list[bytes]) -> None:
    for number, payload in enumerate(payloads, first):
        published.peer.send(published.peer.rtp(number, payload, timestamp=number * 3000))


def payloads_of(played: Played) -> list[bytes]:
    return [packet.payload for packet in played.peer.received]


async def test_viewers_over_both_families_get_everything_over_the_wrap() -> None:
    async with media_rig(sender=FastSender("as the test wants it"), ip=BOTH) as rig:
        published = await rig.publish(audio=False)
        viewers = [await rig.play(published.publication, audio=False, host=h) for h in ("127.0.0.1", "::1", "::1")]
        viewers[0].peer.lose = viewers[1].peer.lose = 4  # what came before the wrap
        payloads = [vp8_key_frame(bytes([n]) * 1100) for n in range(40)]
        send_video(published, 65_532, payloads)
        for viewer, lost in zip(viewers, (4, 4, 0), strict=True):
            await viewer.peer.until_received(40 - lost)
            assert payloads_of(viewer) == payloads[lost:]
            assert viewer.peer.undecryptable == 0
            assert viewer.playback.statistics().packets == 40
        figures = rig.plane.statistics()
        assert (figures.sender, figures.sender_reason) == ("fast", "as the test wants it")
        assert (figures.forwarded, figures.forward_dropped, figures.forward_failed) == (120, 0, 0)


async def test_a_viewer_behind_a_nat_that_changes_its_port_is_followed() -> None:
    async with media_rig(sender=FastSender()) as rig:
        published = await rig.publish(audio=False)
        still, moving = [await rig.play(published.publication, audio=False) for _ in range(2)]
        send_video(published, 1, [vp8_key_frame()])
        await moving.peer.until_received(1)
        moving.peer.rebind()
        moving.peer.check()
        await until(lambda: rig.plane.statistics().moved >= 1)
        send_video(published, 2, [vp8_delta(b"after")])
        await moving.peer.until_received(2)
        await still.peer.until_received(2)
        assert payloads_of(moving) == payloads_of(still) == [vp8_key_frame(), vp8_delta(b"after")]


async def test_a_viewer_that_has_gone_gets_nothing_and_the_others_do() -> None:
    async with media_rig(sender=FastSender()) as rig:
        published = await rig.publish(audio=False)
        viewers = [await rig.play(published.publication, audio=False) for _ in range(3)]
        send_video(published, 1, [vp8_key_frame()])
        for viewer in viewers:
            await viewer.peer.until_received(1)
        viewers[0].playback.close()
        send_video(published, 2, [vp8_delta()])
        await viewers[0].peer.until(viewers[0].peer.closed.is_set)
        for viewer in viewers[1:]:
            await viewer.peer.until_received(2)
        assert len(viewers[0].peer.received) == 1
        assert viewers[0].peer.after_close == 0


async def test_datagrams_that_the_kernel_had_no_room_for_are_counted() -> None:
    async with media_rig() as rig:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as flood:
            assert rig.plane.statistics().kernel_drops == 0
            while rig.plane.statistics().kernel_drops < 5:  # the plane's task cannot run before the next await
                flood.sendto(bytes(60_000), rig.plane.addresses[0])


def test_a_socket_that_cannot_tell_its_losses_has_none() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other:
        assert MediaSocket(socket=other, local=("", 0), advertised=()).kernel_drops == 0
