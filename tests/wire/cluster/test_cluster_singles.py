"""What two nodes are asked for at the same moment, or again, and is to be done once."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import httpx
import trio

from tests.support.capture.rtsp_source import Camera
from tests.support.cluster.two_nodes import Pair, cluster_of, two_nodes
from tests.support.redis.redis_server import POLL
from tests.support.servers.full_server import FullServer
from tests.support.session.wcs_client import PATIENCE
from tests.support.workers.page_recording import FREE, fetched, show

GROUP = {"uri": "multi-recorder://news"}
Asked = tuple[FullServer, dict[str, Any]]


async def post(server: FullServer, path: str, body: dict[str, Any], key: str | None = None) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return await server.rest.post(f"/rest-api/{path}", json=body, headers=headers, timeout=PATIENCE)


async def at_once(path: str, asked: Iterable[Asked], key: str | None = None) -> list[httpx.Response]:
    """Ask all of them at the same time; the answers, the lowest status first."""
    answers: list[httpx.Response] = []

    async def ask(server: FullServer, body: dict[str, Any]) -> None:
        answers.append(await post(server, path, body, key))

    async with trio.open_nursery() as nursery:
        for each in asked:
            nursery.start_soon(ask, *each)
    return sorted(answers, key=lambda answer: answer.status_code)


def statuses(answers: Iterable[httpx.Response]) -> list[int]:
    return [answer.status_code for answer in answers]


async def test_what_is_asked_of_two_nodes_is_done_once(tmp_path: Path, camera: Camera) -> None:
    async with two_nodes(tmp_path, **FREE) as pair:
        for _ in range(2):
            answers = await at_once("multipleRecorder/startup", [(pair.a, GROUP), (pair.b, GROUP)])
            assert statuses(answers) == [200, 409]
            assert (await post(pair.b, "multipleRecorder/terminate", GROUP)).status_code == 200
            assert (await post(pair.a, "multipleRecorder/terminate", GROUP)).status_code == 404
        groups_here = "/rest-api/multipleRecorder/find_all?scope=local"
        for method in ("GET", "POST"):
            assert (await pair.a.rest.request(method, groups_here)).status_code == 400, "groups are those of all nodes"
        await send_once(pair)
        await capture_once(pair, camera)


async def send_once(pair: Pair) -> None:
    """A request that is repeated to the other node, and one that comes to both at once."""
    sent = {"all": True, "payload": "once"}
    first, again = [await post(server, "data/broadcast", sent, "k1") for server in (pair.a, pair.b)]
    assert [each.headers["X-Sent-Count"] for each in (first, again)] == ["2", "2"]
    assert (again.headers["Idempotency-Replayed"], again.content) == ("true", first.content)
    different = await post(pair.b, "data/broadcast", sent | {"payload": "other"}, "k1")
    assert (different.status_code, different.json()["key"]) == (422, "Idempotency-Key")
    both = [(server, sent | {"payload": "at once"}) for server in (pair.a, pair.b) * 3]
    answers = await at_once("data/broadcast", both, "k2")
    assert [answer.headers["X-Sent-Count"] for answer in answers] == ["2"] * 6
    assert sum("Idempotency-Replayed" in answer.headers for answer in answers) == 5
    await post(pair.a, "data/broadcast", sent | {"payload": "last"})
    for client in (pair.one, pair.two):
        await client.receive("OnDataEvent", payload="last")
        heard = Counter(frame["payload"] for frame in client.of("OnDataEvent"))
        assert heard == {"once": 1, "at once": 1, "last": 1}


async def capture_once(pair: Pair, camera: Camera) -> None:
    both = [
        (pair.a, {"uri": camera.url, "toStream": "one"}),
        (pair.b, {"uri": camera.url, "toStream": "other"}),
    ]
    assert statuses(await at_once("rtsp/startup", both)) == [200, 409]
    assert len((await pair.a.rest.get("/rest-api/rtsp/find_all")).json()) == 1
    assert (await post(pair.b, "rtsp/terminate", {"uri": camera.url})).status_code == 200


async def test_groups_that_began_without_redis_become_one_when_it_is_back(tmp_path: Path) -> None:
    async with two_nodes(tmp_path, **FREE) as pair:
        pair.redis.kill()
        streams = []
        for server, client, name in ((pair.a, pair.one, "first"), (pair.b, pair.two, "second")):
            assert (await post(server, "multipleRecorder/startup", GROUP)).status_code == 200
            streams.append(await client.publish(name))
            playback = await client.play(name)
            member = GROUP | {"mediaSessionId": streams[-1].id}
            assert (await post(server, "multipleRecorder/add", member)).status_code == 200
            await show(streams[-1], playback)
        await pair.redis.start()
        lost = await first_to_lose(pair.a, pair.b)
        assert (await post(lost, "multipleRecorder/terminate", GROUP)).status_code == 200
        listed = {}
        for server, home in ((pair.a, "a"), (pair.b, "b")):
            found = (await fetched(server, tmp_path / home, "multi-recorder___news.json")).json()
            listed[home] = sorted(each["name"] for each in found["files"])
        assert listed.pop("a" if lost is pair.a else "b") == ["second" if lost is pair.b else "first"]
        assert list(listed.values()) == [["first", "second"]]


async def first_to_lose(*servers: FullServer) -> FullServer:
    """The one whose group is another's, once the registry has said so."""
    with trio.fail_after(PATIENCE):
        while True:
            for server in servers:
                if cluster_of(server).singles.names.lost:
                    return server
            await trio.sleep(POLL)
