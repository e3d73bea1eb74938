"""What WHIP and WHEP answer, and to whom (RFC 9725)."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import trio

from config.settings import RestAuth
from tests.support.hooks.behaviours import answer, deny, hang
from tests.support.servers.full_server import full_server
from tests.support.session.wcs_client import wcs_client
from tests.support.web.openapi import PATH, Described
from tests.support.web.whip_client import bearer, whip_client
from tests.support.web.whip_scene import scene
from tests.support.webrtc.media_peer import MediaPeer

ORIGIN = {"Origin": "https://pages.example"}


@pytest.fixture
async def offer() -> AsyncIterator[str]:
    peer = MediaPeer()
    yield peer.publish_offer()
    peer.udp.close()


async def test_bad_requests(tmp_path: Path, offer: str) -> None:
    async with full_server(tmp_path) as server, whip_client(server) as client:
        for status, path, content, headers in (
            (400, "/whip/a", "no sdp", {}),
            (400, "/whip/a", "v=0\r\nbut no more", {}),
            (400, "/whip/a", b"v=0\xff", {}),
            (400, "/whip/a%0A", offer, {}),
            (400, "/whip/a?app=none", offer, {}),
            (400, "/whip/a?token=x", offer, {}),
            (401, "/whip/a", offer, {"Authorization": "Basic YTpi"}),
            (401, "/whip/a", offer, {"Authorization": "Bearer"}),
            (404, "/whep/nobody", offer.replace("sendonly", "recvonly"), {}),
            (404, "/whip/", offer, {}),
            (404, "/whip/a%2Fb/c/d", offer, {}),
            (406, "/whip/a", offer.replace("VP8/90000", "XX/90000").replace("opus/48000/2", "YY/8000"), {}),
            (413, "/whip/a", offer + "a=x\r\n" * 20_000, {}),
            (415, "/whip/a", offer, {"Content-Type": "application/json"}),
        ):
            refused = await client.post(path, content, headers=headers)
            assert refused.status_code == status, (path, refused.text)
            assert refused.json()["reason"]
            if status == 401:
                assert refused.headers["www-authenticate"].startswith("Bearer")
            if status == 415:
                assert refused.headers["accept-post"] == "application/sdp"
        assert await server.streams() == []
        assert (await server.rest.get("/rest-api/connection/find_all")).status_code == 404


async def test_methods(tmp_path: Path, offer: str) -> None:
    async with full_server(tmp_path) as server, whip_client(server) as client:
        begun = await client.post("/whip/a", offer)
        location = begun.headers["location"]
        assert location.startswith("/whip/a/")
        assert len(location.rpartition("/")[2]) >= 22, "128 bits"
        for method, path, allowed in (
            ("PATCH", location, "DELETE, OPTIONS"),
            ("GET", location, "DELETE, OPTIONS"),
            ("PUT", "/whip/a", "OPTIONS, POST"),
            ("GET", "/whep/a", "OPTIONS, POST"),
        ):
            refused = await server.rest.request(method, path)
            assert refused.status_code == 405
            assert sorted(refused.headers["allow"].split(", ")) == allowed.split(", ")
        asked = await server.rest.options("/whip/a")
        assert (asked.status_code, asked.headers["accept-post"]) == (204, "application/sdp")


async def test_a_name_that_is_taken_and_a_token_that_is_another(tmp_path: Path, offer: str) -> None:
    async with full_server(tmp_path) as server, whip_client(server) as client:
        begun = await client.post("/whip/a", offer, token="mine")
        location = begun.headers["location"]
        taken = await client.post("/whip/a", offer)
        assert (taken.status_code, taken.json()["reason"]) == (409, "Stream name is already in use")
        for status, headers in ((401, {}), (409, bearer("yours")), (200, bearer("mine")), (404, bearer("mine"))):
            ended = await server.rest.delete(location, headers=headers)
            assert ended.status_code == status


async def test_the_backend_decides(tmp_path: Path, offer: str) -> None:
    async with scene(tmp_path) as at:
        at.backend.script("connect", deny(info="who are you"))
        refused = await at.client.post("/whip/a", offer)
        assert (refused.status_code, refused.json()["reason"]) == (401, "who are you")
        assert refused.headers["www-authenticate"].startswith("Bearer")


async def test_the_backend_refuses_the_stream(tmp_path: Path, offer: str) -> None:
    config = {"restClientConfig": {"publishStream": {"restOnError": "FAIL"}}}
    async with scene(tmp_path) as at:
        at.backend.script("connect", answer(200, config))
        at.backend.script("publishStream", deny(info="no credit"))
        refused = await at.client.post("/whip/a", offer)
        assert (refused.status_code, refused.json()["reason"]) == (403, "no credit")


async def test_a_session_that_is_terminated_while_the_backend_thinks(tmp_path: Path, offer: str) -> None:
    async with scene(tmp_path) as at:
        at.backend.script("connect", hang)
        answers: list[httpx.Response] = []

        async def post() -> None:
            answers.append(await at.client.post("/whip/a", offer))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(post)
            (asked,) = await at.hooks("connect")
            await at.server.rest.post("/rest-api/connection/terminate", json={"sessionId": asked["sessionId"]})
        assert [each.status_code for each in answers] == [503]
        assert answers[0].headers["retry-after"]


async def test_a_client_that_leaves_while_the_backend_thinks(tmp_path: Path, offer: str) -> None:
    async with scene(tmp_path) as at:
        at.backend.script("publishStream", hang)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(at.client.post, "/whip/a", offer)
            await at.hooks("publishStream")
            assert len(await at.server.streams(name="a")) == 1
            nursery.cancel_scope.cancel()
        told = await at.hooks("ConnectionStatusEvent", count=2)
        assert [call["status"] for call in told] == ["ESTABLISHED", "DISCONNECTED"]
        assert await at.server.streams() == []


async def test_limits_and_a_server_that_drains(tmp_path: Path, offer: str) -> None:
    async with full_server(tmp_path, max_sessions_per_address=2) as server, whip_client(server) as client:
        await client.post("/whip/a", offer)
        begun = await client.post("/whip/b", offer)
        refused = await client.post("/whip/c", offer)
        assert (refused.status_code, refused.json()["setting"]) == (503, "max_sessions_per_address")
        await server.rest.delete(begun.headers["location"])
        server.server.parts.drain.begin(60, by="test", is_final=False)
        refused = await client.post("/whip/b", offer)
        assert (refused.status_code, refused.json()["reason"]) == (503, "Server is draining")


async def test_sessions_by_websocket_and_by_whip_count_together(tmp_path: Path, offer: str) -> None:
    async with full_server(tmp_path, max_sessions_per_address=2) as server, whip_client(server) as client:
        async with wcs_client(server.ws_url()):
            begun = await client.post("/whip/a", offer)
            assert begun.status_code == 201
            refused = await client.post("/whip/b", offer)
            assert (refused.status_code, refused.json()["setting"]) == (503, "max_sessions_per_address")
            (ws,) = server.addresses["ws"]
            async with await trio.open_tcp_stream("127.0.0.1", ws.port) as third:
                assert await third.receive_some() == b""
            await server.rest.delete(begun.headers["location"])
            async with wcs_client(server.ws_url()):
                """There is room again."""


async def test_sessions_in_all_count_together(tmp_path: Path, offer: str) -> None:
    async with full_server(tmp_path, max_sessions=1) as server, whip_client(server) as client:
        async with wcs_client(server.ws_url()):
            refused = await client.post("/whip/a", offer)
            assert (refused.status_code, refused.json()["setting"]) == (503, "max_sessions")


async def test_offers_of_one_address_beyond_its_rate_wait_as_its_upgrades_do(tmp_path: Path, offer: str) -> None:
    async with full_server(tmp_path, ws_max_upgrades_per_address=2) as server, whip_client(server) as client:
        begun = trio.current_time()
        async with wcs_client(server.ws_url()):
            for name in "abcd":
                assert (await client.post(f"/whip/{name}", offer)).status_code == 201
        assert trio.current_time() - begun >= 1 / 2, "4 at once, then 2 a second"


async def test_rest_asks_for_a_login_and_whip_does_not(tmp_path: Path, offer: str) -> None:
    async with full_server(tmp_path, rest_auth=RestAuth.REQUIRED) as server, whip_client(server) as client:
        assert (await server.rest.get("/rest-api/stream/find_all")).status_code == 401
        for token in (None, "wcsd_unknown"):
            begun = await client.post("/whip/a", offer, token=token)
            assert begun.status_code == 201
            ended = await server.rest.delete(begun.headers["location"], headers=bearer(token))
            assert ended.status_code == 200


@pytest.mark.parametrize("allowed", ["*", "https://pages.example", "https://others.example"])
async def test_pages_of_other_origins(tmp_path: Path, offer: str, allowed: str) -> None:
    async with full_server(tmp_path, ws_allowed_origins=(allowed,)) as server, whip_client(server) as client:
        preflight = await server.rest.options("/whip/a", headers=ORIGIN | {"Access-Control-Request-Method": "POST"})
        begun = await client.post("/whip/a", offer, headers=ORIGIN)
        if "others" in allowed:
            assert (begun.status_code, begun.json()["setting"]) == (403, "ws.allowed_origins")
            assert "access-control-allow-origin" not in (*preflight.headers, *begun.headers)
            return
        for response in (preflight, begun, await client.post("/whip/a", "no sdp", headers=ORIGIN)):
            assert response.headers["access-control-allow-origin"] == allowed
        assert "Authorization" in preflight.headers["access-control-allow-headers"]
        assert "DELETE" in preflight.headers["access-control-allow-methods"]
        assert "Location" in begun.headers["access-control-expose-headers"]
        other = await server.rest.post("/rest-api/stream/find_all", headers=ORIGIN)
        assert other.status_code == 403, "the rule of REST is as it was"


async def test_it_is_described(tmp_path: Path, offer: str) -> None:
    async with full_server(tmp_path) as server, whip_client(server) as client:
        described = Described((await server.rest.get(PATH)).json())
        described.validate()
        begun = await client.post("/whip/a", offer)
        taken = await client.post("/rest-api/stream/publish/a", offer)
        ended = await server.rest.delete(begun.headers["location"])
        for answered in (begun, taken, ended, await server.rest.options("/whep/a")):
            described.check(answered)
        wanted = described.paths["/whep/{name}"]["post"]["requestBody"]["content"]
        assert wanted.keys() == {"application/sdp"}
