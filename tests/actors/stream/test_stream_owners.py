"""Streams of an owner that is no WebSDK session: everything that streams have works for them as it is."""

from typing import Any

import httpx
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors.media.events import NotEnoughBandwidth, PeerClosed, Resized
from actors.node.control import LocalNode
from actors.stream import StreamRefused
from actors.stream.end_reasons import SESSION_DISCONNECT
from actors.stream.keep_alive_schedule import StreamKeepAlive
from actors.web.api.streams.streams import BY_REST
from protocol.hooks import HookMethod, RestClientConfig
from protocol.node.filters import StreamFilter
from protocol.stream.events import StreamEvent
from protocol.stream.info_texts import StreamInfo
from protocol.stream.statuses import StreamEventType
from tests.support.session.plain_owner import PlainOwner
from tests.support.session.signaling_rig import TEST_OVER, SignalingRig, signaling_rig, stream_request

FAIL = {"restOnError": "FAIL"}
DATA = StreamEventType.DATA


def config(**policies: object) -> RestClientConfig:
    """The policies of a session's backend, method by method."""
    parsed, warnings = RestClientConfig.parse(policies)
    assert warnings == ()
    return parsed


async def publish_and_play(rig: SignalingRig, **policies: object) -> tuple[PlainOwner, PlainOwner]:
    """One that publishes `cam` as p1, one that plays it as v1."""
    publisher, player = (PlainOwner(rig, session_id, config(**policies)) for session_id in ("owner1", "owner2"))
    publisher.publish("cam", "p1", custom={"room": "red"})
    await publisher.until("p1", "PUBLISHING")
    player.play("cam", "v1")
    await player.until("v1", "PLAYING")
    return publisher, player


