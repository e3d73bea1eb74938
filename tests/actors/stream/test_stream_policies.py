"""The backend decides: what it refuses, renames, redirects and overwrites."""

import httpx
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from protocol.node.filters import StreamFilter
from tests.support.session.signaling_rig import SignalingRig, signaling_rig, stream_request

FAIL = {"restOnError": "FAIL"}


def with_policy(rig: SignalingRig, **policies: object) -> None:
    """Let the backend's connect answer carry this restClientConfig."""
    rig.backend.answers["connect"] = lambda method, body: httpx.Response(200, json={"restClientConfig": policies})


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
