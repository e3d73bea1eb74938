"""What the console is shown: sorted pages, one stream, hook calls, applications and settings; and to whom."""

from pathlib import Path
from typing import Any

import httpx
import pytest
from attrs import evolve

from actors.events.event_log import EventLog
from actors.hooks.recent_calls import MAX_FAILED, MAX_LATEST
from actors.web.api.console.tables import MAX_ROWS, ROWS
from actors.web.api.server.looks import SHOWN_CALLS
from actors.web.api.server.monitoring import Monitoring
from config.apps import ALL_METHODS, App
from config.loading import load_settings
from config.settings import TABLE
from protocol.access.roles import Role
from protocol.cluster.members import MemberInfo
from protocol.hooks import HookMethod
from protocol.node.descriptions import StreamTraffic
from protocol.node.server_events import EventType
from tests.support.hooks.hook_rig import APP, failing, hook_rig, status
from tests.support.web.access import access_of, bearer, token
from tests.support.web.stream_world import StreamWorld, connection, stream
from tests.support.web.web_rig import client_of

BOUND = {"Authorization": bearer("shop")}
FREE = {"Authorization": bearer("viewer")}


@pytest.fixture
def world() -> StreamWorld:
    """100 publications: the older, the more viewers; each third one of another application."""
    return StreamWorld(
        [
            stream(
                f"m{number}",
                f"Name {number:03}",
                app_key="shop" if number % 3 else "other",
                viewers=number,
                bitrate=500,  # which is only what the page wanted
                traffic=StreamTraffic(bitrate_kbps=1000 - number, packets=90, lost=10, round_trip_ms=25),
                create_date=1_000_000 - number,
            )
            for number in range(100)
        ],
        [connection("b", streams=1), connection("a", streams=2)],
    )


async def shown(client: httpx.AsyncClient, path: str, **query: Any) -> Any:
    answer = await client.get(f"/page/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_page_has_sixty_rows_in_the_order_asked_for(world: StreamWorld) -> None:
    async with client_of(world) as client:
        first = await shown(client, "state", tab="streams", sort="-viewers")
        second = await shown(client, "state", tab="streams", sort="-viewers", offset=ROWS)
        by_name = await shown(client, "state", tab="streams", sort="name", find="name 09")
        youngest = await shown(client, "state", tab="streams", sort="age", limit=2)
        slowest = await shown(client, "state", tab="streams", sort="bitrate", limit=2)
        sessions = await shown(client, "state", tab="sessions", sort="session")
    assert [row["name"] for row in slowest["streams"]] == ["Name 099", "Name 098"]
    assert [row["viewers"] for row in first["streams"] + second["streams"]] == list(range(99, -1, -1))
    assert len(first["streams"]) == ROWS
    assert first["streams"][0] | {"bitrate": 901, "lost": 10, "packets": 90, "rtt": 25} == first["streams"][0]
    assert [row["name"] for row in by_name["streams"]] == [f"Name {number:03}" for number in range(90, 100)]
    assert by_name["matching"]["streams"] == 10
    assert by_name["totals"] == {"streams": 100, "sessions": 2, "rooms": 0}
    assert [row["name"] for row in youngest["streams"]] == ["Name 000", "Name 001"]
    assert "sessions" not in first
    assert [row["sessionId"] for row in sessions["sessions"]] == ["a", "b"]


async def test_streams_are_sorted_by_the_share_that_they_lose() -> None:
    counts = {"busy": (1_000_000, 100), "worst": (10, 10), "clean": (500, 0), "new": (0, 0), "bad": (100, 50)}
    world = StreamWorld(
        [stream(name, name, traffic=StreamTraffic(packets=sent, lost=lost)) for name, (sent, lost) in counts.items()]
    )
    async with client_of(world) as client:
        worst = await shown(client, "state", tab="streams", sort="-loss")
        best = await shown(client, "state", tab="streams", sort="loss")
    assert [row["name"] for row in worst["streams"]] == ["worst", "bad", "busy", "clean", "new"]
    assert [row["name"] for row in best["streams"]] == ["clean", "new", "busy", "bad", "worst"]


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("tab=streams&sort=colour", "known here: name, direction"),
        ("sort=name", "none without `tab`"),
        ("tab=hooks", "tab must be streams or sessions or rooms"),
        ("tab=rooms&sort=-bitrate", "known here: name, members"),
    ],
)
async def test_an_order_that_there_is_not_is_refused(world: StreamWorld, query: str, told: str) -> None:
    async with client_of(world) as client:
        answer = await client.get(f"/page/state?{query}")
    assert answer.status_code == 400
    assert told in answer.json()["reason"]


