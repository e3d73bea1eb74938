"""The stream group of the REST API, in process."""

import json
import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from protocol.node.descriptions import StreamTraffic
from protocol.rest.errors import error_body
from tests.support.web.stream_world import StreamWorld, stream
from tests.support.web.web_rig import client_of, settings_with

TERMINATE = "/rest-api/stream/terminate"


@pytest.fixture
def world() -> StreamWorld:
    """Two rooms with two players each, one more publisher that is pending, all of the default application."""
    return StreamWorld(
        [
            stream("pub-a", "a"),
            stream("play-a1", "a", published=False, status="PLAYING"),
            stream("play-a2", "a", published=False, status="PLAYING"),
            stream("pub-b", "b", has_video=False, session_id="s2"),
            stream("play-b1", "b", published=False, status="PLAYING", session_id="s2"),
            stream("pub-c", "c", status="PENDING", app_key="otherApp"),
        ]
    )


@pytest.fixture
async def client(world: StreamWorld) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(world) as client:
        yield client


# -- terminate -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "stopped"),
    [
        ({"published": False}, {"play-a1", "play-a2", "play-b1"}),
        ({"name": "a", "published": False}, {"play-a1", "play-a2"}),
        ({"name": "a", "status": "PUBLISHING"}, {"pub-a"}),
        ({"mediaSessionIds": ["pub-a", "play-b1"]}, {"pub-a", "play-b1"}),
        ({"mediaSessionId": "play-a2"}, {"play-a2"}),
        ({"mediaSessionId": "play-a2", "mediaSessionIds": ["pub-b", "nobody"]}, {"play-a2", "pub-b"}),
        ({"mediaSessionId": "play-a2", "published": "true", "mediaSessionIds": ["pub-b"]}, {"pub-b"}),
        ({"sessionId": "s2", "published": "false"}, {"play-b1"}),
        ({"appKey": "otherApp"}, {"pub-c"}),
        ({"hasVideo": "false"}, {"pub-b"}),
        ({"status": "PENDING"}, {"pub-c"}),
        ({}, {"pub-a", "play-a1", "play-a2", "pub-b", "play-b1", "pub-c"}),
    ],
)
async def test_terminate_stops_exactly_what_the_filter_names(
    client: httpx.AsyncClient, world: StreamWorld, body: dict[str, Any], stopped: set[str]
) -> None:
    before = world.ids
    answer = await client.post(TERMINATE, json=body)
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["x-terminated-count"] == str(len(stopped))
    assert before - world.ids == stopped
    assert [reason.cause for reason in world.reasons] == ["rest-terminate"]
    assert world.reasons[0].info == "Stopped by rest /terminate"


@pytest.mark.parametrize(
    "body", [{"mediaSessionIds": []}, {"name": "nobody"}, {"mediaSessionId": ""}, {"name": "a", "mediaSessionIds": []}]
)
async def test_terminate_without_a_match_is_404(
    client: httpx.AsyncClient, world: StreamWorld, body: dict[str, Any]
) -> None:
    answer = await client.post(TERMINATE, json=body)
    assert answer.status_code == 404
    assert answer.json() == error_body(404, "no stream matches", TERMINATE)
    assert answer.headers["x-terminated-count"] == "0"
    assert len(world.streams) == 6


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ('{"naem": "a"}', "naem"),
        ('{"name": null}', "name"),
        ('{"name": true}', "name"),
        ('{"published": "no"}', "published"),
        ('{"published": 0}', "published"),
        ('{"mediaSessionIds": "pub-a"}', "mediaSessionIds"),
        ('{"mediaSessionIds": ["pub-a", true]}', "mediaSessionIds"),
        ('{"name": "a", "name": "b"}', "name"),
        ('{"name": "a", "offset": 0}', "offset"),
    ],
)
async def test_a_filter_with_a_mistake_stops_nothing_and_names_the_key(
    client: httpx.AsyncClient, world: StreamWorld, body: str, key: str
) -> None:
    answer = await client.post(TERMINATE, content=body)
    assert answer.status_code == 400
    assert answer.json()["exception"] == "BadRequest"
    assert answer.json()["path"] == TERMINATE
    assert answer.json()["key"] == key
    assert key in answer.json()["reason"]
    assert world.reasons == []


