"""Two servers and Redis: one server to their clients, whatever becomes of Redis."""

import signal
from pathlib import Path
from typing import Any

import trio
from attrs import evolve

from config.apps import App, default_table
from config.settings import RegistryDown
from config.tables.apps_file import write_apps
from tests.support.cluster.two_nodes import cluster_of, node, refused, two_nodes, until_seen
from tests.support.hooks.backend import open_backend
from tests.support.hooks.behaviours import app_config, rewrite
from tests.support.redis.redis_server import POLL, redis_server
from tests.support.servers.full_server import FullServer, full_server
from tests.support.session.wcs_client import PATIENCE, WcsClient, wcs_client
from tests.support.webrtc.media_peer import MediaPeer

MAY_BE_LOST = {"multi", "exec", "wait", "xread", "xreadgroup", "blpop", "brpop", "blmove", "bzpopmin", "bzpopmax"}
"""Commands after whose end by a cancellation coredis has one connection less."""


async def test_nothing_of_a_cluster_shows_without_one(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server:
        answer = await server.rest.get("/rest-api/stream/find_all")
        assert answer.status_code == 404
        assert not [name for name in answer.headers if "cluster" in name.lower()]
        assert (await server.terminate(name="nothing")).headers.keys().isdisjoint({"x-cluster-nodes"})
        assert (await server.rest.get("/rest-api/stream/find_all?scope=local")).status_code == 404
        assert (await server.rest.get("/rest-api/stream/find_all?scope=other")).status_code == 400


async def test_a_name_is_published_once_and_found_from_everywhere(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as pair:
        await pair.one.publish("news")
        assert await refused(pair.two, "publishStream", "news") == "Stream name is already in use"
        (found,) = await pair.b.streams(name="news")
        assert found["nodeId"] == pair.a.server.parts.node_id
        assert (await pair.b.rest.post("/rest-api/stream/find?scope=local", json={"name": "news"})).status_code == 404
        connections = await pair.b.rest.get("/rest-api/connection/find_all")
        assert {each["nodeId"] for each in connections.json()} == {
            pair.a.server.parts.node_id, pair.b.server.parts.node_id,
        }  # fmt: skip
        assert connections.headers["X-Cluster-Nodes"] == "2/2"
        await pair.two.send("availableStream", {"name": "news", "mediaSessionId": "look"})
        assert (await pair.two.receive("availableStream", id="look"))["status"] == "true"
        assert await refused(pair.two, "playStream", "nothing") == "Session does not exist"


async def test_one_request_ends_exactly_what_matches_on_every_node(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as pair:
        news, other = await pair.one.publish("news"), await pair.one.publish("other")
        third = await pair.two.publish("third")
        answer = await pair.b.terminate(name="news", published=True)
        assert (answer.status_code, answer.headers["X-Terminated-Count"], answer.content) == (200, "1", b"")
        assert answer.headers["X-Cluster-Nodes"] == "2/2"
        assert (await news.status("FAILED"))["info"] == "Stopped by rest /terminate"
        assert (await pair.b.terminate(name="news")).status_code == 404
        assert other.statuses == [("PUBLISHING", None)]
        await pair.two.publish("news")
        both = await pair.a.terminate(mediaSessionIds=[other.id, third.id])
        assert (both.status_code, both.headers["X-Terminated-Count"]) == (200, "2")
        preview = await pair.a.rest.post("/rest-api/stream/terminate?dry_run=true", json={"published": True})
        assert [each["name"] for each in preview.json()] == ["news"]


async def test_an_id_that_a_page_gives_to_players_on_two_nodes_saves_neither_of_them(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as pair:
        await pair.one.publish("news")
        for page in (pair.one, pair.two):
            peer = MediaPeer()
            page.peers.append(peer)
            await page.request("playStream", "news", peer.play_offer(), mediaSessionId="mine")
            await page.receive("setRemoteSDP", mediaSessionId="mine")
        answer = await pair.a.terminate(mediaSessionId="mine")
        assert (answer.status_code, answer.headers["X-Terminated-Count"]) == (200, "1")
        for page in (pair.one, pair.two):
            ended = await page.receive("notifyStreamStatusEvent", mediaSessionId="mine", status="FAILED")
            assert ended["info"] == "Stopped by rest /terminate"


async def test_a_session_is_ended_from_any_node(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as pair:
        (session,) = (await pair.a.rest.get("/rest-api/connection/find_all?scope=local")).json()
        body = {"sessionId": session["sessionId"]}
        assert (await pair.b.rest.post("/rest-api/connection/terminate", json=body)).status_code == 200
        with trio.fail_after(PATIENCE):
            await pair.one.closed.wait()
        assert (await pair.b.rest.post("/rest-api/connection/terminate", json=body)).status_code == 404


async def until(look: Any) -> None:
    """Wait until `look` says so."""
    with trio.fail_after(PATIENCE):
        while not await look():  # noqa: ASYNC110 - it tells no one
            await trio.sleep(POLL)


async def test_streams_go_on_without_redis_and_are_registered_again(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as pair:
        news = await pair.one.publish("news")
        player = await pair.one.play("news")
        pair.redis.kill()
        fresh = await pair.one.publish("fresh")
        news.send_key_frame(b"still here")
        await player.until_media(lambda packet: b"still here" in packet.payload)
        answer = await pair.b.terminate(name="fresh")
        assert answer.status_code == 503
        assert (answer.headers["X-Cluster-Nodes"], answer.headers["X-Cluster-Missing"]) == ("1/?", "*")
        assert answer.json()["missing"] == ["*"]
        assert (await pair.b.rest.post("/rest-api/stream/find", json={"name": "news"})).status_code == 503
        alone = await pair.a.terminate(mediaSessionId=player.id)
        assert (alone.status_code, alone.headers["X-Cluster-Nodes"]) == (200, "2/2")
        assert (await pair.a.rest.get("/healthz")).status_code == 200
        assert (await pair.a.rest.get("/readyz")).status_code == 200
        await pair.redis.start()
        await until(lambda: _is_held(pair.a, 2))
        assert await refused(pair.two, "publishStream", "news") == "Stream name is already in use"
        assert await refused(pair.two, "publishStream", "fresh") == "Stream name is already in use"
        assert (news.statuses, fresh.statuses) == ([("PUBLISHING", None)], [("PUBLISHING", None)])


async def test_a_name_that_is_played_from_another_node_is_known_to_be_taken_while_redis_is_away(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as pair:
        news = await pair.one.publish("news")
        player = await pair.two.play("news")
        pair.redis.kill()
        assert await refused(pair.two, "publishStream", "news") == "Stream name is already in use"
        news.send_key_frame(b"still here")
        await player.until_media(lambda packet: b"still here" in packet.payload)


async def _is_held(server: FullServer, names: int) -> bool:
    table = cluster_of(server).names.table
    return len(table) == names and not table.unconfirmed


async def test_the_registry_decides_when_two_nodes_took_a_name_without_it(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as pair:
        pair.redis.kill()
        mine, yours = await pair.one.publish("news"), await pair.two.publish("news")
        await pair.redis.start()

        async def is_decided() -> bool:
            return len(mine.statuses) + len(yours.statuses) == 3

        await until(is_decided)
        loser = mine if len(mine.statuses) == 2 else yours
        assert loser.statuses[1] == ("FAILED", "Stream name is already in use")
        assert len(await pair.a.streams(name="news")) == 1


async def test_nothing_new_is_published_without_redis_if_it_says_so(tmp_path: Path) -> None:
    async with two_nodes(tmp_path, cluster_registry_down=RegistryDown.REFUSE) as pair:
        news = await pair.one.publish("news")
        pair.redis.kill()
        assert await refused(pair.one, "publishStream", "fresh") == "Cluster is unreachable"
        assert news.statuses == [("PUBLISHING", None)]


async def test_a_redis_that_hangs_delays_a_publication_once(tmp_path: Path) -> None:
    async with two_nodes(tmp_path, cluster_timeout=1.0) as pair:
        pair.redis.signal(signal.SIGSTOP)
        await pair.one.publish("news")
        assert (await pair.b.terminate(name="nothing")).status_code == 503
        pair.redis.resume()
        await until(lambda: _is_held(pair.a, 1))


async def test_a_node_that_ends_gives_its_names_back_at_once(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis, node(tmp_path, "b", redis) as b:
        async with node(tmp_path, "a", redis) as a, wcs_client(a.ws_url()) as one:
            await one.publish("news")
        async with wcs_client(b.ws_url()) as two:
            await two.publish("news")
        answer = await b.terminate(name="other")
        assert (answer.status_code, answer.headers["X-Cluster-Nodes"]) == (404, "1/1")


async def test_pages_are_sent_to_the_node_that_has_their_stream_and_operators_see_all_nodes(tmp_path: Path) -> None:
    async with two_nodes(tmp_path, cluster_address="wcs.example.com") as pair:
        await pair.one.publish("news")
        port = pair.a.addresses["ws"][0].port
        await until(lambda: _all_serve(pair.a))
        await until(lambda: _all_serve(pair.b))
        for server in (pair.a, pair.b):
            answer = await server.rest.get("/rest-api/lb?name=news&role=play", headers={"Origin": "https://a.example"})
            assert answer.status_code == 200
            assert answer.headers["Access-Control-Allow-Origin"] == "*"
            assert (answer.json()["server"], answer.json()["ws"]) == ("wcs.example.com", str(port))
        pair.redis.kill()
        alone = await pair.b.rest.get("/rest-api/lb?name=news&role=play")
        assert alone.status_code == 200
        statistics = await pair.a.statistics()
        assert (statistics["cluster_nodes"], statistics["cluster_names_here"]) == ("2", "1")
        assert "wcsd_cluster_nodes 2" in (await pair.a.rest.get("/metrics")).text


async def _all_serve(server: FullServer) -> bool:
    return [member.info.state for member in cluster_of(server).members()] == ["serving"] * 2


async def test_data_reaches_sessions_and_players_of_all_nodes(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as pair:
        await pair.one.publish("news")
        await pair.one.play("news")
        here = await session_of(pair.a)
        there = await session_of(pair.b)
        sent = await pair.b.rest.post(
            "/rest-api/data/send?verbose=true",
            json={"operationId": "1", "sessionIds": [here, there, "nobody"], "payload": "hi"},
        )
        assert (sent.status_code, sent.json(), sent.headers["X-Cluster-Nodes"]) == (200, ["nobody"], "2/2")
        for client in (pair.one, pair.two):
            assert (await client.receive("OnDataEvent"))["payload"] == "hi"
        everybody = await pair.b.rest.post("/rest-api/data/broadcast", json={"all": True, "payload": "all"})
        assert (everybody.status_code, everybody.headers["X-Sent-Count"]) == (200, "2")
        body = {"streamName": "news", "payload": {"x": 1}}
        event = await pair.b.rest.post("/rest-api/stream/event/send", json=body)
        assert (event.status_code, event.headers["X-Sent-Count"]) == (200, "1")
        assert (await pair.one.receive("notifyStreamEvent", type="data"))["payload"] == {"x": 1}
        pair.b.live.replace(evolve(pair.b.live.now, cluster_answer_timeout=0.5))
        pair.redis.kill()
        lost = await pair.b.rest.post(
            "/rest-api/data/send", json={"operationId": "3", "sessionIds": [here], "payload": 1}
        )
        assert (lost.status_code, lost.json()["missingSessions"]) == (503, [here])


async def test_a_room_has_members_on_two_nodes(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as pair:
        async with (
            wcs_client(pair.a.ws_url(), appKey="roomApp", custom={"login": "ann"}) as ann,
            wcs_client(pair.b.ws_url(), appKey="roomApp", custom={"login": "ben"}) as ben,
        ):
            for client, others in ((ann, []), (ben, ["ann"])):
                await command(client, "join", {"name": "lobby"})
                assert (await room_event(client, "STATE"))["info"] == others
            assert (await room_event(ann, "JOINED"))["info"] == "ben"
            stream = await ben.publish("lobby-ben", custom={"name": "lobby"})
            assert (await room_event(ann, "PUBLISHED"))["info"] == {"login": "ben", "name": "lobby-ben"}
            await command(ann, "sendMessage", {"roomConfig": {"name": "lobby"}, "to": "ben", "text": "hello"})
            assert (await room_event(ben, "MESSAGE"))["info"] == {"from": "ann", "text": "hello"}
            for server in (pair.a, pair.b):
                found = await server.rest.post("/rest-api/room/find", json={"name": "lobby"})
                (room,) = found.json()
                assert (room["nodeId"], room["memberCount"], room["streamCount"]) == (pair.a.server.parts.node_id, 2, 1)
                assert found.headers["X-Cluster-Nodes"] == "2/2"
            only_here = await pair.b.rest.post("/rest-api/room/find?scope=local", json={"name": "lobby"})
            assert only_here.status_code == 404
            kicked = await pair.b.rest.post("/rest-api/room/kick?ban=1h", json={"name": "lobby", "login": "ben"})
            assert (kicked.status_code, kicked.headers["X-Banned-Count"]) == (200, "1")
            assert (await room_event(ann, "LEFT"))["info"] == "ben"
            assert (await stream.status("FAILED"))["info"] == "Stopped by rest /terminate"
            assert (await pair.redis.commands()).isdisjoint(MAY_BE_LOST)
            pair.redis.kill()
            silent = await pair.b.rest.post("/rest-api/room/terminate", json={"name": "lobby"})
            assert (silent.status_code, silent.json()["missing"]) == (503, ["*"])
            alone = await pair.a.rest.post("/rest-api/room/terminate?scope=local", json={"name": "lobby"})
            assert (alone.status_code, alone.headers["X-Terminated-Count"]) == (200, "1")


async def command(client: WcsClient, name: str, options: Any) -> None:
    """Have a room do it."""
    operation = f"{name}-{len(client.frames)}"
    await client.send("sendData", {"operationId": operation, "payload": {"command": name, "options": options}})
    assert (await client.receive("DataStatusEvent", operationId=operation))["status"] == "ACCEPTED"


async def room_event(client: WcsClient, name: str) -> dict[str, Any]:
    """The first event of this name that the client has heard of a room, now or later."""

    def heard() -> list[Any]:
        return [frame["payload"] for frame in client.of("OnDataEvent") if frame["payload"]["name"] == name]

    async def is_heard() -> bool:
        return bool(heard())

    await until(is_heard)
    event: dict[str, Any] = heard()[0]
    return event


async def session_of(server: FullServer) -> str:
    (session,) = (await server.rest.get("/rest-api/connection/find_all?scope=local")).json()
    return str(session["sessionId"])


async def test_a_name_that_the_backend_chooses_is_unique_too(tmp_path: Path) -> None:
    """Two pages ask for different names, and the backend gives both the same."""
    overwrite = {"restOnError": "FAIL", "restPolicy": "OVERWRITE", "restOverwrite": "name"}
    async with open_backend() as backend:
        backend.script("connect", rewrite(restClientConfig=app_config(publishStream=overwrite)))
        backend.script("publishStream", rewrite(name="studio"))
        app = App(name="Studio", key="studio", url=backend.url, methods=frozenset({"connect", "publishStream"}))
        for name in ("a", "b"):
            (tmp_path / name / "state").mkdir(mode=0o700, parents=True)
            (tmp_path / name / "state/apps.toml").write_text(write_apps(default_table().added(app)))
        async with redis_server(tmp_path) as redis, node(tmp_path, "a", redis) as a, node(tmp_path, "b", redis) as b:
            async with wcs_client(a.ws_url(), appKey="studio") as one, wcs_client(b.ws_url(), appKey="studio") as two:
                for server in (a, b):
                    await until_seen(server, 2)
                await one.publish("first")
                assert await refused(two, "publishStream", "second") == "Stream name is already in use"
                assert [stream["name"] for stream in await b.streams()] == ["studio"]


async def test_an_earlier_start_on_a_copied_state_folder_gets_no_new_pages(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis, node(tmp_path, "a", redis) as a:
        copied = tmp_path / "b" / "state"
        copied.mkdir(parents=True)
        (copied / "node-id").write_text((tmp_path / "a" / "state" / "node-id").read_text())
        async with node(tmp_path, "b", redis) as b:
            cluster_of(a).membership.renew()
            await until_seen(b, 2)
            await until(lambda: _is_superseded(a))
            ready = await a.rest.get("/readyz")
            assert (ready.status_code, ready.json()["missing"]) == (503, ["another start of this node runs"])
            assert (await b.rest.get("/readyz")).status_code == 200
            cluster_of(a).membership.renew()  # it tells of itself what it has just learnt
            cluster = cluster_of(b)
            cluster.membership.renew()
            await until(lambda: _states(b, ["serving", "superseded"]))
            chosen = {(await b.rest.get("/rest-api/lb")).json()["ws"] for _ in range(10)}
            assert chosen == {b.ws_url().rpartition(":")[2]}


async def _is_superseded(server: FullServer) -> bool:
    return cluster_of(server).membership.is_superseded


async def _states(server: FullServer, expected: list[str]) -> bool:
    return sorted(member.info.state for member in cluster_of(server).members()) == expected
