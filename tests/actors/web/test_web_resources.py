"""The small resources of the web service: health, statistics, the start page, EchoApp."""

import httpx
import pytest

from actors.web.api.server.health import Readiness
from protocol.node.descriptions import StreamTraffic
from tests.support.web.stream_world import StreamWorld, connection, stream
from tests.support.web.web_rig import OWN, client_of

EVIL = "http://evil.example"


@pytest.fixture
def world() -> StreamWorld:
    return StreamWorld([stream("m", "room")], [connection("s")])


# -- the small resources ---------------------------------------------------------------------------------------------


async def test_healthz_is_asked_by_any_name(world: StreamWorld) -> None:
    async with client_of(world, base_url="http://pod-7.cluster.example") as client:
        assert (await client.get("/healthz", headers={"Origin": EVIL})).json() == {"alive": True}
        assert (await client.get("/readyz")).json() == {"ready": True, "missing": []}


async def test_readyz_says_what_is_missing(world: StreamWorld) -> None:
    async with client_of(world, ready=lambda: Readiness(missing=("shutting down",))) as client:
        answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"ready": False, "missing": ["shutting down"]}


async def test_statistics_as_plain_text(world: StreamWorld) -> None:
    world.counters = {"connection": {"connections": 2, "connections_websocket": 2}}
    async with client_of(world) as client:
        answer = await client.get("/?action=stat&preventCache=123")
    assert answer.text == "-----Connection Stats-----\nconnections=2\nconnections_websocket=2\n"
    assert answer.headers["content-type"].startswith("text/plain")


async def test_the_start_page_runs_only_its_own_files(world: StreamWorld) -> None:
    async with client_of(world) as client:
        answer = await client.get("/")
        same = await client.get("/", headers={"If-None-Match": answer.headers["etag"]})
        file = await client.get("/index.html")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert policy["connect-src"] == "'self' ws://*:8080 wss://*:8443"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert file.content == answer.content
    assert "access-control-allow-origin" not in file.headers
    assert same.status_code == 304
    assert same.content == b""


async def test_the_state_of_the_page() -> None:
    world = StreamWorld(
        [
            stream("m1", "room", viewers=3, video_codec="VP8", traffic=StreamTraffic(bitrate_kbps=900), width=640),
            stream("m2", "room", published=False, status="PLAYING", create_date=2_000_000),
        ],
        [connection("s", streams=2)],
    )
    async with client_of(world) as client:
        state = (await client.get("/page/state")).json()
        short = (await client.get("/page/state?limit=1")).json()
    assert state["version"] == "1.2.3"
    assert state["ws"] == {"address": "0.0.0.0", "port": 8080}
    assert state["wss"] == {"address": "::", "port": 8443}
    assert state["totals"] == short["totals"] == {"sessions": 1, "streams": 2, "rooms": 0}
    assert state["sessions"][0] | {"age": 90, "streams": 2} == state["sessions"][0]
    first, second = state["streams"]
    assert first | {"name": "room", "direction": "publish", "videoCodec": "VP8", "bitrate": 900, "viewers": 3} == first
    assert (first["age"], second["age"]) == (90, 0)
    assert second["direction"] == "play"
    assert len(short["streams"]) == 1


@pytest.mark.parametrize(
    ("text", "streams", "sessions"),
    [
        ("ROOM", ["m1", "m2"], 0),
        ("m2", ["m2"], 0),
        ("playing", ["m2"], 0),
        ("news.example", [], 1),
        ("", ["m1", "m2"], 1),
    ],
)
async def test_the_page_searches_streams_and_sessions(text: str, streams: list[str], sessions: int) -> None:
    world = StreamWorld(
        [stream("m1", "Room"), stream("m2", "Room", published=False, status="PLAYING")],
        [connection("s", origin="https://news.example")],
    )
    async with client_of(world) as client:
        state = (await client.get("/page/state", params={"find": text})).json()
    assert [row["mediaSessionId"] for row in state["streams"]] == streams
    assert len(state["sessions"]) == sessions
    assert state["matching"] == {"streams": len(streams), "sessions": sessions, "rooms": 0}
    assert state["totals"] == {"streams": 2, "sessions": 1, "rooms": 0}


async def test_the_echo_application_answers_with_the_body_it_got(world: StreamWorld) -> None:
    body = b'{ "appKey":"defaultApp",  "custom":{"token":"\\u00e9"} }'
    async with client_of(world) as client:
        answer = await client.post("/apps/EchoApp/connect", content=body)
        broken = await client.post("/apps/EchoApp/connect", content=b"{")
    assert answer.content == body
    assert answer.headers["content-type"] == "application/json"
    assert broken.status_code == 400


@pytest.mark.parametrize(
    "path", ["/rest-api/stream/terminate/", "//rest-api//stream/terminate", "/rest-api/stream/terminate//"]
)
async def test_slashes_too_many_lose_no_terminate(world: StreamWorld, path: str) -> None:
    async with client_of(world) as client:
        answer = await client.post(httpx.URL(OWN, path=path), json={"name": "room"})
    assert answer.status_code == 200
    assert world.streams == []
