"""What a backend changes for real sessions and streams: fields it overwrites, fields it hides, names it gives."""

from typing import Any

import httpx
import pytest
import trio
import trio.testing
from trio.testing import MockClock

from protocol.hooks import HookMethod
from protocol.node.filters import StreamFilter
from tests.support.session.memory_socket import MemorySocket
from tests.support.session.signaling_rig import SignalingRig, signaling_rig, stream_request

RENAME = {"restOnError": "FAIL", "restPolicy": "OVERWRITE", "restOverwrite": "name"}


async def connected(rig: SignalingRig, **policies: dict[str, str]) -> MemorySocket:
    """A client whose session has these policies."""
    rig.backend.answers["connect"] = lambda method, body: httpx.Response(200, json={"restClientConfig": policies})
    client, _ = await rig.connect(clientVersion="2.0")
    return client


async def use_everything(rig: SignalingRig, client: MemorySocket) -> None:
    """Publish, play, send data and a stream event; then wait until all is quiet."""
    client.send("publishStream", stream_request("cam", "p", published=True))
    await client.receive("notifyStreamStatusEvent", mediaSessionId="p", status="PUBLISHING")
    client.send("playStream", stream_request("poster", "v", published=False))
    await trio.testing.wait_all_tasks_blocked()
    client.send("sendStreamEvent", {"mediaSessionId": "p", "type": "data", "payload": {"n": 1}})
    client.send("sendData", {"operationId": "o", "payload": {"n": 1}})
    await trio.sleep(1)
    client.send("ping", None)
    await client.receive("pong")


def frames(client: MemorySocket, message: str, **expected: Any) -> list[dict[str, Any]]:
    """The objects of these frames that have these values."""
    return [data[0] for data in client.received(message) if expected.items() <= data[0].items()]


STATUS, EVENT = "notifyStreamStatusEvent", "notifyStreamEvent"
REWRITES: dict[HookMethod, tuple[str, object, str, dict[str, object]]] = {
    # method: the field and its new value; the frame in which a client sees it, and what marks that frame
    HookMethod.PUBLISH_STREAM: ("name", "poster", STATUS, {"mediaSessionId": "p", "name": "poster"}),
    HookMethod.PLAY_STREAM: ("name", "cam", STATUS, {"mediaSessionId": "v", "status": "PLAYING", "name": "cam"}),
    HookMethod.STREAM_STATUS_EVENT: ("info", "hello", STATUS, {"mediaSessionId": "p", "info": "hello"}),
    HookMethod.CONNECTION_STATUS_EVENT: ("sipLogin", "7", "getUserData", {"sipLogin": "7", "status": "ESTABLISHED"}),
    HookMethod.DATA_STATUS_EVENT: ("info", "hello", "DataStatusEvent", {"operationId": "o", "info": "hello"}),
    HookMethod.SEND_STREAM_EVENT: ("payload", {"n": 2}, EVENT, {"mediaSessionId": "v", "payload": {"n": 2}}),
    HookMethod.STREAM_EVENT: ("payload", {"n": 2}, EVENT, {"mediaSessionId": "v", "payload": {"n": 2}}),
}


@pytest.mark.parametrize(
    ("policy", "overwrite", "is_changed"),
    [
        ("OVERWRITE", "{}", True),
        ("OVERWRITE", "other, {}", True),
        ("OVERWRITE", "other", False),
        ("NOTIFY", "{}", False),
    ],
)
@pytest.mark.parametrize("method", REWRITES)
async def test_a_field_is_taken_from_the_answer_if_the_policy_names_it(
    autojump_clock: MockClock, method: HookMethod, policy: str, overwrite: str, is_changed: bool
) -> None:
    field, value, message, marks = REWRITES[method]
    async with signaling_rig() as rig:
        config = {"restPolicy": policy, "restOverwrite": overwrite.format(field)}
        policies = {"playStream": RENAME, method.value: config}
        rig.backend.answers["playStream"] = lambda _, body: httpx.Response(200, json={**body, "name": "cam"})
        rig.backend.answers[method] = lambda _, body: httpx.Response(200, json={**body, field: value})
        client = await connected(rig, **policies)
        await use_everything(rig, client)
        assert bool(frames(client, message, **marks)) is is_changed


async def test_what_identifies_a_stream_or_an_operation_is_not_the_backends_to_change(
    autojump_clock: MockClock,
) -> None:
    forged = dict.fromkeys(("nodeId", "sessionId", "appKey", "mediaSessionId", "operationId", "status"), "forged")
    greedy = {"restPolicy": "OVERWRITE", "restOverwrite": ",".join(forged)}
    policies = {method.value: greedy for method in HookMethod if method is not HookMethod.CONNECTION_STATUS_EVENT}
    async with signaling_rig() as rig:
        for method in policies:
            rig.backend.answers[method] = lambda _, body: httpx.Response(200, json=forged)
        client = await connected(rig, **policies)
        await use_everything(rig, client)
        assert len(frames(client, STATUS, mediaSessionId="p", status="PUBLISHING")) == 1
        assert frames(client, "DataStatusEvent") == [{"operationId": "o", "status": "ACCEPTED"}]
        (stream,) = (await rig.supervisor.find(StreamFilter(published=True))).items
        assert (stream.media_session_id, stream.app_key, stream.node_id) == ("p", "defaultApp", "node1")