@pytest.mark.parametrize("body", [b"", b"   ", b"{", b"[]", b"null", b"name=a", b"\xff\xfe", b'"{}"', b"{}{}"])
async def test_a_body_that_is_no_object_stops_nothing(
    client: httpx.AsyncClient, world: StreamWorld, body: bytes
) -> None:
    answer = await client.post(TERMINATE, content=body)
    assert answer.status_code == 400
    assert answer.json().keys() == error_body(400, "", "").keys()
    assert world.reasons == []


@pytest.mark.parametrize("query", ["dry_run=yes", "dry_run", "dryrun=true", "dry_run=true&dry_run=false", "name=a"])
async def test_a_query_string_with_a_mistake_stops_nothing(
    client: httpx.AsyncClient, world: StreamWorld, query: str
) -> None:
    answer = await client.post(f"{TERMINATE}?{query}", json={"name": "a"})
    assert answer.status_code == 400
    assert world.reasons == []


async def test_a_content_type_of_any_kind_is_taken(client: httpx.AsyncClient, world: StreamWorld) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await client.post(TERMINATE, content='{"name":"a"}', headers=headers)).status_code == 200


async def test_a_dry_run_shows_the_matches_and_stops_nothing(client: httpx.AsyncClient, world: StreamWorld) -> None:
    answer = await client.post(f"{TERMINATE}?dry_run=true", json={"name": "a"})
    assert answer.status_code == 200
    assert [(each["mediaSessionId"], each["cascade"]) for each in answer.json()] == [
        ("pub-a", 2),
        ("play-a1", 0),
        ("play-a2", 0),
    ]
    assert answer.json()[0]["mediaType"] == "publish"
    assert answer.headers["x-terminated-count"] == "3"
    assert world.reasons == []


async def test_a_dry_run_without_a_match_is_404(client: httpx.AsyncClient) -> None:
    assert (await client.post(f"{TERMINATE}?dry_run=true", json={"name": "nobody"})).status_code == 404


