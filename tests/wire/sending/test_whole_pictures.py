"""The packets of a picture that do not come all at once leave together, unless waiting for them is no use."""

import pytest

from actors.media import subscribers
from actors.media.io import frame_hold
from actors.media.io.frame_hold import MAX_FRUITLESS_HOLDS
from actors.media.sending.fast_sender import FastSender
from actors.media.sending.sender import PortableSender
from tests.support.media.media_rig import Played, Published, Rig, media_rig, until
from tests.support.webrtc.media_peer import vp8_delta, vp8_key_frame

LONG = 3600.0  # longer than any test may take


class Recording(FastSender):
    """Notes how many packets each flush sends."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[int] = []

    def flush(self) -> None:
        self.runs += [len(fan_out._burst) for fan_out in self._queued]
        super().flush()


async def streaming(rig: Rig) -> tuple[Published, Played]:
    """A publisher whose first picture, number 1, has come to a viewer."""
    published = await rig.publish(audio=False)
    viewer = await rig.play(published.publication, audio=False)
    published.peer.send(published.peer.rtp(1, vp8_key_frame(), marker=True))
    await viewer.peer.until_received(1)
    return published, viewer


async def send_part(rig: Rig, published: Published, number: int, *, last: bool = False) -> None:
    """Send a packet of a picture, until the plane has read it."""
    before = rig.plane.statistics().forwarded
    published.peer.send(published.peer.rtp(number, vp8_delta(bytes(1000)), marker=last))
    await until(lambda: rig.plane.statistics().forwarded > before)


async def test_parts_wait_for_the_last_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_hold, "HOLD", LONG)
    sender = Recording()
    async with media_rig(sender=sender) as rig:
        published, viewer = await streaming(rig)
        for number in (2, 3):
            await send_part(rig, published, number)
        assert len(viewer.peer.received) == 1
        await send_part(rig, published, 4, last=True)
        await viewer.peer.until_received(4)
        assert sender.runs == [1, 3]


async def test_where_nothing_else_comes_parts_leave_and_soon_do_not_wait_at_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frame_hold, "PAUSE", LONG)
    async with media_rig(sender=FastSender()) as rig:
        published, viewer = await streaming(rig)
        for number in range(2, 2 + MAX_FRUITLESS_HOLDS):
            await send_part(rig, published, number)
            await viewer.peer.until_received(number)
        monkeypatch.setattr(frame_hold, "HOLD", LONG)
        await send_part(rig, published, 2 + MAX_FRUITLESS_HOLDS)
        await viewer.peer.until_received(2 + MAX_FRUITLESS_HOLDS)


async def test_a_sender_that_gains_nothing_by_it_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_hold, "HOLD", LONG)
    sender = FastSender()
    sender._buffers.give_up_bursts()
    async with media_rig(sender=sender) as rig:
        published, viewer = await streaming(rig)
        await send_part(rig, published, 2)
        await viewer.peer.until_received(2)


def test_only_the_fast_sender_gains_and_only_where_the_kernel_cuts_messages() -> None:
    fast = FastSender()
    assert (PortableSender().gathers, fast.gathers) == (False, True)
    fast._buffers.give_up_bursts()
    assert not fast.gathers


async def test_a_late_packet_is_no_part_of_a_picture_that_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_hold, "HOLD", LONG)
    async with media_rig(sender=FastSender()) as rig:
        published, viewer = await streaming(rig)
        await send_part(rig, published, 3, last=True)
        await send_part(rig, published, 2)
        await viewer.peer.until_received(3)


async def test_who_leaves_while_parts_wait_gets_nothing_more_and_the_others_do(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frame_hold, "HOLD", LONG)
    async with media_rig(sender=FastSender()) as rig:
        published, leaving = await streaming(rig)
        staying = await rig.play(published.publication, audio=False)
        before = len(staying.peer.received)
        await send_part(rig, published, 2)
        leaving.playback.close()
        await leaving.peer.until(leaving.peer.closed.is_set)
        assert leaving.peer.after_close == 0
        await staying.peer.until_received(before + 1)
        await send_part(rig, published, 3, last=True)
        await staying.peer.until_received(before + 2)


async def test_what_waits_leaves_before_a_stream_with_many_viewers_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_hold, "HOLD", LONG)
    monkeypatch.setattr(subscribers, "LEAVE_AT_ONCE", 0)
    async with media_rig(sender=FastSender()) as rig:
        published, viewer = await streaming(rig)
        await send_part(rig, published, 2)
        published.ingest.close()
        await viewer.peer.until_received(2)