async def test_nobody_gets_more_rows_than_is_good_for_the_server() -> None:
    world = StreamWorld([stream(f"m{number}") for number in range(MAX_ROWS + 1)])
    async with client_of(world) as client:
        assert len((await shown(client, "state", limit=10_000))["streams"]) == MAX_ROWS


# -- one stream --------------------------------------------------------------------------------------------------------


async def test_a_stream_is_shown_with_its_statuses_and_players() -> None:
    events = EventLog(wall_clock=lambda: 0)
    for number, (kind, state) in enumerate(
        [(EventType.STREAM_STATUS, "PENDING"), (EventType.STREAM_STATUS, "PUBLISHING"), (EventType.STREAM_ENDED, "x")]
    ):
        events.emit(kind, app="defaultApp", name="m1", mediaSessionId="m1" if number < 2 else "gone", status=state)
    world = StreamWorld(
        [
            stream("m1", "news", session_id="/192.0.2.7:5000/10.0.0.1:8080-a"),
            stream("m2", "news", published=False),
            stream("m3", "other", published=False),
        ]
    )
    async with client_of(world, monitoring=Monitoring(events=events)) as client:
        found = await shown(client, "stream", id="m1")
        ended = await shown(client, "stream", id="gone")
        missing = await client.get("/page/stream?id=m4")
    assert found["stream"] | {"name": "news", "client": "192.0.2.7:5000"} == found["stream"]
    assert [each["status"] for each in found["statuses"]] == ["PENDING", "PUBLISHING"]
    assert found["statuses"][0]["time"] == "1970-01-01T00:00:00.000Z"
    assert [each["mediaSessionId"] for each in found["players"]] == ["m2"]
    assert ended["stream"] is None
    assert len(ended["statuses"]) == 1
    assert missing.status_code == 404


# -- nodes of a cluster ------------------------------------------------------------------------------------------------


async def test_nodes_are_shown_with_their_load_and_who_drains(tmp_path: Path) -> None:
    nodes = (
        MemberInfo(node_id="a@192.0.2.1", state="serving", publications=3, viewers=40, relays=2, sessions=9, load=0.5),
        MemberInfo(node_id="b@192.0.2.2", state="draining"),
    )
    monitoring = Monitoring(nodes=lambda: nodes)
    access = access_of(tmp_path / "users.toml", token("all", Role.VIEW), token("one", apps=frozenset({"shop"})))
    async with client_of(StreamWorld(), monitoring=monitoring, access=access) as client:
        client.headers["Authorization"] = bearer("all")
        first, second = (await shown(client, "overview"))["nodes"]
        client.headers["Authorization"] = bearer("one")
        assert (await shown(client, "overview"))["nodes"] == [], "of a login that is bound to applications"
    assert first | {"state": "serving", "publications": 3, "viewers": 40, "relays": 2, "load": 50} == first
    assert (second["node"], second["state"]) == ("b@192.0.2.2", "draining")
    async with client_of(StreamWorld()) as client:
        assert (await shown(client, "overview"))["nodes"] == [], "without a cluster"


# -- hook calls --------------------------------------------------------------------------------------------------------


async def test_hook_calls_are_shown_without_what_they_say() -> None:
    async with hook_rig() as rig:
        lane = rig.lane()
        secret = {"mediaSessionId": "m1", "name": "news", "custom": {"token": "s3cret"}}
        await lane.authorize(HookMethod.PUBLISH_STREAM, dict(secret))
        rig.backend.script("*", status(403))
        await lane.authorize(HookMethod.PUBLISH_STREAM, dict(secret))
        rig.backend.script("*", failing(httpx.ConnectError("connection refused")))
        await lane.authorize(HookMethod.PLAY_STREAM, dict(secret))
        monitoring = Monitoring(calls=rig.dispatcher.sender.recent)
        async with client_of(StreamWorld([stream("m1")]), monitoring=monitoring) as client:
            answer = await client.get("/page/hooks")
            of_stream = await shown(client, "stream", id="m1")
        calls = answer.json()
        assert [(call["method"], call["outcome"], call["status"]) for call in calls["latest"]] == [
            ("playStream", "unreachable", None),
            ("publishStream", "refused", 403),
            ("publishStream", "ok", 200),
        ]
        assert [call["cause"] for call in calls["failed"]] == ["connection refused"]
        assert calls["latest"][0] | {"appKey": APP.key, "name": "news", "mediaSessionId": "m1"} == calls["latest"][0]
        assert of_stream["calls"] == calls["latest"]
        assert "s3cret" not in answer.text


