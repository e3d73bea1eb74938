"""Guard, limits, errors and the small resources of the web application, in process."""

import logging
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from actors.web.guard import machine_names
from protocol.node.descriptions import StreamDescription
from protocol.node.filters import StreamFilter
from protocol.rest.errors import error_body
from protocol.rest.paging import Found, Page
from tests.support.web.stream_world import StreamWorld, connection, stream
from tests.support.web.web_rig import OWN, app_of, client_of, settings_with

FIND = "/rest-api/stream/find_all"
TERMINATE = "/rest-api/stream/terminate"
EVIL = "http://evil.example"


@pytest.fixture
def world() -> StreamWorld:
    return StreamWorld([stream("m", "room")], [connection("s")])


# -- who may come in --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", [None, OWN])
async def test_a_backend_and_the_own_page_come_in(world: StreamWorld, origin: str | None) -> None:
    async with client_of(world) as client:
        answer = await client.post(TERMINATE, json={"name": "room"}, headers={"Origin": origin} if origin else {})
    assert answer.status_code == 200


@pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS"])
@pytest.mark.parametrize("origin", [EVIL, "null", "*", "http://127.0.0.1:8080"])
async def test_a_foreign_page_is_refused_by_every_method(world: StreamWorld, method: str, origin: str) -> None:
    async with client_of(world) as client:
        answer = await client.request(method, TERMINATE, content=b"{}", headers={"Origin": origin})
    assert answer.status_code == 403
    assert answer.json()["setting"] == "rest_access_control_allow_origin"
    assert "access-control-allow-origin" not in answer.headers
    assert world.reasons == []


async def test_an_origin_that_is_named_comes_in_and_is_told_so(world: StreamWorld) -> None:
    settings = settings_with(rest_access_control_allow_origin=("*", EVIL))
    async with client_of(world, settings) as client:
        answer = await client.post(TERMINATE, json={"name": "room"}, headers={"Origin": EVIL})
    assert answer.status_code == 200
    assert answer.headers["access-control-allow-origin"] == EVIL
    assert answer.headers["vary"] == "Origin"
    assert "X-Terminated-Count" in answer.headers["access-control-expose-headers"]


async def test_the_preflight_of_a_named_origin_is_answered_by_the_settings(world: StreamWorld) -> None:
    settings = settings_with(
        rest_access_control_allow_origin=(EVIL,),
        rest_access_control_allow_methods=("POST", "GET"),
        rest_access_control_headers=(("Access-Control-Allow-Credentials", "true"), ("X-Own", "1")),
    )
    headers = {"Origin": EVIL, "Access-Control-Request-Method": "POST"}
    async with client_of(world, settings) as client:
        answer = await client.options(TERMINATE, headers=headers)
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["access-control-allow-origin"] == EVIL
    assert answer.headers["access-control-allow-methods"] == "POST,GET"
    assert answer.headers["access-control-allow-headers"] == "content-type,x-requested-with"
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert answer.headers["x-own"] == "1"


async def test_an_error_carries_the_cors_headers_too(world: StreamWorld) -> None:
    async with client_of(world) as client:
        answer = await client.post(TERMINATE, json={"name": "nobody"})
    assert answer.headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("path", [FIND, "/", "/?action=stat", "/page/state", "/apps/EchoApp/connect"])
async def test_a_foreign_host_name_is_refused_everywhere(world: StreamWorld, path: str) -> None:
    async with client_of(world, base_url=EVIL) as client:
        answer = await client.get(path)
    assert answer.status_code == 403
    assert answer.json()["setting"] == "rest.allowed_hosts"


@pytest.mark.parametrize("host", ["localhost:8081", "[::1]:8081", "192.0.2.7", "media-1:8081", "allowed.example"])
async def test_own_names_come_in(world: StreamWorld, host: str) -> None:
    settings = settings_with(rest_allowed_hosts=("Allowed.example",))
    async with client_of(world, settings, base_url=f"http://{host}") as client:
        assert (await client.get(FIND)).status_code == 200


