"""Streams over a fake media plane: who may publish and play, who is told what, and how streams end."""

import httpx
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors.media.events import Connected, Failed, Flowing, NotEnoughBandwidth, PeerClosed, Resized
from actors.stream.published import RESIZE_BURST, RESIZE_INTERVAL
from actors.web.api.streams import BY_REST
from protocol.node.filters import StreamFilter
from protocol.stream.statuses import StreamInfo
from tests.support.signaling_rig import SignalingRig, signaling_rig, stream_request

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
        matches = rig.supervisor.terminate(StreamFilter(name="cam", published=True), BY_REST)
        assert {match.description.media_session_id for match in matches} == {"p1", "p2"}
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


# -- the backend's word -------------------------------------------------------------------------------


@pytest.mark.parametrize(("answer", "info"), [({"info": "no credit"}, "no credit"), ({}, "Restricted access")])
async def test_a_denied_publish_is_one_failed_status(
    answer: dict[str, str], info: str, autojump_clock: MockClock
) -> None:
    async with signaling_rig() as rig:
        with_policy(rig, publishStream=FAIL)
        rig.backend.answers["publishStream"] = lambda method, body: httpx.Response(403, json=answer)
        alice, _ = await rig.connect()
        alice.send("publishStream", stream_request("cam", "p1", published=True))
        failed = await alice.receive("notifyStreamStatusEvent")
        assert (failed["status"], failed["info"]) == ("FAILED", info)
        alice.send("ping", None)
        await alice.receive("pong")
        assert alice.received("fail") == []
        assert rig.plane.publications == []


