"""What a viewer sees when a publisher's packets do not run on as before: jumps, holes, still pictures."""

import trio

from protocol.sfu.track import REPLAY_AGE
from tests.support.media_peer import sequences, vp8_delta, vp8_key_frame
from tests.support.media_rig import Published, media_rig


def send(published: Published, number: int, payload: bytes, *, ssrc: int | None = None) -> None:
    packet = published.peer.rtp(number, payload, timestamp=number * 3000 & 0xFFFFFFFF, marker=True, ssrc=ssrc)
    published.peer.send(packet)


async def test_numbers_that_jump_are_decrypted_and_shown_after_a_key_frame() -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        viewer = await rig.play(published.publication, audio=False)
        send(published, 1000, vp8_key_frame())
        await viewer.peer.until_received(1)
        asked = published.peer.key_frame_requests
        send(published, 40_000, vp8_delta(b"stray"))
        send(published, 40_001, vp8_delta(b"lost"))
        await published.peer.until(lambda: published.peer.key_frame_requests > asked)
        after = [vp8_key_frame(b"anew"), *(vp8_delta(bytes([n])) for n in range(30))]
        for number, payload in enumerate(after, 40_002):
            send(published, number, payload)
        await viewer.peer.until_received(1 + len(after))
        assert [packet.payload for packet in viewer.peer.received] == [vp8_key_frame(), *after]
        numbers = sequences(viewer.peer.received)
        assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
        assert viewer.peer.undecryptable == 0


async def test_a_hole_is_made_up_for_though_the_publisher_takes_no_requests_for_packets() -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False, rtx_type=None, video_feedback=("nack pli", "ccm fir"))
        viewer = await rig.play(published.publication, audio=False)
        send(published, 1, vp8_key_frame())
        await viewer.peer.until_received(1)
        asked = published.peer.key_frame_requests
        send(published, 3, vp8_delta(b"3"))
        await published.peer.until(lambda: published.peer.key_frame_requests > asked)
        assert published.peer.nacked == []


async def test_a_late_viewer_of_a_still_picture_sees_it() -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        first = await rig.play(published.publication, audio=False)
        send(published, 1, vp8_key_frame())
        send(published, 2, vp8_delta(b"2"))
        await first.peer.until_received(2)
        asked = published.peer.key_frame_requests
        await trio.sleep(REPLAY_AGE + 0.1)  # the picture stands still
        late = await rig.play(published.publication, audio=False)
        await late.peer.until_received(2)
        assert [packet.payload for packet in late.peer.received] == [vp8_key_frame(), vp8_delta(b"2")]
        assert published.peer.key_frame_requests == asked, "what it has will do"
