"""What a viewer sees when a publisher's packets do not run on as before: jumps, holes, still pictures."""

import struct
import time

import pytest
import trio

from actors.media.ingest.ssrc_table import TAKEOVER_AFTER
from actors.media.plane import STALE_AFTER
from protocol.sfu.packet_history import SHORT_REPLAY
from protocol.webrtc.rtcp import Nack, PictureLoss, build_pli
from tests.support.media.kernel_stamps import await_stamps
from tests.support.media.media_rig import Published, media_rig
from tests.support.webrtc.media_peer import VIDEO_SSRC, sequences, vp8_delta, vp8_key_frame


def send(published: Published, number: int, payload: bytes, *, ssrc: int | None = None) -> None:
    packet = published.peer.rtp(number, payload, timestamp=number * 3000 & 0xFFFFFFFF, marker=True, ssrc=ssrc)
    published.peer.send(packet)


def hold_up(seconds: float) -> None:
    """Something keeps the server's loop from everything else."""
    time.sleep(seconds)


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
        await trio.sleep(SHORT_REPLAY.age + 0.1)  # the picture stands still
        late = await rig.play(published.publication, audio=False)
        await late.peer.until_received(2)
        assert [packet.payload for packet in late.peer.received] == [vp8_key_frame(), vp8_delta(b"2")]
        assert published.peer.key_frame_requests == asked, "what it has will do"


async def test_media_goes_on_when_the_publishers_tracks_get_other_ssrcs() -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        viewer = await rig.play(published.publication)
        audio_ssrc, video_ssrc = viewer.peer.answer.ssrcs[:2]
        send(published, 65_000, vp8_key_frame(b"1"))
        published.peer.send(published.peer.rtp(500, b"opus 1", kind="audio", timestamp=7))
        await viewer.peer.until_received(2)
        asked = published.peer.key_frame_requests
        await trio.sleep(TAKEOVER_AFTER + 0.1)  # the encoder is set up anew
        published.peer.send(published.peer.rtp(9, b"opus 2", kind="audio", ssrc=78, timestamp=4_000_000_000))
        send(published, 5, vp8_delta(b"no key frame"), ssrc=77)
        await published.peer.until(lambda: published.peer.key_frame_requests > asked)
        send(published, 6, vp8_key_frame(b"2"), ssrc=77)
        send(published, 7, vp8_delta(b"3"), ssrc=77)
        await viewer.peer.until_received(5)
        video, audio = viewer.peer.media(video_ssrc), viewer.peer.media(audio_ssrc)
        assert [packet.payload for packet in video] == [vp8_key_frame(b"1"), vp8_key_frame(b"2"), vp8_delta(b"3")]
        assert sequences(video) == list(range(video[0].sequence, video[0].sequence + 3))
        assert 0 < video[1].timestamp - video[0].timestamp < 90_000 * 10
        assert [packet.payload for packet in audio] == [b"opus 1", b"opus 2"]
        assert audio[1].sequence == audio[0].sequence + 1
        assert 7 < audio[1].timestamp < 48_000 * 10
        assert published.ingest.statistics().lost == 0


async def test_requests_reach_the_ssrc_that_a_track_has_now() -> None:
    async with media_rig() as rig:
        published = await rig.publish(audio=False)
        viewer = await rig.play(published.publication, audio=False)
        send(published, 65_000, vp8_key_frame(b"1"))
        await viewer.peer.until_received(1)
        published.peer.send_rtcp(struct.pack("!BBHI", 0x81, 203, 1, VIDEO_SSRC))  # BYE
        send(published, 10, vp8_key_frame(b"2"), ssrc=77)
        published.peer.rtp(11, b"encrypted, never sent", ssrc=77)
        send(published, 12, vp8_delta(b"4"), ssrc=77)
        await published.peer.until(lambda: 11 in published.peer.nacked)
        assert {packet.media_ssrc for packet in published.peer.rtcp if isinstance(packet, Nack)} == {77}
        send(published, 11, vp8_delta(b"3"), ssrc=77)
        await viewer.peer.until_received(4)
        first = viewer.peer.received[0].sequence
        assert [packet.sequence - first for packet in viewer.peer.received] == [0, 1, 3, 2]
        viewer.peer.send_rtcp(build_pli(1, viewer.peer.answer.ssrcs[0]))
        await published.peer.until(
            lambda: any(isinstance(packet, PictureLoss) and packet.media_ssrc == 77 for packet in published.peer.rtcp)
        )


async def test_what_waited_while_the_server_was_held_up_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    async with media_rig() as rig:
        published = await rig.publish()
        viewer = await rig.play(published.publication)
        send(published, 1, vp8_key_frame(b"before"))
        await viewer.peer.until_received(1)
        await_stamps()
        asked = published.peer.key_frame_requests
        stale = [published.peer.rtp(number, vp8_key_frame(b"stale"), timestamp=number) for number in range(2, 12)]
        stale += [published.peer.rtp(number, b"stale", kind="audio") for number in range(1, 11)]
        for packet in stale:
            published.peer.send(packet)
        hold_up(STALE_AFTER + 0.2)
        await published.peer.until(lambda: published.peer.key_frame_requests > asked)
        assert rig.plane.statistics().stale == len(stale)
        published.peer.send(published.peer.rtp(11, b"fresh", kind="audio"))
        send(published, 12, vp8_delta(b"needs what was left out"))
        send(published, 13, vp8_key_frame(b"after"))
        await viewer.peer.until_received(3)
        assert [packet.payload for packet in viewer.peer.received] == [
            vp8_key_frame(b"before"),
            b"fresh",
            vp8_key_frame(b"after"),
        ]
        first, last = viewer.peer.media(viewer.peer.answer.ssrcs[1])
        assert last.sequence == first.sequence + 1, "viewers miss nothing"
        assert caplog.messages.count("media dropped") == 2, "too old; and no key frame since"