async def test_the_empty_filter_is_logged_as_a_warning(
    client: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    await client.post(TERMINATE, json={})
    assert [record.levelno for record in caplog.records if "ALL streams" in record.getMessage()] == [logging.WARNING]


async def test_the_empty_filter_can_be_forbidden(world: StreamWorld) -> None:
    async with client_of(world, settings_with(rest_terminate_all="deny")) as client:
        answer = await client.post(TERMINATE, json={})
        assert answer.status_code == 400
        assert answer.json()["setting"] == "rest.terminate_all"
        assert world.reasons == []
        assert (await client.post(TERMINATE, json={"name": "a"})).status_code == 200


async def test_a_stream_that_will_not_end_is_200_in_time_and_a_warning(
    world: StreamWorld, caplog: pytest.LogCaptureFixture, autojump_clock: trio.testing.MockClock
) -> None:
    world.stuck = True
    async with client_of(world, settings_with(rest_terminate_timeout=2.0)) as client:
        start = trio.current_time()
        answer = await client.post(TERMINATE, json={"name": "a"})
    assert answer.status_code == 200
    assert trio.current_time() - start == pytest.approx(2.0)
    late = [record for record in caplog.records if "not ended in time" in record.getMessage()]
    assert [record.levelno for record in late] == [logging.WARNING]


# -- find --------------------------------------------------------------------------------------------------------------


def ids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200
    return [each["mediaSessionId"] for each in answer.json()]


async def test_find_all_by_get_and_post(client: httpx.AsyncClient, world: StreamWorld) -> None:
    everything = [each.media_session_id for each in world.streams]
    assert ids(await client.get("/rest-api/stream/find_all")) == everything
    assert ids(await client.post("/rest-api/stream/find_all")) == everything
    assert ids(await client.post("/rest-api/stream/find_all", json={})) == everything
    assert ids(await client.post("/rest-api/stream/find_all", json={"name": "b"})) == ["pub-b", "play-b1"]
    assert ids(await client.get("/rest-api/stream/find_all?name=b&limit=1")) == ["pub-b"]
    with_body = client.build_request("GET", "/rest-api/stream/find_all", json={"name": "b", "limit": 1.0})
    assert ids(await client.send(with_body)) == ["pub-b"]


async def test_find_by_post_and_get(client: httpx.AsyncClient) -> None:
    assert ids(await client.post("/rest-api/stream/find", json={"name": "b"})) == ["pub-b", "play-b1"]
    assert ids(await client.get("/rest-api/stream/find?name=b&published=false")) == ["play-b1"]
    assert len(ids(await client.post("/rest-api/stream/find"))) == 6


async def test_a_page_of_what_is_found(client: httpx.AsyncClient) -> None:
    answer = await client.post("/rest-api/stream/find_all", json={"offset": 1, "limit": 2})
    assert ids(answer) == ["play-a1", "play-a2"]
    assert answer.headers["x-total-count"] == "6"
    assert ids(await client.post("/rest-api/stream/find", json={"offset": 99})) == []


@pytest.mark.parametrize("path", ["find", "find_all"])
async def test_nothing_found_is_404(path: str) -> None:
    async with client_of(StreamWorld()) as client:
        answer = await client.post(f"/rest-api/stream/{path}")
    assert answer.status_code == 404
    assert answer.json()["reason"] == "no stream matches"


async def test_metrics_on_request() -> None:
    world = StreamWorld([stream("m", traffic=StreamTraffic(bitrate_kbps=700, lost=1), video_codec="VP8")])
    async with client_of(world) as client:
        with_metrics = await client.post("/rest-api/stream/find", json={"display": ["metrics"]})
        without = await client.post("/rest-api/stream/find", json={})
    assert with_metrics.json()[0]["metrics"]["VIDEO_RATE"] == 700_000
    assert "metrics" not in without.json()[0]


async def test_find_refuses_what_it_does_not_know(client: httpx.AsyncClient) -> None:
    for answer in (
        await client.post("/rest-api/stream/find", json={"nam": "a"}),
        await client.get("/rest-api/stream/find?nam=a"),
        await client.get("/rest-api/stream/find?name=a&name=b"),
        await client.post("/rest-api/stream/find_all", json={"nam": "a"}),
        await client.get("/rest-api/stream/find?" + "&".join(f"{number:x}=" for number in range(2000))),
    ):
        assert answer.status_code == 400


async def test_a_name_with_half_a_surrogate_pair_can_be_shown_and_stopped() -> None:
    world = StreamWorld([stream("m", "bad \ud800 name")])
    async with client_of(world) as client:
        shown = await client.get("/rest-api/stream/find_all")
        assert json.loads(shown.content)[0]["name"] == "bad \ud800 name"
        assert (await client.post(TERMINATE, content=rb'{"name": "bad \ud800 name"}')).status_code == 200
        assert (await client.post(TERMINATE, content=rb'{"\ud800": 1}')).status_code == 400


async def test_a_long_list_leaves_others_their_turn(nursery: trio.Nursery) -> None:
    world = StreamWorld([stream(f"m{n}", sdp="x" * 1000) for n in range(500)])
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            await trio.lowlevel.checkpoint()
            turns += 1

    nursery.start_soon(count_turns)
    async with client_of(world) as client:
        answer = await client.get("/rest-api/stream/find_all")
    assert len(ids(answer)) == 500
    assert turns >= 20