async def test_it_publishes_and_plays_and_its_users_stop(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        publisher, player = await publish_and_play(rig)
        player.streams["v1"].user_stop()
        await player.until("v1", "STOPPED")
        publisher.streams["p1"].user_stop()
        end = await publisher.until("p1", "UNPUBLISHED")
        assert (end.stream.name, end.stream.info) == ("cam", "Stopped by user")
        for owner, stream, statuses, answer in (
            (publisher, "p1", ["PUBLISHING", "UNPUBLISHED"], "answer 1"),
            (player, "v1", ["PLAYING", "STOPPED"], "answer 2"),
        ):
            assert owner.told.answers == [(stream, answer)]
            assert owner.told.statuses(stream) == statuses
            assert owner.told.ends == [stream]
        await rig.dispatcher.drain(60)
        assert len(rig.directory) == 0


async def test_its_backend_hears_all_that_it_hears_of_a_session(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        publisher, player = await publish_and_play(rig)
        publisher.streams["p1"].user_stop()
        await player.until("v1", "FAILED")
        await rig.dispatcher.drain(60)
        told = {
            owner.context.session_id: [
                (method, body["status"]) for method, body in rig.backend.calls if body["sessionId"] == session_id
            ]
            for session_id, owner in (("owner1", publisher), ("owner2", player))
        }
        assert told == {
            "owner1": [
                ("publishStream", "PENDING"),
                ("StreamStatusEvent", "PUBLISHING"),
                ("unPublishStream", "PUBLISHING"),
                ("StreamStatusEvent", "UNPUBLISHED"),
            ],
            "owner2": [
                ("playStream", "PENDING"),
                ("StreamStatusEvent", "PLAYING"),
                ("StreamStatusEvent", "FAILED"),
            ],
        }
        (asked,) = rig.backend.called("publishStream")
        assert (asked["appKey"], asked["nodeId"], asked["custom"]) == ("defaultApp", "node1", {"room": "red"})


async def test_a_session_plays_what_it_publishes_and_the_other_way_round(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        owner = PlainOwner(rig, "owner1")
        alice, _ = await rig.connect()
        publication = owner.publish("plain", "p1")
        await owner.until("p1", "PUBLISHING")
        await rig.play(alice, "plain", "v1")
        await rig.publish(alice, "sdk", "p2")
        owner.play("sdk", "v2")
        await owner.until("v2", "PLAYING")

        publication.stream_event(StreamEvent(DATA, {"n": 1}))
        assert await alice.receive("notifyStreamEvent") == {"mediaSessionId": "v1", "type": "data", "payload": {"n": 1}}
        alice.send("sendStreamEvent", {"mediaSessionId": "p2", "type": "data", "payload": {"n": 2}})
        alice.send("sendStreamEvent", {"mediaSessionId": "p2", "type": "audioMuted"})
        await trio.testing.wait_all_tasks_blocked()
        told = [(stream, event.type, event.payload) for stream, event in owner.told.events]
        assert told == [("v2", DATA, {"n": 2}), ("v2", StreamEventType.AUDIO_MUTED, None)]

        owner.play("sdk", "v3")
        late = await owner.until("v3", "PLAYING")
        assert (late.audio_muted, late.video_muted) == (True, False)
        alice.disconnect()
        assert (await owner.until("v2", "FAILED")).stream.info == "Stopped by publisher stop"
        await owner.until("v3", "FAILED")


async def test_its_players_hear_of_sizes_and_of_their_own_path(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        _, player = await publish_and_play(rig)
        rig.plane.publications[0].post(Resized(width=640, height=360))
        rig.plane.playbacks[0].post(NotEnoughBandwidth(bitrate=1_500_000, bandwidth=400_000))
        await trio.testing.wait_all_tasks_blocked()
        assert {(stream, event.type): event.payload for stream, event in player.told.events} == {
            ("v1", StreamEventType.RESIZE): {"streamerVideoWidth": 640, "streamerVideoHeight": 360},
            ("v1", StreamEventType.NOT_ENOUGH_BANDWIDTH): {"info": "1500000/400000"},
        }


async def test_terminate_finds_and_stops_its_streams(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        publisher, player = await publish_and_play(rig)
        alice, _ = await rig.connect()
        await rig.play(alice, "cam", "v2")
        node = LocalNode("node1", rig.supervisor, dict)
        answer = await node.terminate(
            StreamFilter(name="cam", published=True), BY_REST, dry_run=False, deadline=trio.current_time() + 5
        )
        (report,) = answer.nodes
        assert report.all_stopped
        assert report.count == 1
        assert (await publisher.until("p1", "FAILED")).stream.info == "Stopped by rest /terminate"
        assert (await player.until("v1", "FAILED")).stream.info == "Stopped by publisher stop"
        assert (await alice.receive("notifyStreamStatusEvent", status="FAILED"))["mediaSessionId"] == "v2"
        assert (publisher.told.ends, player.told.ends) == (["p1"], ["v1"])
        assert not rig.directory.is_announced("cam")


async def test_terminate_overtakes_its_hook(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        rig.backend.gates["publishStream"] = trio.Event()
        owner = PlainOwner(rig, "owner1")
        owner.publish("cam", "p1")
        await trio.testing.wait_all_tasks_blocked()
        assert rig.supervisor.terminate(StreamFilter(), BY_REST).count == 1
        assert owner.told.statuses("p1") == ["FAILED"], "before terminate returns"
        assert owner.told.answers == []


async def test_find_knows_its_streams_by_session_and_by_the_name_that_the_backend_gave(
    autojump_clock: MockClock,
) -> None:
    async with signaling_rig() as rig:
        rename = {"restPolicy": "OVERWRITE", "restOverwrite": "name,quality"}
        rig.backend.answers["publishStream"] = lambda method, body: httpx.Response(
            200, json={"name": "real", "quality": 70}
        )
        owner = PlainOwner(rig, "owner1", config(publishStream=rename))
        owner.publish("public", "p1")
        await owner.until("p1", "PUBLISHING")
        assert (await rig.supervisor.find(StreamFilter(name="public"))).total == 0
        for query in (StreamFilter(name="real"), StreamFilter(session_id="owner1")):
            (found,) = (await rig.supervisor.find(query)).items
            assert (found.media_session_id, found.name, found.quality) == ("p1", "real", 70)


@pytest.mark.parametrize(("status", "ends"), [(403, True), (500, False)])
async def test_its_streams_are_kept_alive_by_the_backends_word(
    status: int, ends: bool, autojump_clock: MockClock
) -> None:
    async with signaling_rig(
        keep_alive_streaming_sessions_enabled=True,
        streaming_sessions_keep_alive_interval=10.0,
        streaming_sessions_keep_alive_app_keys=("defaultApp",),
    ) as rig:
        method = "StreamKeepAliveEvent"
        publisher, player = await publish_and_play(rig, **{method: FAIL})
        rig.backend.answers[method] = lambda method, body: httpx.Response(
            status if body["mediaSessionId"] == "v1" else 200
        )
        walker = StreamKeepAlive(rig.settings, rig.live_streams)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(walker.run)
            await trio.sleep(25)
            walker.stop(TEST_OVER)
        assert {body["mediaSessionId"] for body in rig.backend.called(method)} == {"p1", "v1"}
        if ends:
            assert (await player.until("v1", "FAILED")).stream.info == "Terminated by keep-alive"
            assert player.told.warnings == []
        else:
            assert player.told.statuses("v1") == ["PLAYING"]
            assert {(stream, hook) for stream, hook, _ in player.told.warnings} == {("v1", method)}
        assert publisher.told.statuses("p1") == ["PUBLISHING"]
        assert publisher.told.warnings == []


async def test_what_the_backend_hides_and_puts_in_comes_with_the_status(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        policy = {"restPolicy": "OVERWRITE", "restOverwrite": "info", "clientExclude": "name,custom"}
        rig.backend.answers["StreamStatusEvent"] = lambda method, body: httpx.Response(200, json={"info": "hello"})
        publisher, _ = await publish_and_play(rig, StreamStatusEvent=policy)
        (notice,) = publisher.told.notices
        assert notice.exclude == {"name", "custom"}
        assert notice.overwrite == {"info": "hello"}
        assert notice.stream.name == "cam", "what is hidden from clients is known to the owner"


async def test_a_stop_that_the_backend_forbids_leaves_its_stream(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        rig.backend.answers["stopStream"] = lambda method, body: httpx.Response(403, json={"info": "stay"})
        _, player = await publish_and_play(rig, stopStream=FAIL)
        player.streams["v1"].user_stop()
        await trio.testing.wait_all_tasks_blocked()
        assert player.told.refusals == [("v1", HookMethod.STOP_STREAM, "stay")]
        assert player.told.statuses("v1") == ["PLAYING"]


async def test_a_refusal_that_comes_together_with_the_end_is_not_told(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        answer = rig.backend.gates["stopStream"] = trio.Event()
        rig.backend.answers["stopStream"] = lambda method, body: httpx.Response(403, json={"info": "stay"})
        _, player = await publish_and_play(rig, stopStream=FAIL)
        player.streams["v1"].user_stop()
        await trio.testing.wait_all_tasks_blocked()
        answer.set()
        rig.supervisor.terminate(StreamFilter(published=False), BY_REST)
        await trio.testing.wait_all_tasks_blocked()
        assert player.told.statuses("v1") == ["PLAYING", "FAILED"]
        assert player.told.refusals == []


async def test_a_failed_event_hook_is_told_by_its_lane(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        rig.backend.answers["StreamStatusEvent"] = lambda method, body: httpx.Response(500)
        publisher, _ = await publish_and_play(rig, StreamStatusEvent=FAIL)
        await rig.dispatcher.drain(60)
        assert [(stream, method) for stream, method, _ in publisher.told.warnings] == [("", "StreamStatusEvent")]


@pytest.mark.parametrize(
    ("fields", "info"),
    [
        ({"sdp": "no codecs"}, "No common codecs"),
        ({"media_provider": "Flash"}, "Failed to add stream to proxy"),
        ({"name": "held"}, "Stream name is already in use"),
        ({"custom": "denied"}, "no credit"),
    ],
)
async def test_every_way_to_fail_is_one_terminal_status(
    fields: dict[str, Any], info: str, autojump_clock: MockClock
) -> None:
    async with signaling_rig() as rig:
        rig.backend.answers["publishStream"] = lambda method, body: (
            httpx.Response(403, json={"info": "no credit"}) if "custom" in body else httpx.Response(200, json={})
        )
        alice, _ = await rig.connect()
        await rig.publish(alice, "held", "p0")
        owner = PlainOwner(rig, "owner1", config(publishStream=FAIL))
        owner.publish(**({"name": "cam", "media_session_id": "p1"} | fields))
        assert (await owner.until("p1", "FAILED")).stream.info == info
        assert owner.told.statuses("p1") == ["FAILED"]
        assert owner.told.answers == []
        await trio.testing.wait_all_tasks_blocked()
        assert owner.told.ends == ["p1"]


async def test_media_that_ends_ends_its_stream(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        publisher, _ = await publish_and_play(rig)
        rig.plane.publications[0].post(PeerClosed())
        assert (await publisher.until("p1", "FAILED")).stream.info == "Failed by DTLS error"


async def test_a_crash_of_its_stream_is_told_and_reaches_nobody_else(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        publisher, player = await publish_and_play(rig)
        rig.plane.play = None  # type: ignore[assignment,method-assign] # the next stream runs into a bug
        player.play("cam", "v2")
        assert (await player.until("v2", "FAILED")).stream.info == "Failed by error"
        await trio.testing.wait_all_tasks_blocked()
        assert player.told.ends == ["v2"]
        assert player.told.statuses("v1") == ["PLAYING"]
        assert publisher.told.statuses("p1") == ["PUBLISHING"]


async def test_a_stream_that_cannot_begin_is_refused_and_told_nothing_of(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        alice.send("publishStream", stream_request("cam", "p1", published=True))
        await alice.receive("setRemoteSDP")
        owner = PlainOwner(rig, "owner1")
        with pytest.raises(StreamRefused) as refused:
            owner.play("cam", "p1")
        assert refused.value.info is StreamInfo.MEDIASESSION_ID_ALREADY_IN_USE
        rig.supervisor.close(TEST_OVER)
        with pytest.raises(StreamRefused) as refused:
            owner.play("cam", "v1")
        assert refused.value.info is StreamInfo.SESSION_NOT_READY
        assert owner.told.notices == []


async def test_an_overloaded_server_begins_no_stream_for_anybody(
    monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    async with signaling_rig() as rig:
        owner = PlainOwner(rig, "owner1")
        monkeypatch.setattr(rig.overload, "refuses", lambda: True)
        with pytest.raises(StreamRefused) as refused:
            owner.publish("cam", "p1")
        assert refused.value.info is StreamInfo.SERVER_IS_OVERLOADED
        assert rig.supervisor.is_idle


async def test_an_owner_that_leaves_takes_its_streams_along(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        publisher, player = await publish_and_play(rig)
        publisher.leave(SESSION_DISCONNECT)
        assert (publisher.told.statuses("p1"), publisher.told.ends) == (["PUBLISHING", "FAILED"], ["p1"])
        assert (await player.until("v1", "FAILED")).stream.info == "Stopped by publisher stop"
        await trio.testing.wait_all_tasks_blocked()
        assert rig.supervisor.is_idle
        assert len(rig.directory) == 0
        await rig.dispatcher.drain(60)
        ends = {
            body["mediaSessionId"]: body["info"] for body in rig.backend.called("StreamStatusEvent") if "info" in body
        }
        assert ends == {"p1": "Stopped by session disconnect", "v1": "Stopped by publisher stop"}