async def test_opening_the_api_to_the_network_drops_the_host_rule_but_not_the_origin_rule(world: StreamWorld) -> None:
    settings = settings_with(rest_allow_unauthenticated_remote=True)
    async with client_of(world, settings, base_url="http://any.example") as client:
        assert (await client.get(FIND)).status_code == 200
        assert (await client.get(FIND, headers={"Origin": EVIL})).status_code == 403


@pytest.mark.parametrize("second", [OWN, EVIL])
async def test_a_second_origin_is_refused(world: StreamWorld, second: str) -> None:
    async with client_of(world) as client:
        answer = await client.post(TERMINATE, json={}, headers=[("Origin", OWN), ("Origin", second)])
    assert answer.status_code == 400
    assert world.reasons == []


@pytest.mark.parametrize("path", [FIND, TERMINATE, "/nothing", "/page/state", "/healthz", "/readyz", "/?action=stat"])
async def test_no_answer_is_stored_guessed_at_or_read_by_another_page(world: StreamWorld, path: str) -> None:
    async with client_of(world) as client:
        answer = await client.get(path)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize(
    ("method", "path", "body", "event", "status"),
    [
        ("POST", TERMINATE, b'{"nam":"room"}', "request not understood", 400),
        ("POST", TERMINATE, b"{", "request not understood", 400),
        ("POST", "/rest-api/stream/terminat", b"{}", "request of an unknown path", 404),
        ("GET", TERMINATE, b"", "request of an unknown path", 405),
        ("POST", "/rest-api/mixer/startup", b"{}", "request of an unknown path", 501),
        ("POST", TERMINATE, b'{"name":"nobody"}', None, 404),
    ],
)
async def test_each_kind_of_refusal_leaves_one_line_a_second(
    mock_clock: trio.testing.MockClock,
    world: StreamWorld,
    caplog: pytest.LogCaptureFixture,
    method: str,
    path: str,
    body: bytes,
    event: str | None,
    status: int,
) -> None:
    async with client_of(world) as client:
        for _ in range(20):
            answer = await client.request(method, path, content=body)
            assert answer.status_code == status
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert [record.getMessage() for record in warnings] == ([event] if event else [])
    if event:
        facts = vars(warnings[0])["wcsd_fields"]
        assert facts | {"path": path, "status": status, "method": method, "client": "127.0.0.1"} == facts
        assert facts["reason"] == answer.json()["reason"]


async def test_a_refusal_is_logged(world: StreamWorld, caplog: pytest.LogCaptureFixture) -> None:
    async with client_of(world) as client:
        await client.get(FIND, headers={"Origin": EVIL})
    assert [record.levelno for record in caplog.records if "refused" in record.getMessage()] == [logging.WARNING]


def test_the_machine_has_a_name() -> None:
    assert all(name and name == name.strip() for name in machine_names())


# -- how much ---------------------------------------------------------------------------------------------------------


async def test_a_body_of_the_largest_size_is_read_and_a_larger_one_is_413(world: StreamWorld) -> None:
    settings = settings_with(rest_max_body_size=2000)
    async with client_of(world, settings) as client:
        fits = await client.post("/apps/EchoApp/x", content=b'"' + b"a" * 1998 + b'"')
        declared = await client.post("/apps/EchoApp/x", content=b'"' + b"a" * 1999 + b'"')
        chunked = await client.send(post("/apps/EchoApp/x", Pieces(b"a" * 500, 5)))
    assert fits.status_code == 200
    assert len(fits.content) == 2000
    for answer in (declared, chunked):
        assert answer.status_code == 413
        assert answer.json()["setting"] == "rest.max_body_size"
        assert answer.headers["connection"] == "close"


class Pieces(httpx.AsyncByteStream):
    """A body in pieces, with a pause before each. No generator: the application may leave it unread."""

    def __init__(self, piece: bytes, count: int, *, pause: float = 0) -> None:
        self._piece = piece
        self._left = count
        self._pause = pause

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._left == 0:
            raise StopAsyncIteration
        self._left -= 1
        await trio.sleep(self._pause)
        return self._piece


def post(path: str, body: Pieces) -> httpx.Request:
    return httpx.Request("POST", OWN + path, headers={"Host": "localhost"}, stream=body)


