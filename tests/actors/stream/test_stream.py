"""Streams over a fake media plane: who may publish and play, who is told what, and how streams end."""

import httpx
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors.media.events import Connected, Failed, Flowing, PeerClosed
from actors.web.api.streams.streams import BY_REST
from protocol.node.filters import StreamFilter
from protocol.stream.info_texts import StreamInfo
from tests.support.session.signaling_rig import SignalingRig, signaling_rig, stream_request

FAIL = {"restOnError": "FAIL"}


def with_policy(rig: SignalingRig, **policies: object) -> None:
    """Let the backend's connect answer carry this restClientConfig."""
    rig.backend.answers["connect"] = lambda method, body: httpx.Response(200, json={"restClientConfig": policies})


async def test_publish_play_and_stop_by_user(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        bob, _ = await rig.connect()
        alice.send("publishStream", stream_request("cam", "p1", published=True))
        assert await alice.receive("setRemoteSDP") == ["p1", "answer 1", True]
        live = await alice.receive("notifyStreamStatusEvent", status="PUBLISHING")
        assert (live["mediaSessionId"], live["name"], live["published"]) == ("p1", "cam", True)
        assert "sdp" not in live
        await rig.play(bob, "cam", "v1")
        bob.send("stopStream", {"mediaSessionId": "v1"})
        stopped = await bob.receive("notifyStreamStatusEvent", status="STOPPED")
        assert stopped["info"] == "Stopped by user"
        alice.send("unPublishStream", {"mediaSessionId": "p1"})
        ended = await alice.receive("notifyStreamStatusEvent", status="UNPUBLISHED")
        assert ended["info"] == "Stopped by user"
        assert [media.closed >= 1 for media in (*rig.plane.publications, *rig.plane.playbacks)] == [True, True]
        assert len(rig.directory) == 0


async def test_the_backend_hears_every_status_and_exactly_one_end(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        await rig.play(alice, "cam", "v1")
        alice.send("unPublishStream", {"mediaSessionId": "p1"})
        await alice.receive("notifyStreamStatusEvent", status="UNPUBLISHED")
        await rig.dispatcher.drain(60)
        told = [(body["mediaSessionId"], body["status"]) for body in rig.backend.called("StreamStatusEvent")]
        assert told == [("p1", "PUBLISHING"), ("v1", "PLAYING"), ("v1", "FAILED"), ("p1", "UNPUBLISHED")]
        assert [name for name, _ in rig.backend.calls].count("unPublishStream") == 1


async def test_players_of_a_stopped_publisher_fail_with_its_text(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        bob, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        for number in range(3):
            await rig.play(bob, "cam", f"v{number}")
        alice.send("unPublishStream", {"mediaSessionId": "p1"})
        for number in range(3):
            end = await bob.receive("notifyStreamStatusEvent", mediaSessionId=f"v{number}", status="FAILED")
            assert end["info"] == "Stopped by publisher stop"
        assert all(media.closed for media in rig.plane.playbacks)


async def test_a_name_in_use_fails_the_second_and_leaves_the_first(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        bob, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        bob.send("publishStream", stream_request("cam", "p2", published=True))
        failed = await bob.receive("notifyStreamStatusEvent", status="FAILED")
        assert failed["info"] == "Stream name is already in use"
        assert rig.directory.is_announced("cam")
        assert len(rig.plane.publications) == 1


def answer_by_publisher(rig: SignalingRig, **statuses: int) -> None:
    """Answer `publishStream` by mediaSessionId: 200 unless a status is given. A refusal counts."""
    with_policy(rig, publishStream=FAIL)
    rig.backend.answers["publishStream"] = lambda method, body: httpx.Response(
        statuses.get(body["mediaSessionId"], 200), json={}
    )


def hold_back(rig: SignalingRig, *media_session_ids: str) -> dict[str, trio.Event]:
    """Let the backend's word on these publications wait for an event each."""
    gates = {media_session_id: trio.Event() for media_session_id in media_session_ids}
    rig.backend.waits["publishStream"] = lambda body: gates.get(body["mediaSessionId"])
    return gates


async def test_a_publisher_who_will_be_refused_keeps_the_name_from_nobody(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        answer_by_publisher(rig, evil=403)
        gates = hold_back(rig, "evil")
        mallory, _ = await rig.connect()
        alice, _ = await rig.connect()
        mallory.send("publishStream", stream_request("cam", "evil", published=True))
        await trio.testing.wait_all_tasks_blocked()
        await rig.publish(alice, "cam", "p1")
        gates["evil"].set()
        refused = await mallory.receive("notifyStreamStatusEvent")
        assert (refused["status"], refused["info"]) == ("FAILED", "Restricted access")
        assert rig.directory.is_announced("cam")


async def test_of_two_whom_the_backend_considers_the_first_that_it_allows_gets_the_name(
    autojump_clock: MockClock,
) -> None:
    async with signaling_rig() as rig:
        gates = hold_back(rig, "p1", "p2")
        alice, _ = await rig.connect()
        bob, _ = await rig.connect()
        alice.send("publishStream", stream_request("cam", "p1", published=True))
        await trio.testing.wait_all_tasks_blocked()
        bob.send("publishStream", stream_request("cam", "p2", published=True))
        await trio.testing.wait_all_tasks_blocked()
        gates["p2"].set()
        await bob.receive("notifyStreamStatusEvent", status="PUBLISHING")
        gates["p1"].set()
        failed = await alice.receive("notifyStreamStatusEvent")
        assert (failed["status"], failed["info"]) == ("FAILED", "Stream name is already in use")
        assert len(rig.plane.publications) == 1


async def test_a_name_that_is_held_is_refused_without_asking_the_backend(autojump_clock: MockClock) -> None:
    async with signaling_rig(auto=False) as rig:
        alice, _ = await rig.connect()
        bob, _ = await rig.connect()
        alice.send("publishStream", stream_request("cam", "p1", published=True))
        await alice.receive("setRemoteSDP")
        bob.send("publishStream", stream_request("cam", "p2", published=True))
        assert (await bob.receive("notifyStreamStatusEvent"))["info"] == "Stream name is already in use"
        assert [body["mediaSessionId"] for body in rig.backend.called("publishStream")] == ["p1"]


async def test_a_player_waits_for_whichever_publisher_comes_up_under_the_name(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        answer_by_publisher(rig, evil=403)
        gates = hold_back(rig, "evil", "p1")
        mallory, _ = await rig.connect()
        alice, _ = await rig.connect()
        bob, _ = await rig.connect()
        mallory.send("publishStream", stream_request("cam", "evil", published=True))
        alice.send("publishStream", stream_request("cam", "p1", published=True))
        await trio.testing.wait_all_tasks_blocked()
        bob.send("playStream", stream_request("cam", "v1", published=False))
        gates["evil"].set()
        await mallory.receive("notifyStreamStatusEvent", status="FAILED")
        gates["p1"].set()
        await bob.receive("notifyStreamStatusEvent", status="PLAYING")


async def test_terminate_by_name_stops_all_who_wait_for_the_backends_word(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        gates = hold_back(rig, "p1", "p2", "p3")
        alice, _ = await rig.connect()
        bob, _ = await rig.connect()
        alice.send("publishStream", stream_request("cam", "p1", published=True))
        bob.send("publishStream", stream_request("cam", "p2", published=True))
        bob.send("publishStream", stream_request("camera", "p3", published=True))
        await trio.testing.wait_all_tasks_blocked()
        stopped = rig.supervisor.terminate(StreamFilter(name="cam", published=True), BY_REST)
        assert stopped.count == 2
        assert [stream.media_session_id for stream in rig.supervisor.streams()] == ["p3"]
        for client in (alice, bob):
            assert (await client.receive("notifyStreamStatusEvent"))["info"] == "Stopped by rest /terminate"
        for gate in gates.values():
            gate.set()
        await bob.receive("notifyStreamStatusEvent", mediaSessionId="p3", status="PUBLISHING")


async def test_a_name_is_free_when_its_publisher_hears_of_the_end(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        for number in range(5):
            await rig.publish(alice, "cam", f"p{number}")
            alice.send("unPublishStream", {"mediaSessionId": f"p{number}"})
            await alice.receive("notifyStreamStatusEvent", mediaSessionId=f"p{number}", status="UNPUBLISHED")


@pytest.mark.parametrize(
    ("name", "info"),
    [("nobody", "Session does not exist"), ("rtsp://camera/1", "Failed to get agent storage")],
)
async def test_a_name_that_nobody_publishes(name: str, info: str, autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        bob, _ = await rig.connect()
        bob.send("playStream", stream_request(name, "v1", published=False))
        assert (await bob.receive("notifyStreamStatusEvent", status="FAILED"))["info"] == info


async def test_a_play_waits_for_the_publishers_media(autojump_clock: MockClock) -> None:
    async with signaling_rig(auto=False) as rig:
        alice, _ = await rig.connect()
        bob, _ = await rig.connect()
        alice.send("publishStream", stream_request("cam", "p1", published=True))
        await alice.receive("setRemoteSDP")
        bob.send("playStream", stream_request("cam", "v1", published=False))
        await trio.testing.wait_all_tasks_blocked()
        assert rig.plane.playbacks == []
        rig.plane.publications[0].post(Connected())
        rig.plane.publications[0].post(Flowing())
        await bob.receive("setRemoteSDP")
        rig.plane.playbacks[0].post(Connected())
        await bob.receive("notifyStreamStatusEvent", status="PLAYING")


async def test_a_play_waits_five_seconds_and_not_more(autojump_clock: MockClock) -> None:
    async with signaling_rig(auto=False) as rig:
        alice, _ = await rig.connect()
        bob, _ = await rig.connect()
        alice.send("publishStream", stream_request("cam", "p1", published=True))
        await alice.receive("setRemoteSDP")
        started = trio.current_time()
        bob.send("playStream", stream_request("cam", "v1", published=False))
        failed = await bob.receive("notifyStreamStatusEvent", status="FAILED")
        assert failed["info"] == "Publish stream is not ready"
        assert trio.current_time() - started == pytest.approx(5, abs=0.1)


async def test_publish_and_play_sent_together_find_each_other(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        for number in range(20):
            alice.send("publishStream", stream_request(f"cam{number}", f"p{number}", published=True))
            alice.send("playStream", stream_request(f"cam{number}", f"v{number}", published=False))
            await alice.receive("notifyStreamStatusEvent", mediaSessionId=f"v{number}", status="PLAYING")


@pytest.mark.parametrize(
    ("offer", "info"), [("no codecs", "No common codecs"), ("no sdp", "Failed to add stream to proxy")]
)
async def test_an_offer_that_is_refused(offer: str, info: str, autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        alice.send("publishStream", stream_request("cam", "p1", published=True, sdp=offer))
        assert (await alice.receive("notifyStreamStatusEvent", status="FAILED"))["info"] == info
        assert len(rig.directory) == 0


async def test_media_providers_other_than_webrtc_are_refused_without_touching_the_media(
    autojump_clock: MockClock,
) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        alice.send("playStream", stream_request("cam", "v1", published=False, mediaProvider="MSE"))
        assert (await alice.receive("notifyStreamStatusEvent"))["status"] == "FAILED"
        assert rig.plane.playbacks == []


@pytest.mark.parametrize(
    "info",
    [StreamInfo.FAILED_BY_ICE_TIMEOUT, StreamInfo.FAILED_BY_KEEP_ALIVE, StreamInfo.FAILED_BY_RTP_ACTIVITY],
)
async def test_media_that_fails_fails_the_stream_with_its_text(info: StreamInfo, autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        rig.plane.publications[0].post(Failed(info=info))
        assert (await alice.receive("notifyStreamStatusEvent", status="FAILED"))["info"] == info


async def test_a_browser_that_closes_dtls_first_has_time_for_its_stop_frame(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        rig.plane.publications[0].post(PeerClosed())
        await trio.testing.wait_all_tasks_blocked()
        alice.send("unPublishStream", {"mediaSessionId": "p1"})
        end = await alice.receive("notifyStreamStatusEvent", mediaSessionId="p1")
        assert (end["status"], end["info"]) == ("UNPUBLISHED", "Stopped by user")


async def test_a_browser_that_only_closes_dtls_has_failed(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        rig.plane.publications[0].post(PeerClosed())
        end = await alice.receive("notifyStreamStatusEvent", mediaSessionId="p1")
        assert (end["status"], end["info"]) == ("FAILED", "Failed by DTLS error")


async def test_ids_in_use_are_refused_and_the_running_stream_goes_on(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        bob, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        alice.send("publishStream", stream_request("other", "p1", published=True))
        assert (await alice.receive("fail"))["info"] == "MediaSessionId is already in use"
        bob.send("playStream", stream_request("cam", "p1", published=False))
        refused = await bob.receive("notifyStreamStatusEvent", status="FAILED")
        assert refused["info"] == "MediaSessionId is already in use"
        assert rig.directory.is_announced("cam")


async def test_a_request_without_an_id_is_answered(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        alice.send("publishStream", {"name": "cam", "sdp": "v=0"})
        assert (await alice.receive("fail"))["info"] == "MediaSessionId is null"


async def test_streams_of_one_session_are_limited(autojump_clock: MockClock) -> None:
    async with signaling_rig(max_streams_per_session=3) as rig:
        alice, _ = await rig.connect()
        for number in range(4):
            alice.send("publishStream", stream_request(f"cam{number}", f"p{number}", published=True))
        failed = await alice.receive("notifyStreamStatusEvent", mediaSessionId="p3")
        assert (failed["status"], failed["info"]) == ("FAILED", "Failed to add stream to proxy")