@pytest.mark.parametrize(
    ("method", "field", "message", "marks"),
    [
        ("StreamStatusEvent", "name", STATUS, {"mediaSessionId": "p", "status": "PUBLISHING"}),
        ("ConnectionStatusEvent", "clientVersion", "getUserData", {"status": "ESTABLISHED"}),
        ("DataStatusEvent", "info", "DataStatusEvent", {"operationId": "o", "status": "FAILED"}),
        ("StreamEvent", "payload", EVENT, {"mediaSessionId": "v"}),
    ],
)
@pytest.mark.parametrize("is_hidden", [True, False])
async def test_a_field_that_is_excluded_does_not_reach_the_client(
    autojump_clock: MockClock, method: str, field: str, message: str, marks: dict[str, Any], is_hidden: bool
) -> None:
    async with signaling_rig() as rig:
        policies = {"playStream": RENAME, "OnDataEvent": {"restOnError": "FAIL"}}
        if is_hidden:
            policies[method] = {"clientExclude": f"other, {field}"}
        rig.backend.answers["playStream"] = lambda _, body: httpx.Response(200, json={"name": "cam"})
        rig.backend.answers["OnDataEvent"] = lambda _, body: httpx.Response(403, json={"info": "no"})
        client = await connected(rig, **policies)
        await use_everything(rig, client)
        (frame,) = frames(client, message, **marks)
        assert (field in frame) is not is_hidden


# -- names -------------------------------------------------------------------------------------------------------------


def give_names(rig: SignalingRig, **names: str) -> None:
    """Let the backend give each stream a name by its id."""
    rig.backend.answers["publishStream"] = lambda method, body: httpx.Response(
        200, json={**body, "name": names[body["mediaSessionId"]]}
    )


async def names_of(rig: SignalingRig) -> dict[str, str]:
    """The names of the streams, by id."""
    found = await rig.supervisor.find(StreamFilter())
    return {stream.media_session_id: stream.name for stream in found.items}


async def test_pages_that_all_publish_under_one_name_do_not_meet_while_the_backend_thinks(
    autojump_clock: MockClock,
) -> None:
    async with signaling_rig() as rig:
        give_names(rig, p1="room-1", p2="room-2", p3="room-3")
        rig.backend.gates["publishStream"] = trio.Event()
        clients = [await connected(rig, publishStream=RENAME) for _ in range(3)]
        for number, client in enumerate(clients, 1):
            client.send("publishStream", stream_request("camera", f"p{number}", published=True))
        await trio.testing.wait_all_tasks_blocked()
        rig.backend.gates["publishStream"].set()
        for client in clients:
            await client.receive(STATUS, status="PUBLISHING")
        assert await names_of(rig) == {"p1": "room-1", "p2": "room-2", "p3": "room-3"}


async def test_a_name_that_is_given_away_may_be_somebody_elses(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        plain = await connected(rig)
        await rig.publish(plain, "camera", "plain")
        renamed = await connected(rig, publishStream=RENAME)
        give_names(rig, p1="room-1")
        await rig.publish(renamed, "camera", "p1")
        assert await names_of(rig) == {"plain": "camera", "p1": "room-1"}


async def test_a_given_name_that_is_in_use_fails_the_newcomer(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        client = await connected(rig, publishStream=RENAME)
        give_names(rig, p1="room-1", p2="room-1")
        await rig.publish(client, "camera", "p1")
        client.send("publishStream", stream_request("other", "p2", published=True))
        failed = await client.receive(STATUS, mediaSessionId="p2")
        assert (failed["status"], failed["info"]) == ("FAILED", "Stream name is already in use")
        assert await names_of(rig) == {"p1": "room-1"}
        client.send("unPublishStream", {"mediaSessionId": "p1"})
        await client.receive(STATUS, status="UNPUBLISHED")
        await rig.publish(client, "camera", "p2")


async def test_a_backend_that_gives_no_name_leaves_the_clients_own_to_one_of_them(autojump_clock: MockClock) -> None:
    async with signaling_rig() as rig:
        first, second = await connected(rig, publishStream=RENAME), await connected(rig, publishStream=RENAME)
        await rig.publish(first, "camera", "p1")
        second.send("publishStream", stream_request("camera", "p2", published=True))
        failed = await second.receive(STATUS, mediaSessionId="p2")
        assert (failed["status"], failed["info"]) == ("FAILED", "Stream name is already in use")
        assert rig.directory.is_announced("camera")
