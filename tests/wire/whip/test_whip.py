"""WHIP and WHEP between real sockets: streams like all others to backends, REST, bans and other clients."""

from pathlib import Path

import pytest

from tests.support.hooks.behaviours import answer, deny
from tests.support.moved_clock import Hands, RunningHands, run
from tests.support.servers.full_server import full_server
from tests.support.session.wcs_client import wcs_client
from tests.support.web.whip_client import WhipStream, bearer, whip_client
from tests.support.web.whip_scene import scene

TOKEN = "secret-of-alice"


async def picture_arrives(publication: WhipStream, playback: WhipStream, content: bytes) -> None:
    publication.send_key_frame(content)
    await playback.until_media(content)


async def test_it_is_published_by_whip_and_played_by_whep_and_by_the_sdk(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server, whip_client(server) as client, wcs_client(server.ws_url()) as page:
        publication = await client.publish("news")
        playback, viewer = await client.play("news"), await page.play("news")
        await picture_arrives(publication, playback, b"picture")
        await viewer.until_media(lambda packet: packet.payload.endswith(b"picture"))

        assert (await client.end(playback)).status_code == 200
        await playback.until_closed()
        assert viewer.statuses == [("PLAYING", None)]

        ended = await client.end(publication)
        assert (ended.status_code, ended.content) == (200, b"")
        assert (await viewer.status("FAILED"))["info"] == "Stopped by publisher stop"
        assert (await client.end(publication)).status_code == 404
        assert await server.streams() == []


async def test_a_whep_player_ends_with_its_publisher(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server, whip_client(server) as client, wcs_client(server.ws_url()) as page:
        await page.publish("news")
        playback = await client.play("news")
        await server.terminate(name="news", published=True)
        await playback.until_closed()
        assert (await client.end(playback)).status_code == 404
        found = (await server.rest.get("/rest-api/connection/find_all")).json()
        assert len(found) == 1, "the page alone is left"


async def test_the_backend_hears_what_it_hears_of_any_session(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        publication = await at.client.publish("news", token=TOKEN)
        (connect,) = await at.hooks("connect")
        (asked,) = await at.hooks("publishStream")
        assert connect["custom"] == {"token": TOKEN}
        assert (connect["appKey"], connect["clientVersion"]) == ("defaultApp", "WHIP")
        assert (asked["name"], asked["published"], asked["sessionId"]) == ("news", True, connect["sessionId"])
        assert "custom" not in asked
        await at.hooks("StreamStatusEvent")
        (found,) = await at.server.streams()
        (session,) = (await at.server.rest.get("/rest-api/connection/find_all")).json()
        assert found["sessionId"] == session["sessionId"] == connect["sessionId"]
        assert (session["status"], session["streams"]) == ("ESTABLISHED", 1)

        await at.client.end(publication)
        await at.hooks("unPublishStream")
        told = [call["status"] for call in await at.hooks("StreamStatusEvent", count=2)]
        assert told == ["PUBLISHING", "UNPUBLISHED"]
        told = [call["status"] for call in await at.hooks("ConnectionStatusEvent", count=2)]
        assert told == ["ESTABLISHED", "DISCONNECTED"]


async def test_terminate_of_its_stream_and_of_its_session(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        for turn, (path, key) in enumerate((("stream", "mediaSessionId"), ("connection", "sessionId")), 1):
            publication = await at.client.publish("news")
            (found,) = await at.server.streams()
            done = await at.server.rest.post(f"/rest-api/{path}/terminate", json={key: found[key]})
            assert done.status_code == 200
            await publication.until_closed()
            assert await at.server.streams() == []
            assert (await at.client.end(publication)).status_code == 404
            told = await at.hooks("StreamStatusEvent", count=2 * turn)  # the order between sessions is not given
        infos = [call.get("info") for call in told]
        assert infos == [None, "Stopped by rest /terminate", None, "Stopped by session disconnect"]


async def test_a_keep_alive_that_is_refused_ends_it(tmp_path: Path) -> None:
    settings = {
        "keep_alive_streaming_sessions_enabled": True,
        "streaming_sessions_keep_alive_interval": 0.1,
        "streaming_sessions_keep_alive_app_keys": ("defaultApp",),
    }
    async with scene(tmp_path, **settings) as at:
        config = {"restClientConfig": {"StreamKeepAliveEvent": {"restOnError": "FAIL"}}}
        at.backend.script("connect", answer(200, config))
        at.backend.script("StreamKeepAliveEvent", deny())
        publication = await at.client.begin("/whip/news", published=True)
        publication.send_key_frame()
        await publication.until_closed()
        (*_, last) = await at.hooks("StreamStatusEvent", count=2)
        assert (last["status"], last["info"]) == ("FAILED", "Terminated by keep-alive")


async def test_a_ban_of_its_token_keeps_it_out(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        publication = await at.client.publish("news", token=TOKEN)
        (found,) = await at.server.streams()
        query = {"sessionId": found["sessionId"]}
        await at.server.rest.post("/rest-api/connection/terminate?ban=10m&reason=spam", json=query)
        await publication.until_closed()
        refused = await at.client.post("/whip/other", publication.peer.publish_offer(), token=TOKEN)
        assert refused.status_code == 403
        assert refused.json()["reason"].startswith("Banned for another ")
        await at.client.publish("other", token="another")


async def test_the_path_of_wcs_publishes_too_and_a_strange_name_is_kept(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server, whip_client(server) as client:
        publication = await client.begin("/rest-api/stream/publish/caf%C3%A9%20%25", published=True)
        (found,) = await server.streams()
        assert found["name"] == "café %"
        assert publication.location.startswith("/rest-api/stream/publish/caf%C3%A9%20%25/")
        assert (await client.end(publication)).status_code == 200
        assert await server.streams() == []


async def test_an_offer_of_setup_passive_is_answered_active(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server, whip_client(server) as client:
        publication = await client.publish("news")
        offer = publication.peer.publish_offer().replace("a=setup:actpass", "a=setup:passive")
        answered = await client.post("/whip/passive", offer)
        assert answered.status_code == 201
        assert "a=setup:active" in answered.text


async def test_a_backend_that_forbids_the_end_is_obeyed(tmp_path: Path) -> None:
    async with scene(tmp_path) as at:
        config = {"restClientConfig": {"unPublishStream": {"restOnError": "FAIL"}}}
        at.backend.script("connect", answer(200, config))
        at.backend.script("unPublishStream", deny(info="stay"), answer(200, {}))
        publication = await at.client.publish("news")
        refused = await at.client.end(publication)
        assert (refused.status_code, refused.json()["reason"]) == (403, "stay")
        assert len(await at.server.streams()) == 1
        assert (await at.client.end(publication)).status_code == 200


def test_a_publisher_that_vanishes_leaves_nothing(tmp_path: Path) -> None:
    async def main(hands: Hands) -> None:
        async with full_server(tmp_path) as server, whip_client(server) as client:
            publication = await client.publish("news")
            publication.peer.silent = True
            await hands.pass_time(25)
            await publication.until_closed()
            assert (await client.end(publication)).status_code == 404
            assert (await server.rest.get("/rest-api/connection/find_all")).status_code == 404

    run(main, RunningHands())


async def test_no_token_is_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    async with scene(tmp_path) as at:
        publication = await at.client.publish("news", token=TOKEN)
        at.backend.script("connect", deny(info="no"))
        await at.client.post("/whip/other", publication.peer.publish_offer(), token=TOKEN)
        await at.client.post("/whip/news", publication.peer.publish_offer(), token=TOKEN)
        await at.server.rest.delete(publication.location, headers=bearer(TOKEN + "x"))
    ours = "\n".join(str(vars(record)) for record in caplog.records if record.name.startswith("wcsd."))
    assert "session established" in ours
    assert publication.location in ours, "whatever is refused is in the log with its path"
    assert TOKEN not in ours
