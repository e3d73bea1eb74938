"""After the server stood still, peers that have spoken meanwhile, or do so soon, are not taken for dead."""

import math

from actors.media.context import EXCUSED
from actors.media.events import Failed
from protocol.stream.info_texts import StreamInfo
from tests.support.calls.call_rig import call_rig
from tests.support.media.media_rig import Facts, media_rig
from tests.support.moved_clock import Hands, run

ICE_TIMEOUT = 16.0
LONG = 3600.0
"""Longer than anybody's silence is borne."""


def ends(facts: Facts) -> list[StreamInfo]:
    return [event.info for event in facts.told if isinstance(event, Failed)]


def test_peers_that_go_on_outlive_a_standstill_of_any_length() -> None:
    async def main(hands: Hands) -> None:
        async with media_rig(ice_keep_alive_timeout=ICE_TIMEOUT, rtp_activity_timeout=math.inf) as rig:
            published = await rig.publish()
            played = await rig.play(published.publication)
            hands.stand_still(LONG)
            await hands.pass_time(EXCUSED + ICE_TIMEOUT + 5)
            assert (ends(published.facts), ends(played.facts)) == ([], [])

    run(main)


def test_a_handshake_under_way_gets_the_time_that_the_server_did_not_listen() -> None:
    async def main(hands: Hands) -> None:
        async with media_rig(dtls_timeout=5.0) as rig:
            waiting = await rig.publish(connect=False)
            waiting.peer.check()
            await hands.pass_time(1)
            hands.stand_still(LONG)
            await hands.pass_time(EXCUSED - 1)
            assert ends(waiting.facts) == []
            rig.nursery.start_soon(waiting.peer.run)
            await waiting.peer.connected.wait()

    run(main)


def test_who_stays_silent_afterwards_is_given_up() -> None:
    async def main(hands: Hands) -> None:
        async with media_rig(ice_keep_alive_timeout=ICE_TIMEOUT) as rig:
            published = await rig.publish(check_interval=10 * LONG)
            played = await rig.play(published.publication, check_interval=10 * LONG)
            hands.stand_still(LONG)
            await hands.pass_time(EXCUSED - 1)
            assert (ends(published.facts), ends(played.facts)) == ([], [])
            await hands.pass_time(ICE_TIMEOUT)
            assert ends(published.facts) == ends(played.facts) == [StreamInfo.FAILED_BY_KEEP_ALIVE]

    run(main)


def test_a_publisher_whose_media_does_not_come_back_is_given_up_and_not_before() -> None:
    async def main(hands: Hands) -> None:
        async with media_rig(rtp_activity_timeout=5.0) as rig:
            published = await rig.publish()
            hands.stand_still(LONG)
            await hands.pass_time(EXCUSED - 1)
            assert ends(published.facts) == []
            await hands.pass_time(5)
            assert ends(published.facts) == [StreamInfo.FAILED_BY_RTP_ACTIVITY]

    run(main)


def test_a_phone_whose_voice_does_not_come_back_ends_its_call_and_not_before() -> None:
    async def main(hands: Hands) -> None:
        async with call_rig(rtp_activity_detecting=5.0) as call:
            hands.stand_still(LONG)
            await hands.pass_time(EXCUSED - 1)
            assert ends(call.leg_facts) == []
            await hands.pass_time(5)
            assert ends(call.leg_facts) == [StreamInfo.FAILED_BY_RTP_ACTIVITY]

    run(main)
