"""What REST does to a stream or a call of another node: that node does it."""

import base64
from pathlib import Path
from typing import Any

import httpx

from config.settings import RecordPolicy
from tests.support.cluster.two_nodes import two_nodes
from tests.support.servers.full_server import FullServer
from tests.support.session.wcs_client import PATIENCE, WcsClient
from tests.support.webrtc.media_peer import MediaPeer
from tests.support.workers.colour_camera import shows
from tests.support.workers.colour_frames import BLUE, RED, colours, is_near
from tests.support.workers.page_recording import FREE, fetched, show


async def post(server: FullServer, path: str, **body: Any) -> httpx.Response:
    return await server.rest.post(f"/rest-api/{path}", json=body, timeout=PATIENCE)


async def begin_to_publish(client: WcsClient, name: str) -> str:
    """Ask to publish, and send no media."""
    peer = MediaPeer()
    client.peers.append(peer)
    return await client.request("publishStream", name, peer.publish_offer())


async def test_a_stream_of_another_node_is_recorded_there(tmp_path: Path) -> None:
    policy = {"stream_record_policy": RecordPolicy.STREAM_NAME}
    async with two_nodes(tmp_path, **FREE, **policy) as pair:
        stream = await pair.one.publish("news")
        playback = await pair.one.play("news")
        wanted = {"mediaSessionId": stream.id}
        assert (await post(pair.b, "recorder/startup?scope=local", **wanted)).status_code == 404
        config = {"fileTemplate": "{streamName}-far", "rotation": "20M"}
        assert (await post(pair.b, "recorder/startup", **wanted, config=config)).status_code == 200
        for server in (pair.a, pair.b):
            found = await server.rest.get("/rest-api/recorder/find_all")
            assert found.json() == [{"mediaSessionId": stream.id, "fileName": "news-far.webm"}]
            assert found.headers["X-Cluster-Nodes"] == "2/2"
        assert (await pair.b.rest.get("/rest-api/recorder/find_all?scope=local")).status_code == 404
        await show(stream, playback)
        assert (await post(pair.b, "recorder/terminate", **wanted)).status_code == 200
        again = await post(pair.b, "recorder/terminate", **wanted)
        assert (again.status_code, again.json()["reason"]) == (404, "the publication is not being recorded")
        assert (await post(pair.b, "recorder/startup", mediaSessionId="nobody")).status_code == 404
        early = await begin_to_publish(pair.one, "early")
        for server in (pair.a, pair.b):
            for path in ("recorder/startup", "recorder/terminate"):
                answer = await post(server, path, mediaSessionId=early)
                assert answer.status_code == 404, answer.text
        assert (await fetched(pair.a, tmp_path / "a", "news-far.webm")).status_code == 200
        pair.redis.kill()
        silent = await post(pair.b, "recorder/startup", **wanted)
        assert (silent.status_code, silent.json()["missing"]) == (503, ["*"])
        assert (await pair.b.rest.get("/rest-api/recorder/find_all")).status_code == 503


async def test_a_picture_of_a_stream_of_another_node_is_taken_there(tmp_path: Path) -> None:
    async with two_nodes(tmp_path, snapshot_timeout=PATIENCE) as pair:
        stream = await pair.one.publish("news")
        await shows(stream, pair.a, RED, BLUE)
        answer = await post(pair.b, "stream/snapshot?format=jpeg&width=80", streamName="news")
        assert answer.status_code == 200, answer.text
        width, height, left, right = colours(base64.b64decode(answer.json()["data"]))
        assert (width, height) == (80, 48)
        assert is_near(left, RED)
        assert is_near(right, BLUE)
        thumbnail = await pair.b.rest.get("/page/picture", params={"id": stream.id})
        assert thumbnail.json().keys() == {"data"}
        assert (await post(pair.b, "stream/snapshot?scope=local", streamName="news")).status_code == 404
        assert (await post(pair.b, "stream/snapshot", streamName="nobody")).status_code == 404
        assert (await pair.b.statistics())["snapshots_taken"] == "0"
        pair.redis.kill()
        silent = await post(pair.b, "stream/snapshot", streamName="news")
        assert (silent.status_code, silent.json()["missing"]) == (503, ["*"])
