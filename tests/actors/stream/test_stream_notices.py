"""What players are told of a publication: events, mutes, the size of the picture, a path that is too narrow."""

import httpx
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors.media.events import NotEnoughBandwidth, Resized
from actors.stream.published import RESIZE_BURST, RESIZE_INTERVAL
from tests.support.session.signaling_rig import SignalingRig, signaling_rig, stream_request

FAIL = {"restOnError": "FAIL"}


def with_policy(rig: SignalingRig, **policies: object) -> None:
    """Let the backend's connect answer carry this restClientConfig."""
    rig.backend.answers["connect"] = lambda method, body: httpx.Response(200, json={"restClientConfig": policies})


async def test_events_go_to_players_under_their_own_ids_and_late_joiners_know_the_mutes(
    autojump_clock: MockClock,
) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        bob, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        await rig.play(bob, "cam", "v1")
        alice.send("sendStreamEvent", {"mediaSessionId": "p1", "type": "audioMuted"})
        assert await bob.receive("notifyStreamEvent") == {"mediaSessionId": "v1", "type": "audioMuted"}
        alice.send("sendStreamEvent", {"mediaSessionId": "p1", "type": "data", "payload": {"n": 1}})
        event = await bob.receive("notifyStreamEvent", type="data")
        assert event["payload"] == {"n": 1}
        bob.send("playStream", stream_request("cam", "v2", published=False))
        late = await bob.receive("notifyStreamStatusEvent", mediaSessionId="v2", status="PLAYING")
        assert (late["audioState"], late["videoState"]) == ({"muted": True}, {"muted": False})
        await rig.dispatcher.drain(60)
        assert [body["mediaSessionId"] for body in rig.backend.called("StreamEvent")] == ["v1", "v1"]
        assert alice.received("notifyStreamEvent") == []


async def test_events_from_anybody_but_a_live_publisher_are_ignored(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        bob, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        await rig.play(bob, "cam", "v1")
        bob.send("sendStreamEvent", {"mediaSessionId": "v1", "type": "data", "payload": 1})
        bob.send("sendStreamEvent", {"mediaSessionId": "p1", "type": "data", "payload": 2})
        bob.send("sendStreamEvent", {"mediaSessionId": "nobody", "type": "audioMuted"})
        bob.send("ping", None)
        await bob.receive("pong")
        assert bob.received("notifyStreamEvent") == []


async def test_a_late_player_is_told_the_picture_size_before_it_plays(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        rig.plane.publications[0].width, rig.plane.publications[0].height = 1280, 720
        await rig.play(alice, "cam", "v1")
        messages = [frame["message"] for frame in alice.frames]
        assert alice.received("notifyStreamEvent")[0][0]["payload"] == {
            "streamerVideoWidth": 1280, "streamerVideoHeight": 720,
        }  # fmt: skip
        assert messages.index("notifyStreamEvent") < messages.index("notifyVideoFormat") < len(messages) - 1
        assert messages[-1] == "notifyStreamStatusEvent", "PLAYING comes last"


async def test_a_new_picture_size_is_told_to_players(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        await rig.play(alice, "cam", "v1")
        rig.plane.publications[0].post(Resized(width=640, height=360))
        event = await alice.receive("notifyStreamEvent", type="resize")
        assert event["payload"] == {"streamerVideoWidth": 640, "streamerVideoHeight": 360}
        assert await alice.receive("notifyVideoFormat") == {  # for SDKs that know it as a status
            "mediaSessionId": "v1", "status": "RESIZE",
            "streamerVideoWidth": 640, "streamerVideoHeight": 360, "playerVideoWidth": 640, "playerVideoHeight": 360,
        }  # fmt: skip


async def test_sizes_that_change_faster_than_they_are_handled_are_told_as_the_last_one(
    autojump_clock: MockClock,
) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        bob, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        await rig.play(bob, "cam", "v1")
        for width in range(1, 1001):  # all in one read of the media's socket
            rig.plane.publications[0].post(Resized(width=width, height=480))
        event = await bob.receive("notifyStreamEvent", type="resize")
        assert event["payload"]["streamerVideoWidth"] == 1000
        assert rig.directory.is_announced("cam")
        assert alice.received("notifyStreamStatusEvent")[-1][0]["status"] == "PUBLISHING"


async def test_sizes_that_keep_changing_are_told_at_a_rate_and_the_last_one_in_any_case(
    autojump_clock: MockClock,
) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        await rig.play(alice, "cam", "v1")
        started = trio.current_time()
        for number in range(500):  # in 10 s
            rig.plane.publications[0].post(Resized(width=100 + number, height=480))
            await trio.sleep(0.02)
        await alice.receive("notifyStreamEvent", payload={"streamerVideoWidth": 599, "streamerVideoHeight": 480})
        assert trio.current_time() - started < 10 + RESIZE_INTERVAL + 0.1
        assert len(alice.received("notifyStreamEvent")) <= RESIZE_BURST + 10 / RESIZE_INTERVAL + 1


async def test_a_few_sizes_are_told_at_once(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        await rig.play(alice, "cam", "v1")
        started = trio.current_time()
        for number in range(RESIZE_BURST):
            rig.plane.publications[0].post(Resized(width=100 + number, height=480))
            await alice.receive("notifyStreamEvent", type="resize")
        assert trio.current_time() == pytest.approx(started, abs=0.01)


async def test_a_player_without_video_is_told_no_size(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        rig.plane.publications[0].width, rig.plane.publications[0].height = 1280, 720
        rig.plane.without_video = True
        await rig.play(alice, "cam", "v1")
        rig.plane.publications[0].post(Resized(width=640, height=360))
        await trio.testing.wait_all_tasks_blocked()
        alice.send("ping", None)
        await alice.receive("pong")
        assert alice.received("notifyStreamEvent") == []


async def test_stops_of_one_stream_that_pile_up_are_one(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        with_policy(rig, unPublishStream=FAIL)
        rig.backend.gates["unPublishStream"] = trio.Event()
        alice, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        for _ in range(50):
            alice.send("unPublishStream", {"mediaSessionId": "p1"})
        await trio.testing.wait_all_tasks_blocked()
        rig.backend.gates["unPublishStream"].set()
        end = await alice.receive("notifyStreamStatusEvent")
        assert (end["status"], end["info"]) == ("UNPUBLISHED", "Stopped by user")


async def test_a_player_whose_path_is_too_narrow_is_told_and_nobody_else(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        bob, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        await rig.play(bob, "cam", "v1")
        await rig.play(bob, "cam", "v2")
        rig.plane.playbacks[1].post(NotEnoughBandwidth(bitrate=1_500_000, bandwidth=400_000))
        event = await bob.receive("notifyStreamEvent", type="notEnoughBandwidth")
        assert event == {
            "mediaSessionId": "v2",
            "type": "notEnoughBandwidth",
            "payload": {"info": "1500000/400000"},
        }
        status = await bob.receive("notifyStreamStatusEvent", mediaSessionId="v2")  # for SDKs that know it as one
        assert status == {"mediaSessionId": "v2", "status": "NOT_ENOUGH_BANDWIDTH", "info": "1500000/400000"}
        for client in (alice, bob):
            client.send("ping", None)
            await client.receive("pong")  # whatever was sent before has come
        told = [frame for client in (alice, bob) for (frame,) in client.received("notifyStreamEvent")]
        assert [frame for frame in told if frame["type"] == "notEnoughBandwidth"] == [event]
        assert rig.backend.called("StreamEvent") == []
