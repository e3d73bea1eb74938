"""The connection group of the REST API, in process."""

import pytest

from actors.runtime.logs import clear_session_level, get_logger
from tests.support.web.stream_world import StreamWorld, connection
from tests.support.web.web_rig import client_of

TERMINATE = "/rest-api/connection/terminate"


@pytest.fixture
def world() -> StreamWorld:
    return StreamWorld(
        connections=[
            connection("s1", client_version="2.0"),
            connection("s2", app_key="otherApp", origin="https://page.example", streams=2),
        ]
    )


async def test_connections_are_found(world: StreamWorld) -> None:
    async with client_of(world) as client:
        everything = await client.get("/rest-api/connection/find_all")
        one = await client.post("/rest-api/connection/find", json={"appKey": "otherApp"})
        same = await client.get("/rest-api/connection/find?appKey=otherApp")
        page = await client.post("/rest-api/connection/find_all", json={"offset": 1})
    assert [each["sessionId"] for each in everything.json()] == ["s1", "s2"]
    assert one.json() == same.json() == page.json()
    assert one.json()[0]["origin"] == "https://page.example"
    assert one.json()[0]["streams"] == 2
    assert page.headers["x-total-count"] == "2"


@pytest.mark.parametrize("path", ["find", "find_all"])
async def test_no_connection_is_404(path: str) -> None:
    async with client_of(StreamWorld()) as client:
        assert (await client.post(f"/rest-api/connection/{path}")).status_code == 404


async def test_terminate_disconnects_who_is_named(world: StreamWorld) -> None:
    async with client_of(world) as client:
        answer = await client.post(TERMINATE, json={"sessionId": "s1"})
        again = await client.post(TERMINATE, json={"sessionId": "s1"})
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-terminated-count"] == "1"
    assert again.status_code == 404
    assert [each.session_id for each in world.connections] == ["s2"]
    assert world.reasons[0].cause == "rest-connection-terminate"


@pytest.mark.parametrize("body", [b"", b"{}", b'{"sessionid": "s1"}', b'{"sessionId": null}', b'{"name": "a"}'])
async def test_terminate_refuses_what_it_does_not_understand(world: StreamWorld, body: bytes) -> None:
    async with client_of(world) as client:
        answer = await client.post(TERMINATE, content=body)
    assert answer.status_code == 400
    assert world.reasons == []


async def test_terminate_has_no_dry_run(world: StreamWorld) -> None:
    async with client_of(world) as client:
        answer = await client.post(f"{TERMINATE}?dry_run=true", json={"sessionId": "s1"})
    assert answer.status_code == 400
    assert world.reasons == []


LEVEL = "/rest-api/connection/set_log_level"


async def test_the_lines_about_a_session_have_a_level_of_their_own(
    world: StreamWorld, caplog: pytest.LogCaptureFixture
) -> None:
    log = get_logger("session")
    async with client_of(world) as client:
        try:
            answer = await client.post(LEVEL, json={"sessionId": "s1", "logLevel": "ERROR"})
            log.warning("about s1", session="s1")
            log.warning("about s2", session="s2")
        finally:
            clear_session_level("s1")
        unknown = await client.post(LEVEL, json={"sessionId": "s3", "logLevel": "debug"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert unknown.status_code == 404
    assert [message for message in caplog.messages if message.startswith("about")] == ["about s2"]


@pytest.mark.parametrize("level", ["", "loud", None, 10, ["debug"]])
async def test_a_level_that_is_none_is_refused(world: StreamWorld, level: object) -> None:
    async with client_of(world) as client:
        answer = await client.post(LEVEL, json={"sessionId": "s1", "logLevel": level})
        without = await client.post(LEVEL, json={"logLevel": "debug"})
    assert (answer.status_code, answer.json()["key"]) == (400, "logLevel")
    assert (without.status_code, without.json()["key"]) == (400, "sessionId")
