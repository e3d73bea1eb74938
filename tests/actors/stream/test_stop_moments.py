"""A stop in the very moment in which a stream or session has got what it waited for.

Its task runs once more then, before it learns of the stop: nothing that it does may outlive the stream or session.
"""

import math
from typing import Any, cast

import httpx
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from actors.media.events import PeerClosed
from actors.media.publication import Publication
from actors.node.directory import Claim, Directory
from actors.session.socket.outbox import OUTBOX_BYTES
from actors.session.socket.reading import CLIENT_CLOSED, InboundFrame
from actors.stream import Broadcast
from actors.web.api.streams.streams import BY_REST
from protocol.node.filters import StreamFilter
from protocol.signaling.frame_codec import decode
from protocol.signaling.frame_codec import encode_message as encoded
from protocol.signaling.frames import Fail
from tests.support.session.signaling_rig import signaling_rig, stream_request


async def test_a_publication_stopped_with_the_answer_of_its_backend_leaves_nothing(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        answer = rig.backend.gates["publishStream"] = trio.Event()
        rename = {"publishStream": {"restPolicy": "OVERWRITE", "restOverwrite": "name"}}
        rig.backend.answers["connect"] = lambda method, body: httpx.Response(200, json={"restClientConfig": rename})
        alice, _ = await rig.connect()
        alice.send("publishStream", stream_request("cam", "p1", published=True))
        await trio.testing.wait_all_tasks_blocked()
        answer.set()
        assert rig.supervisor.terminate(StreamFilter(name="cam"), BY_REST).count == 1
        assert (await alice.receive("notifyStreamStatusEvent"))["status"] == "FAILED"
        await trio.testing.wait_all_tasks_blocked()
        assert len(rig.directory) == 0
        assert rig.plane.publications == []


RENAMED = {"restOnError": "FAIL", "restPolicy": "OVERWRITE", "restOverwrite": "name"}


@pytest.mark.parametrize(
    ("waits", "policy"),
    [
        pytest.param("request", {}, id="its request is taken"),
        pytest.param("take", {}, id="it takes its name"),
        pytest.param("request", RENAMED, id="its new name is asked for"),
        pytest.param("take", RENAMED, id="it takes its new name"),
    ],
)
@pytest.mark.parametrize("is_before", [True, False], ids=["before", "after"])
async def test_a_publication_stopped_with_the_answer_of_a_directory_that_is_far_away_leaves_nothing(
    waits: str, policy: dict[str, str], is_before: bool, monkeypatch: pytest.MonkeyPatch, autojump_clock: MockClock
) -> None:
    answer = trio.Event()
    holder = Directory if waits == "request" else Claim
    at_once = getattr(holder, waits)

    async def slowly(*arguments: Any) -> Any:
        if is_before:
            await answer.wait()
        answered = await at_once(*arguments)
        if not is_before:
            await answer.wait()
        return answered

    monkeypatch.setattr(holder, waits, slowly)
    async with signaling_rig() as rig:
        client_config = {"restClientConfig": {"publishStream": policy} if policy else {}}
        rig.backend.answers["connect"] = lambda method, body: httpx.Response(200, json=client_config)
        rig.backend.answers["publishStream"] = lambda method, body: httpx.Response(
            200, json={"name": "real"} if policy else {}
        )
        alice, _ = await rig.connect()
        alice.send("publishStream", stream_request("cam", "p1", published=True))
        await trio.testing.wait_all_tasks_blocked()
        answer.set()
        stopped = rig.supervisor.terminate(StreamFilter(), BY_REST)
        assert await stopped.wait()
        assert (await alice.receive("notifyStreamStatusEvent"))["info"] == "Stopped by rest /terminate"
        assert len(rig.directory) == 0
        assert rig.plane.publications == []


async def test_a_player_stopped_in_the_moment_it_finds_its_stream_leaves_nothing(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        bob, _ = await rig.connect()
        claim = await rig.directory.request("cam", "p1")
        await claim.take()
        publication = rig.plane.publish("v=0", session_id="s1", post=lambda fact: None)
        broadcast = Broadcast(cast(Publication, publication))
        bob.send("playStream", stream_request("cam", "v1", published=False))
        await trio.testing.wait_all_tasks_blocked()
        claim.announce(broadcast)
        stopped = rig.supervisor.terminate(StreamFilter(published=False), BY_REST)
        assert await stopped.wait()
        assert rig.plane.playbacks == []
        assert len(broadcast) == 0
        claim.release()


@pytest.mark.parametrize("message", ["publishStream", "playStream"])
async def test_a_stream_stopped_by_half_does_not_go_on_with_the_answer_it_waits_for(
    message: str, autojump_clock: MockClock
) -> None:
    async with signaling_rig() as rig:
        alice, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        answer = rig.backend.gates[message] = trio.Event()
        name = {"publishStream": "other", "playStream": "cam"}[message]
        alice.send(message, stream_request(name, "s1", published=message == "publishStream"))
        await trio.testing.wait_all_tasks_blocked()
        (stream,) = (each for each in rig.supervisor.streams() if each.media_session_id == "s1")
        stream.begin_stop(BY_REST)
        answer.set()
        await trio.testing.wait_all_tasks_blocked()
        assert (len(rig.plane.publications), len(rig.plane.playbacks), len(rig.directory)) == (1, 0, 1)
        assert not stream.stopped.is_set()
        stream.stop(BY_REST)
        await stream.stopped.wait()
        assert (len(rig.plane.publications), len(rig.plane.playbacks), len(rig.directory)) == (1, 0, 1)


async def test_a_request_that_comes_with_the_end_of_its_session_starts_nothing(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        _, session = await rig.connect()
        await trio.testing.wait_all_tasks_blocked()
        request = encoded("publishStream", [stream_request("cam", "p1", published=True)])
        session.post(InboundFrame(frame=decode(request), weight=len(request)))
        session.stop(CLIENT_CLOSED)
        await session.stopped.wait()
        await trio.testing.wait_all_tasks_blocked()
        assert rig.supervisor.is_idle
        assert len(rig.directory) == 0
        assert rig.backend.called("publishStream") == []


async def test_a_status_that_finds_the_outbox_full_still_reaches_the_backend(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, session = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        await rig.publish(alice, "other", "p2")
        alice.reads = False
        session.send(Fail(info="x" * (OUTBOX_BYTES - 100)))
        rig.supervisor.terminate(StreamFilter(name="cam"), BY_REST)
        await session.stopped.wait()
        await rig.dispatcher.drain(60)
        ends = [
            (body["mediaSessionId"], body["info"])
            for body in rig.backend.called("StreamStatusEvent")
            if body["status"] == "FAILED"
        ]
        assert ends == [("p1", "Stopped by rest /terminate"), ("p2", "Stopped by session disconnect")]
        assert session.reason is not None
        assert session.reason.cause == "client-does-not-read"


async def test_a_user_who_stops_while_the_backend_thinks_is_no_failure(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        strict = {"unPublishStream": {"restOnError": "FAIL"}}
        rig.backend.answers["connect"] = lambda method, body: httpx.Response(200, json={"restClientConfig": strict})
        answer = rig.backend.gates["unPublishStream"] = trio.Event()
        alice, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        rig.plane.publications[0].post(PeerClosed())
        await trio.testing.wait_all_tasks_blocked()
        alice.send("unPublishStream", {"mediaSessionId": "p1"})
        await trio.sleep(rig.settings.stop_grace + 1)
        answer.set()
        end = await alice.receive("notifyStreamStatusEvent", mediaSessionId="p1")
        assert (end["status"], end["info"]) == ("UNPUBLISHED", "Stopped by user")


async def test_a_stop_that_is_forbidden_when_the_media_is_gone_ends_in_failure(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        strict = {"unPublishStream": {"restOnError": "FAIL"}}
        rig.backend.answers["connect"] = lambda method, body: httpx.Response(200, json={"restClientConfig": strict})
        rig.backend.answers["unPublishStream"] = lambda method, body: httpx.Response(403)
        alice, _ = await rig.connect()
        await rig.publish(alice, "cam", "p1")
        rig.plane.publications[0].post(PeerClosed())
        await trio.testing.wait_all_tasks_blocked()
        alice.send("unPublishStream", {"mediaSessionId": "p1"})
        end = await alice.receive("notifyStreamStatusEvent", mediaSessionId="p1")
        assert (end["status"], end["info"]) == ("FAILED", "Failed by DTLS error")


async def test_a_frame_that_cannot_be_written_ends_its_session_alone(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        alice, session = await rig.connect()
        session.send(Fail(extra={"from the backend": math.nan}))
        await session.stopped.wait()
        assert session.reason is not None
        assert session.reason.cause == "unwritable-frame"
        assert alice.close_code == 1011