async def test_a_slow_body_is_408_however_steadily_it_drips(
    world: StreamWorld, autojump_clock: trio.testing.MockClock
) -> None:
    async with client_of(world, settings_with(rest_body_timeout=10.0)) as client:
        start = trio.current_time()
        answer = await client.send(post(TERMINATE, Pieces(b" ", 100, pause=1)))
    assert answer.status_code == 408
    assert answer.json()["setting"] == "rest.body_timeout"
    assert trio.current_time() - start == pytest.approx(10.0)
    assert world.reasons == []


# -- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/rest-api", "/rest-api/", "/rest-api/stream", "/rest-api/stream/terminat", "/rest-api/stream/find_all/x",
     "/nothing", "/page", "/index.html/x", "/../etc/passwd", "/apps/EchoApp", "/apps/EchoApp/a/b"],
)  # fmt: skip
async def test_an_unknown_path_is_404_in_json(world: StreamWorld, path: str) -> None:
    async with client_of(world) as client:
        answer = await client.post(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert answer.json().keys() == error_body(404, "", "").keys()


@pytest.mark.parametrize(
    "path",
    [
        *("call/transfer", "pull/pull", "mixer/add", "api/call", "vod/startup", "stream/inject/startup"),
        *("v3/streams", "transcoder/startup", "openapi_spec.json"),
    ],
)
async def test_a_method_of_wcs_that_is_missing_is_501(world: StreamWorld, path: str) -> None:
    async with client_of(world) as client:
        answer = await client.post(f"/rest-api/{path}", json={})
    assert answer.status_code == 501
    assert answer.json()["exception"] == "NotImplemented"
    assert answer.json()["reason"].startswith("this server does not have this method of WCS; ")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("GET", TERMINATE, {"POST"}),
        ("PUT", FIND, {"GET", "HEAD", "POST"}),
        ("POST", "/healthz", {"GET", "HEAD"}),
        ("POST", "/", {"GET", "HEAD"}),
    ],
)
async def test_a_wrong_method_is_405_and_names_the_right_ones(
    world: StreamWorld, method: str, path: str, allow: set[str]
) -> None:
    async with client_of(world) as client:
        answer = await client.request(method, path)
    assert answer.status_code == 405
    assert answer.json()["exception"] == "MethodNotAllowed"
    assert set(answer.headers["allow"].split(", ")) == allow


class BrokenWorld(StreamWorld):
    """A world with a fault in it."""

    async def find(self, query: StreamFilter, page: Page, *, traffic: bool) -> Found[StreamDescription]:
        raise ZeroDivisionError("secret detail")


async def test_a_fault_of_ours_is_a_500_that_tells_nothing() -> None:
    async with client_of(BrokenWorld(), crashes=False) as client:
        answer = await client.get(FIND)
    assert answer.status_code == 500
    assert answer.json()["exception"] == "InternalServerError"
    assert "secret" not in answer.text


async def sent_by_app(world: StreamWorld, scope: dict[str, Any]) -> list[object]:
    sent: list[object] = []

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: object) -> None:
        sent.append(message)

    await app_of(world)(scope, receive, send)
    return sent


async def test_a_websocket_is_refused(world: StreamWorld) -> None:
    scope: dict[str, Any] = {
        "type": "websocket",
        "path": FIND,
        "headers": [],
        "scheme": "ws",
        "query_string": b"",
        "root_path": "",
    }
    assert await sent_by_app(world, scope) == [{"type": "websocket.close", "code": 1000, "reason": ""}]


async def test_what_is_neither_http_nor_a_websocket_gets_no_further(world: StreamWorld) -> None:
    with pytest.raises(ValueError, match="serves http, not webtransport"):
        await sent_by_app(world, {"type": "webtransport", "path": FIND, "headers": []})


async def test_an_upgrade_to_a_websocket_is_told_where_they_are(world: StreamWorld) -> None:
    async with client_of(world) as client:
        answer = await client.get("/", headers={"Connection": "Upgrade", "Upgrade": "WebSocket"})
    assert answer.status_code == 403
    assert answer.json()["setting"] == "ws.port"