async def test_few_calls_are_kept_and_failures_longest() -> None:
    async with hook_rig(rest_breaker=False) as rig:
        lane = rig.lane()
        rig.backend.script("*", status(500))
        for _ in range(MAX_FAILED + 1):
            await lane.authorize(HookMethod.PUBLISH_STREAM, {})
        rig.backend.script("*", status(200, {}))
        for _ in range(MAX_LATEST):
            await lane.authorize(HookMethod.PUBLISH_STREAM, {})
        recent = rig.dispatcher.sender.recent
        assert len(list(recent.latest())) == MAX_LATEST
        assert len(list(recent.failed())) == MAX_FAILED
        async with client_of(StreamWorld(), monitoring=Monitoring(calls=recent)) as client:
            calls = await shown(client, "hooks")
        assert (len(calls["latest"]), len(calls["failed"])) == (SHOWN_CALLS, MAX_FAILED)
        assert {call["outcome"] for call in calls["latest"]} == {"ok"}


# -- applications, settings, and who may see what ----------------------------------------------------------------------


async def test_applications_are_shown_without_their_secrets() -> None:
    app = evolve(APP, rest_username="wcs", rest_password="s3cret", webhook_secret="whsec_" + "A" * 44)
    async with client_of(StreamWorld(), monitoring=Monitoring(apps=lambda: (app,))) as client:
        answer = await client.get("/page/apps")
    (found,) = answer.json()["apps"]
    assert answer.json()["methods"] == list(ALL_METHODS)
    assert found | {"name": "test", "key": "testApp", "hasCredentials": True, "isSigned": True} == found
    assert "s3cret" not in answer.text
    assert "whsec" not in answer.text


async def test_settings_are_shown_with_their_origin_and_secrets_masked() -> None:
    loaded = load_settings("http.port=9000\nrest_hook_secret_key=s3cret", file_name="wcs.properties")
    async with client_of(StreamWorld(), monitoring=Monitoring(settings=lambda: loaded.given)) as client:
        answer = await client.get("/page/settings")
    rows = {row["key"]: row for row in answer.json()["settings"]}
    assert list(rows) == list(TABLE)
    port = {"value": "9000", "default": "8081", "origin": "wcs.properties:1", "live": False}
    assert rows["http.port"] | port == rows["http.port"]
    assert "s3cret" not in answer.text


async def test_who_is_bound_to_an_application_is_shown_only_that(world: StreamWorld, tmp_path: Path) -> None:
    accounts = (
        token("shop", Role.VIEW, apps=frozenset({"shop"})),
        token("viewer", Role.VIEW),
        token("m", Role.METRICS),
    )
    events = EventLog()
    events.emit(EventType.STREAM_STATUS, app="other", mediaSessionId="m0", status="PUBLISHING")
    apps = tuple(App(name=key, key=key, url="http://127.0.0.1/x") for key in ("shop", "other"))
    monitoring = Monitoring(events=events, apps=lambda: apps)
    access = access_of(tmp_path / "users.toml", *accounts, token("metrics", Role.METRICS))
    async with client_of(world, access=access, monitoring=monitoring) as client:

        async def ask(path: str, headers: dict[str, str]) -> httpx.Response:
            return await client.get(f"/page/{path}", headers=headers)

        everything = (await ask("state?tab=streams&sort=name", FREE)).json()
        own = (await ask("state?tab=streams&sort=name", BOUND)).json()
        assert (everything["matching"]["streams"], own["matching"]["streams"]) == (100, 66)
        assert {row["appKey"] for row in own["streams"]} == {"shop"}
        assert [app["key"] for app in (await ask("apps", BOUND)).json()["apps"]] == ["shop"]
        assert (await ask("stream?id=m0", FREE)).status_code == 200
        assert (await ask("stream?id=m0", BOUND)).status_code == 404
        assert (await ask("settings", FREE)).status_code == 200
        assert (await ask("settings", BOUND)).status_code == 403
        for path in ("state", "overview", "hooks", "apps", "settings", "stream?id=m1"):
            assert (await ask(path, {"Authorization": bearer("metrics")})).status_code == 403
            assert (await ask(path, {})).status_code == 401
