"""A peer that has gone silent: what counts as a sign of life, and for whom."""

import math

import pytest
import trio

from actors.media.events import Connected, Failed, Flowing
from protocol.stream.info_texts import StreamInfo
from protocol.webrtc.rtcp import build_receiver_report
from tests.support.media.media_rig import Published, media_rig
from tests.support.moved_clock import Hands, run
from tests.support.webrtc.media_peer import vp8_key_frame


def send_audio(published: Published, *numbers: int) -> None:
    for number in numbers:
        published.peer.send(published.peer.rtp(number, b"opus", kind="audio"))


def test_a_publisher_without_media_fails_while_it_is_still_there() -> None:
    async def main(hands: Hands) -> None:
        async with media_rig(rtp_activity_timeout=5.0) as rig:
            published = await rig.publish()
            send_audio(published, 1)
            await published.facts.until(Flowing())
            await hands.pass_time(6)
            assert published.facts.told[-1] == Failed(info=StreamInfo.FAILED_BY_RTP_ACTIVITY)
            await published.peer.closed.wait()

    run(main)


def test_a_picture_may_stand_still_as_long_as_the_publisher_reports() -> None:
    async def main(hands: Hands) -> None:
        async with media_rig(rtp_activity_timeout=5.0) as rig:
            still, gone = await rig.publish(), await rig.publish()
            for published in (still, gone):
                published.peer.send(published.peer.rtp(1, vp8_key_frame()))
                await published.facts.until(Flowing())
            for _ in range(12):
                still.peer.send_rtcp(build_receiver_report(7))
                await hands.pass_time(1)
            assert gone.facts.told[-1] == Failed(info=StreamInfo.FAILED_BY_RTP_ACTIVITY)
            assert not still.ingest.closed

    run(main)


@pytest.mark.parametrize("payload", [None, b"opus"])
async def test_reports_do_not_stand_for_sound_nor_for_a_first_picture(payload: bytes | None) -> None:
    async with media_rig(rtp_activity_timeout=0.3) as rig:
        published = await rig.publish(check_interval=0.02)
        if payload:
            published.peer.send(published.peer.rtp(1, vp8_key_frame()))
            send_audio(published, 1)
        with trio.fail_after(60):
            while not published.ingest.closed:
                if published.peer.transmitter is not None:
                    published.peer.send_rtcp(build_receiver_report(7))
                await trio.sleep(0.05)  # the pace of reports
        await published.facts.until(Failed(info=StreamInfo.FAILED_BY_RTP_ACTIVITY))


def test_a_silent_player_loses_its_consent() -> None:
    async def main(hands: Hands) -> None:
        async with media_rig(ice_keep_alive_timeout=5.0, rtp_activity_timeout=math.inf) as rig:
            published = await rig.publish()
            silent, alive = await rig.play(published.publication), await rig.play(published.publication)
            silent.peer.silent = True
            await hands.pass_time(12)
            assert silent.facts.told == [Connected(), Failed(info=StreamInfo.FAILED_BY_KEEP_ALIVE)]
            assert alive.facts.told == published.facts.told == [Connected()]

    run(main)


def test_valid_media_keeps_consent_alive_and_forged_media_does_not() -> None:
    async def main(hands: Hands) -> None:
        async with media_rig(ice_keep_alive_timeout=5.0) as rig:
            sends, forges = await rig.publish(), await rig.publish()
            sends.peer.silent = forges.peer.silent = True
            for number in range(1, 25):
                send_audio(sends, number)
                forged = bytearray(forges.peer.rtp(number, b"opus", kind="audio"))
                forged[-1] ^= 1
                forges.peer.send(bytes(forged))
                await hands.pass_time(0.5)
            assert forges.facts.told == [Connected(), Failed(info=StreamInfo.FAILED_BY_KEEP_ALIVE)]
            assert sends.facts.told == [Connected(), Flowing()]
            assert rig.plane.statistics().srtp_errors > 0

    run(main)