async def test_without_a_policy_a_403_is_only_logged(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        rig.backend.answers["publishStream"] = lambda method, body: httpx.Response(403)
        rig.backend.answers["playStream"] = lambda method, body: httpx.Response(403)
        alice, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        await rig.play(alice, "cam", "v1")


async def test_the_backend_renames_a_stream_and_hides_it_from_the_client(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        with_policy(
            rig,
            publishStream={"restOnError": "FAIL", "restPolicy": "OVERWRITE", "restOverwrite": "name"},
            StreamStatusEvent={"clientExclude": "name"},
        )
        rig.backend.answers["publishStream"] = lambda method, body: httpx.Response(200, json={**body, "name": "real"})
        alice, _ = await rig.connect()
        alice.send("publishStream", stream_request("public", "p1", published=True))
        live = await alice.receive("notifyStreamStatusEvent", status="PUBLISHING")
        assert "name" not in live
        assert rig.directory.is_announced("real")
        assert not rig.directory.is_announced("public")
        await rig.dispatcher.drain(60)
        assert rig.backend.called("StreamStatusEvent")[0]["name"] == "real"


async def test_what_the_backend_overwrites_is_what_it_hears_later(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        with_policy(rig, publishStream={"restPolicy": "OVERWRITE", "restOverwrite": "custom,quality,mediaSessionId"})
        answer = {"custom": {"room": "blue"}, "quality": 70, "mediaSessionId": "other"}
        rig.backend.answers["publishStream"] = lambda method, body: httpx.Response(200, json=answer)
        alice, _ = await rig.connect()
        alice.send("publishStream", stream_request("cam", "p1", published=True, custom={"room": "red"}))
        live = await alice.receive("notifyStreamStatusEvent", status="PUBLISHING")
        assert (live["mediaSessionId"], live["quality"]) == ("p1", 70)
        assert "custom" not in live
        await rig.dispatcher.drain(60)
        (told,) = rig.backend.called("StreamStatusEvent")
        assert (told["mediaSessionId"], told["custom"], told["quality"]) == ("p1", {"room": "blue"}, 70)


async def test_the_backend_redirects_a_player(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        with_policy(rig, playStream={"restPolicy": "OVERWRITE", "restOverwrite": "name"})
        rig.backend.answers["playStream"] = lambda method, body: httpx.Response(200, json={"name": "real"})
        alice, _ = await rig.connect()
        await rig.publish(alice, "real", "p1")
        await rig.play(alice, "poster", "v1")
        (player,) = (await rig.supervisor.find(StreamFilter(published=False))).items
        assert player.name == "real"
        assert (await rig.supervisor.find(StreamFilter(name="poster"))).items == ()
        assert [stream.media_session_id for stream in (await rig.supervisor.find(StreamFilter(name="real"))).items] == [
            "p1",
            "v1",
        ]


async def test_a_status_event_under_overwrite_reaches_the_client_after_the_answer(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        with_policy(rig, StreamStatusEvent={"restPolicy": "OVERWRITE", "restOverwrite": "info"})
        rig.backend.gates["StreamStatusEvent"] = trio.Event()
        rig.backend.answers["StreamStatusEvent"] = lambda method, body: httpx.Response(200, json={"info": "hello"})
        alice, _ = await rig.connect()
        alice.send("publishStream", stream_request("cam", "p1", published=True))
        await alice.receive("setRemoteSDP")
        await trio.testing.wait_all_tasks_blocked()
        assert alice.received("notifyStreamStatusEvent") == []
        rig.backend.gates["StreamStatusEvent"].set()
        assert (await alice.receive("notifyStreamStatusEvent"))["info"] == "hello"


async def test_a_status_event_under_overwrite_comes_without_an_answer_too(autojump_clock: MockClock) -> None:
    async with signaling_rig(rest_request_timeout=5.0) as rig:
        with_policy(rig, StreamStatusEvent={"restPolicy": "OVERWRITE", "restOverwrite": "info"})
        rig.backend.gates["StreamStatusEvent"] = trio.Event()
        alice, _ = await rig.connect()
        started = trio.current_time()
        await rig.publish(alice, "cam", "p1")
        assert trio.current_time() - started == pytest.approx(5, abs=0.5)
        rig.backend.gates["StreamStatusEvent"].set()


async def test_a_failing_event_warns_the_client_and_leaves_the_stream(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        with_policy(rig, StreamStatusEvent=FAIL)
        rig.backend.answers["StreamStatusEvent"] = lambda method, body: httpx.Response(500)
        alice, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        warning = await alice.receive("fail")
        assert warning["method"] == "StreamStatusEvent"
        assert "apiMethod" not in warning
        assert rig.directory.is_announced("cam")


async def test_a_forbidden_stop_leaves_the_stream_running(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        with_policy(rig, unPublishStream=FAIL)
        rig.backend.answers["unPublishStream"] = lambda method, body: httpx.Response(403)
        alice, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        alice.send("unPublishStream", {"mediaSessionId": "p1"})
        assert (await alice.receive("fail"))["apiMethod"] == "unPublishStream"
        assert rig.directory.is_announced("cam")


# -- terminate ----------------------------------------------------------------------------------------


async def test_terminate_stops_the_publication_and_its_players_at_once(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        bob, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        await rig.publish(alice, "other", "p2")
        await rig.play(bob, "cam", "v1")
        (match,) = rig.supervisor.terminate(StreamFilter(name="cam", status="PUBLISHING"), BY_REST)
        assert match.description.viewers == 1
        assert not rig.directory.is_announced("cam"), "the name is free before terminate returns"
        assert rig.plane.publications[0].closed, "and the media is closed"
        end = await alice.receive("notifyStreamStatusEvent", status="FAILED")
        assert (end["mediaSessionId"], end["info"]) == ("p1", "Stopped by rest /terminate")
        fallen = await bob.receive("notifyStreamStatusEvent", status="FAILED")
        assert (fallen["mediaSessionId"], fallen["info"]) == ("v1", "Stopped by publisher stop")
        await match.stopped.wait()
        assert rig.directory.is_announced("other")
        await rig.publish(alice, "cam", "p3")


async def test_terminate_overtakes_a_hook_that_hangs(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        rig.backend.gates["publishStream"] = trio.Event()
        alice, _ = await rig.connect()
        alice.send("publishStream", stream_request("cam", "p1", published=True))
        await trio.testing.wait_all_tasks_blocked()
        (match,) = rig.supervisor.terminate(StreamFilter(), BY_REST)
        started = trio.current_time()
        end = await alice.receive("notifyStreamStatusEvent")
        assert (end["status"], end["info"]) == ("FAILED", "Stopped by rest /terminate")
        await match.stopped.wait()
        assert trio.current_time() - started < 1
        rig.backend.gates["publishStream"].set()


async def test_terminate_by_every_filter_of_the_vendors_page(autojump_clock: MockClock) -> None:
    filters = {
        StreamFilter(published=False): {"v1", "v2", "w1"},
        StreamFilter(name="a", published=False): {"v1", "v2"},
        StreamFilter(name="a", status="PUBLISHING"): {"p1"},
        StreamFilter(media_session_ids=frozenset({"p1", "w1", "nobody"})): {"p1", "w1"},
        StreamFilter(media_session_ids=frozenset({"v2"})): {"v2"},
        StreamFilter(media_session_ids=frozenset()): set(),
        StreamFilter(name="nobody"): set(),
        StreamFilter(): {"p1", "p2", "v1", "v2", "w1"},
    }
    for query, expected in filters.items():
        async with signaling_rig() as rig:
            alice, _ = await rig.connect()
            await rig.publish(alice, "a", "p1")
            await rig.publish(alice, "b", "p2")
            for name, media_session_id in (("a", "v1"), ("a", "v2"), ("b", "w1")):
                await rig.play(alice, name, media_session_id)
            matches = rig.supervisor.terminate(query, BY_REST)
            assert {match.description.media_session_id for match in matches} == expected
            for match in matches:
                await match.stopped.wait()


async def test_a_crash_of_one_stream_reaches_nobody_else(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        await rig.publish(alice, "good", "p1")
        broken = stream_request("bad", "p2", published=True)
        rig.plane.publish = None  # type: ignore[assignment,method-assign] # the next stream runs into a bug
        alice.send("publishStream", broken)
        end = await alice.receive("notifyStreamStatusEvent", mediaSessionId="p2")
        assert (end["status"], end["info"]) == ("FAILED", "Failed by error")
        assert rig.directory.is_announced("good")
        assert not rig.directory.is_announced("bad")
        alice.send("ping", None)
        await alice.receive("pong")


async def test_a_publisher_that_is_terminated_while_a_player_waits_for_it_frees_the_player(
    autojump_clock: MockClock,
) -> None:
    async with signaling_rig(auto=False) as rig:
        alice, _ = await rig.connect()
        alice.send("publishStream", stream_request("cam", "p1", published=True))
        await alice.receive("setRemoteSDP")
        alice.send("playStream", stream_request("cam", "v1", published=False))
        await trio.testing.wait_all_tasks_blocked()
        rig.supervisor.terminate(StreamFilter(published=True), BY_REST)
        end = await alice.receive("notifyStreamStatusEvent", mediaSessionId="v1")
        assert (end["status"], end["info"]) == ("FAILED", "Session does not exist")
