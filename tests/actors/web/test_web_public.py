"""What the public listeners serve: an allow-list, and nothing of REST."""

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from attrs import frozen

from actors.node.ports.whip import WhipAnswer, WhipRequest
from actors.web.api.routes import ApiRoute
from actors.web.api.streams.whip import WhipResource
from actors.web.public_app import create_public_app, public_routes
from actors.web.refusals import Refusals
from config.settings import RecordsAccess, Settings
from protocol.rest.operations import ANYONE
from tests.support.web.stream_world import StreamWorld
from tests.support.web.web_rig import PAGE, client_of, routes_of, settings_with

ALLOWED = {
    "/whip/{name:str}",
    "/whip/{name:str}/{id:str}",
    "/whep/{name:str}",
    "/whep/{name:str}/{id:str}",
    "/rest-api/stream/publish/{name:str}",
    "/rest-api/stream/publish/{name:str}/{id:str}",
    "/embed_player",
    "/embed_player/player.css",
    "/embed_player/player.js",
    "/embed_player/wcs.js",
    "/client/records/{name:str}",
}
METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
SDP = {"Content-Type": "application/sdp"}


class OpenPort:
    """Every offer is taken."""

    async def open(self, request: WhipRequest) -> WhipAnswer:
        return WhipAnswer(sdp="v=0", location=f"{request.path}/id")

    async def close(self, location: str, token: str | None) -> None:
        """It has ended."""


@frozen
class Files:
    """Recordings that are all finished."""

    folder: Path

    def paths(self, name: str) -> list[Path]:
        assert threading.current_thread() is not threading.main_thread()  # the disk may stand still
        return [self.folder / name]

    async def until_finished(self, name: str) -> None:
        """There is nothing to wait for."""


def client(settings: Settings | None = None, records: Path = Path("/nonexistent")) -> httpx.AsyncClient:
    """A client from anywhere, under any host name."""
    app = create_public_app(settings or Settings(), whip=OpenPort(), records=Files(records), page_info=PAGE)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://pages.example")


def served() -> tuple[ApiRoute, ...]:
    return tuple(public_routes(Settings(), OpenPort(), Files(Path()), PAGE, Refusals()))


def rest_routes() -> Iterator[ApiRoute]:
    """Every route of the REST listeners."""
    yield from routes_of(StreamWorld())
    yield from WhipResource(OpenPort(), Settings(), Refusals()).routes()


def test_the_table_is_what_is_allowed() -> None:
    assert {route.path for route in served()} == ALLOWED
    assert all(route.role is ANYONE for route in served())


async def test_every_other_route_is_unknown_whatever_it_is_asked_by() -> None:
    others = {route.path for route in rest_routes()} - {route.path for route in served()}
    assert len(others) > 40
    more = ("/?action=stat", "/rest-api/pull/rtmp/pull", "/rest-api", "/apps", "/nothing", "/whip", "/whip//")
    async with client() as pages:
        for path in (*(re.sub(r"\{.*?\}", "x", path) for path in others), *more):
            for method in METHODS:
                answer = await pages.request(method, path, headers={"Authorization": "Bearer secret"})
                assert answer.status_code == 404, (method, path)


async def test_a_page_of_any_origin_publishes() -> None:
    async with client() as pages:
        origin = {"Origin": "https://other.example"}
        preflight = await pages.options("/whip/a", headers=origin | {"Access-Control-Request-Method": "POST"})
        assert preflight.status_code == 204
        assert "Authorization" in preflight.headers["access-control-allow-headers"]
        for path in ("/whip/a", "/whep/a", "/rest-api/stream/publish/a", "/whip/a/", "/whip//a"):
            answer = await pages.post(path, content="v=0", headers=origin | SDP)
            assert answer.status_code == 201, path
            assert answer.headers["access-control-allow-origin"] == "*"
            assert "Location" in answer.headers["access-control-expose-headers"]
            assert "x-frame-options" not in answer.headers
            assert "content-security-policy" not in answer.headers
        assert (await pages.delete("/whip/a/id", headers=origin)).status_code == 200
        assert (await pages.patch("/whip/a/id", headers=origin)).status_code == 405


async def test_origins_are_those_that_may_connect() -> None:
    async with client(settings_with(ws_allowed_origins=("https://ours.example",))) as pages:
        for origin, status in (
            ("https://ours.example", 201),
            ("https://ours.example:443", 201),
            ("https://other.example", 403),
        ):
            answer = await pages.post("/whip/a", content="v=0", headers=SDP | {"Origin": origin})
            assert answer.status_code == status
            assert answer.headers.get("access-control-allow-origin") == (origin if status == 201 else None)


async def test_the_player_is_framed_by_any_page_and_takes_any_parameters() -> None:
    query = "?urlServer=wss://a.example:8443&streamName=news&mediaProviders=WebRTC,Flash,MSE&skin=dark&unknown=1&x=%ff"
    async with client() as pages, client_of(StreamWorld()) as rest:
        for one in (pages, rest):
            page = await one.get(f"/embed_player{query}")
            assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
            assert 'data-ws="8080" data-wss="8443"' in page.text
            policy = page.headers["content-security-policy"]
            assert "frame-ancestors" not in policy
            assert "connect-src ws: wss:" in policy
            assert "x-frame-options" not in page.headers
            assert page.headers["cross-origin-resource-policy"] == "cross-origin"
            assert "cross-origin-opener-policy" not in page.headers
            for file in [*re.findall(r'(?:href|src)="(/[^"]+)"', page.text), "/embed_player/wcs.js"]:
                assert (await one.get(file)).status_code == 200, file
            unchanged = await one.get("/embed_player", headers={"If-None-Match": page.headers["etag"]})
            assert unchanged.status_code == 304
            assert (await one.get("/embed_player/index.html")).status_code == 404


@pytest.mark.parametrize("access", RecordsAccess)
async def test_recordings_are_there_only_if_they_are_public(tmp_path: Path, access: RecordsAccess) -> None:
    (tmp_path / "good.webm").write_bytes(b"content")
    (tmp_path / "half.webm.part").write_bytes(b"content")
    is_public = access is RecordsAccess.PUBLIC
    async with client(settings_with(records_access=access), tmp_path) as pages:
        answer = await pages.get("/client/records/good.webm", headers={"Origin": "https://other.example"})
        assert answer.status_code == (200 if is_public else 404)
        if is_public:
            assert answer.headers["content-type"] == "video/webm"
            assert answer.headers["x-content-type-options"] == "nosniff"
            part = await pages.get("/client/records/good.webm", headers={"Range": "bytes=1-3"})
            assert (part.status_code, part.content) == (206, b"ont")
        for path in ("/client/records", "/client/records/", "/client/records/half.webm.part"):
            assert (await pages.get(path)).status_code == 404


async def test_a_body_is_limited() -> None:
    async with client(settings_with(rest_max_body_size=1024)) as pages:
        assert (await pages.post("/whip/a", content="v" * 1025, headers=SDP)).status_code == 413


@pytest.mark.parametrize("path", ["/metrics", "/page/state", "/healthz", "/openapi.json"])
async def test_a_refusal_is_json(path: str) -> None:
    async with client() as pages:
        answer = await pages.get(path)
        assert (answer.status_code, answer.json()["reason"]) == (404, "there is nothing at this path")
