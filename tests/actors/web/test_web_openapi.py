"""The document that the server gives out, and whether its answers are as it says."""

from typing import Any

import httpx
import pytest

from actors.web.api.server.health import Readiness
from protocol.node.descriptions import StreamTraffic
from tests.support.web.openapi import PATH, Described
from tests.support.web.stream_world import StreamWorld, connection, stream
from tests.support.web.web_rig import PAGE, client_of, routes_of

STREAMS, CONNECTIONS = "/rest-api/stream", "/rest-api/connection"


@pytest.fixture
def world() -> StreamWorld:
    metrics = StreamTraffic(bitrate_kbps=900)
    world = StreamWorld(
        [stream("m1", "room", traffic=metrics, video_codec="VP8"), stream("m2", "room", published=False)],
        [connection("s", media_providers=("WebRTC",), client_version="2")],
    )
    world.counters = {"connection": {"connections": 1}, "system": {"system_java_cpu_usage": "0.5"}}
    return world


async def test_every_route_that_is_not_the_pages_own_is_described(world: StreamWorld) -> None:
    async with client_of(world) as client:
        described = Described((await client.get(PATH)).json())
    described.validate()
    paths = {route.path.replace(":str", "") for route in routes_of(world)}
    own = (".html", ".js", ".css", ".svg", "/embed_player")
    pages = {path for path in paths if path.startswith("/page/") or path.endswith(own)}
    assert set(described.paths) == paths - pages
    assert "/rest-api/pull/startup" not in described.paths


async def test_the_document_is_sent_once(world: StreamWorld) -> None:
    async with client_of(world) as client:
        first = await client.get(PATH)
        tag = first.headers["etag"]
        for known in (tag, f"W/{tag}", f'"x", {tag}', "*"):
            again = await client.get(PATH, headers={"If-None-Match": known})
            assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
        other = await client.get(PATH, headers={"If-None-Match": '"x"'})
    assert first.headers["content-type"] == "application/json"
    assert first.json()["info"]["version"] == PAGE.version
    assert other.content == first.content


@pytest.mark.parametrize(
    ("method", "path", "request_", "status"),
    [
        ("GET", f"{STREAMS}/find", {}, 200),
        ("GET", f"{STREAMS}/find_all", {"params": {"display": "metrics", "mediaSessionIds": "m1,m2"}}, 200),
        ("POST", f"{STREAMS}/find_all", {"json": {"display": ["metrics"]}}, 200),
        ("POST", f"{STREAMS}/find", {"json": {"name": "none"}}, 404),
        ("GET", f"{STREAMS}/find", {"params": {"mediaSessionIds": ""}}, 404),
        ("GET", f"{STREAMS}/find", {"params": {"display": "sdp"}}, 400),
        ("POST", f"{STREAMS}/terminate", {"json": {"name": "room"}}, 200),
        ("POST", f"{STREAMS}/terminate", {"json": {"name": "room"}, "params": {"dry_run": "true"}}, 200),
        ("POST", f"{STREAMS}/terminate", {"json": {"name": "none"}}, 404),
        ("POST", f"{STREAMS}/terminate", {}, 400),
        ("GET", f"{CONNECTIONS}/find", {}, 200),
        ("POST", f"{CONNECTIONS}/find_all", {}, 200),
        ("POST", f"{CONNECTIONS}/terminate", {"json": {"sessionId": "s"}}, 200),
        ("POST", f"{CONNECTIONS}/terminate", {"json": {}}, 400),
        ("POST", "/rest-api/data/send", {"json": {"sessionId": "none", "payload": 1}}, 404),
        ("POST", "/rest-api/data/send", {"json": {"sessionId": "none"}}, 400),
        ("POST", "/rest-api/data/broadcast", {"json": {"all": True, "payload": 1}}, 404),
        ("POST", "/rest-api/data/broadcast", {"json": {"all": True, "payload": "x" * 20_000}}, 413),
        ("POST", "/rest-api/stream/event/send", {"json": {"streamName": "none", "payload": 1}}, 404),
        ("POST", "/apps/EchoApp/connect", {"json": [1]}, 200),
        ("POST", "/apps/EchoApp/connect", {"content": b"{"}, 400),
        ("GET", "/healthz", {}, 200),
        ("GET", "/readyz", {}, 200),
        ("GET", "/", {}, 200),
        ("GET", "/", {"params": {"action": "stat"}}, 200),
        ("GET", "/", {"params": {"action": "stat", "format": "json", "groups": "system"}}, 200),
        ("GET", "/", {"params": {"action": "stat", "format": "xml"}}, 400),
        ("GET", PATH, {}, 200),
        ("GET", PATH, {"params": {"x": 1}}, 400),
        ("GET", f"{STREAMS}/find", {"headers": {"Origin": "http://evil.example"}}, 403),
    ],
)
@pytest.mark.parametrize("accept", ["*/*", "application/problem+json"])
async def test_an_answer_is_as_described(
    world: StreamWorld, method: str, path: str, request_: dict[str, Any], status: int, accept: str
) -> None:
    request_ = request_ | {"headers": {"Accept": accept, **request_.get("headers", {})}}
    async with client_of(world) as client:
        described = Described((await client.get(PATH)).json())
        answer = await client.request(method, path, **request_)
    assert answer.status_code == status, answer.text
    described.check(answer)


async def test_a_server_that_is_not_ready_is_as_described(world: StreamWorld) -> None:
    async with client_of(world, ready=lambda: Readiness(missing=("shutting down",))) as client:
        described = Described((await client.get(PATH)).json())
        answer = await client.get("/readyz")
    assert answer.status_code == 503
    described.check(answer)


@pytest.mark.parametrize(
    ("path", "status", "content"),
    [
        (f"{STREAMS}/find", 200, {"json": [{"name": "room"}]}),
        (f"{STREAMS}/find", 200, {"text": "room"}),
        (f"{STREAMS}/find", 201, {"json": []}),
        (f"{STREAMS}/find", 400, {"json": {"reason": "why"}}),
        (f"{STREAMS}/nothing", 200, {"json": []}),
    ],
)
async def test_an_answer_that_is_not_as_described_is_noticed(path: str, status: int, content: dict[str, Any]) -> None:
    async with client_of(StreamWorld()) as client:
        described = Described((await client.get(PATH)).json())
    headers = {"X-Total-Count": "1"}
    request = httpx.Request("GET", f"http://localhost{path}")
    with pytest.raises(AssertionError):
        described.check(httpx.Response(status, headers=headers, request=request, **content))
