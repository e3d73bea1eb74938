"""A page plays on one node what is published on another."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import trio
from attrs import evolve

from actors.relay import Relays
from protocol.cluster.messages import NodeReply
from protocol.cluster.relay_messages import PullOutcome, PullStream
from protocol.webrtc.relay_leg import LegEnd
from protocol.webrtc.rtcp import build_nack, build_pli
from tests.support.cluster.cluster_pair import until
from tests.support.cluster.two_nodes import Pair, cluster_of, node, refused, two_nodes, until_news, until_seen
from tests.support.network.nat import Nat
from tests.support.redis.redis_server import redis_server
from tests.support.servers.full_server import FullServer
from tests.support.session.wcs_client import PATIENCE, ClientStream, wcs_client


def relays_of(server: FullServer) -> Relays:
    clustered = server.server.parts.clustered
    assert clustered is not None
    return clustered.relays


def counts_of(server: FullServer) -> Any:
    return relays_of(server).counts


async def test_all_players_of_a_node_share_one_pull(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as pair:
        news = await pair.one.publish("news")
        players: list[ClientStream] = []

        async def play() -> None:
            players.append(await pair.two.play("news"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(play)
            nursery.start_soon(play)
        for player in players:
            await until_news(news, player, b"more")
        assert (counts_of(pair.b).pulled, counts_of(pair.a).served) == (1, 1)
        rows = await pair.a.streams(name="news")
        assert sorted((row["published"], row["nodeId"] == pair.a.server.parts.node_id) for row in rows) == [
            (False, False), (False, False), (True, True),
        ]  # fmt: skip
        asked = news.peer.key_frame_requests
        players[0].peer.send_rtcp(build_pli(1, players[0].peer.received[-1].ssrc))
        await until(lambda: news.peer.key_frame_requests > asked)
        await _is_sent_again_by_the_edge(news, players[0])


async def _is_sent_again_by_the_edge(news: ClientStream, player: ClientStream) -> None:
    """What a viewer lacks comes from its own node: the publisher is not asked."""
    last, count = player.peer.received[-1], len(player.peer.received)
    player.peer.send_rtcp(build_nack(1, last.ssrc, [last.sequence]))

    def has_come() -> bool:  # RTX: the original's number, then its payload
        return any(packet.payload[2:] == last.payload for packet in player.peer.received[count:])

    await player.peer.until(has_come, within=PATIENCE)
    assert news.peer.nacked == []


async def test_mute_data_and_the_end_come_along(tmp_path: Path) -> None:
    async with two_nodes(tmp_path) as pair:
        news = await pair.one.publish("news")
        await pair.one.send("sendStreamEvent", {"mediaSessionId": news.id, "type": "audioMuted"})
        await until(lambda: _is_muted(pair))
        player = await pair.two.play("news")
        assert (await player.status("PLAYING"))["audioState"] == {"muted": True}
        await pair.one.send("sendStreamEvent", {"mediaSessionId": news.id, "type": "audioUnmuted"})
        await pair.two.receive("notifyStreamEvent", mediaSessionId=player.id, type="audioUnmuted")
        event = await pair.b.rest.post("/rest-api/stream/event/send", json={"streamName": "news", "payload": {"x": 1}})
        assert event.status_code == 200
        data = await pair.two.receive("notifyStreamEvent", mediaSessionId=player.id, type="data")
        assert data["payload"] == {"x": 1}
        resized = await pair.two.receive("notifyStreamEvent", mediaSessionId=player.id, type="resize")
        assert resized["payload"] == {"streamerVideoWidth": 640, "streamerVideoHeight": 480}
        shown = await pair.b.rest.get("/rest-api/stream/find_all?relays=true&mediaProvider=Relay")
        assert sorted((each["published"], each["nodeId"], each["name"]) for each in shown.json()) == [
            (False, pair.a.server.parts.node_id, "news"),
            (True, pair.b.server.parts.node_id, "news"),
        ]
        assert (await pair.b.rest.get("/rest-api/stream/find_all?mediaProvider=Relay")).status_code == 404
        assert (await pair.b.rest.get("/rest-api/connection/find_all?relays=true")).status_code == 400
        posted = await pair.a.rest.post("/rest-api/stream/find?relays=true&scope=local", json={"published": False})
        assert [each["mediaProvider"] for each in posted.json()] == ["Relay"]
        assert (await pair.a.statistics())["relay_streams_out"] == "1"
        assert "wcsd_relay_streams_in 1" in (await pair.b.rest.get("/metrics")).text
        (row,) = await pair.b.streams(name="news", published=True)
        assert row["viewers"] == 0
        answer = await pair.b.terminate(name="news", published=True)
        assert (answer.status_code, answer.headers["X-Terminated-Count"]) == (200, "1")
        assert (await player.status("FAILED"))["info"] == "Stopped by publisher stop"
        await until(lambda: not len(relays_of(pair.b).pulls) and not len(relays_of(pair.a).serving))
        assert await refused(pair.two, "playStream", "news") == "Session does not exist"


def _is_muted(pair: Pair) -> bool:
    holder = pair.a.server.parts.directory.holder_of("news")
    return holder is not None and holder.broadcast is not None and holder.broadcast.audio_muted


async def test_a_pull_outlasts_its_last_player_for_a_while_and_needs_no_redis(tmp_path: Path) -> None:
    async with two_nodes(tmp_path, cluster_relay_linger=3600.0) as pair:
        news = await pair.one.publish("news")
        player = await pair.two.play("news")
        await pair.two.send("stopStream", {"mediaSessionId": player.id, "name": "news"})
        await player.until_closed()
        pair.redis.kill()
        again = await pair.two.play("news")
        await until_news(news, again, b"again")
        assert counts_of(pair.b).pulled == 1
        pair.b.live.replace(evolve(pair.b.live.now, cluster_relay_linger=0.01))
        await pair.two.send("stopStream", {"mediaSessionId": again.id, "name": "news"})
        await until(lambda: not len(relays_of(pair.b).pulls) and not len(relays_of(pair.a).serving))


@asynccontextmanager
async def two_nodes_apart(folder: Path, **settings: Any) -> AsyncIterator[tuple[Pair, Nat]]:
    """Two nodes; what goes from the second to the first can be cut."""
    async with two_nodes(folder, cluster_relay_address="127.0.0.2", **settings) as pair:
        ((host, port),) = pair.a.server.parts.plane.addresses
        way = Nat(("127.0.0.2", port), server=(host, port), outside=host)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(way.run)
            yield pair, way
            nursery.cancel_scope.cancel()


async def test_a_way_that_is_cut_and_mended_is_a_pause_for_players(tmp_path: Path) -> None:
    async with two_nodes_apart(tmp_path) as (pair, way):
        news = await pair.one.publish("news")
        player = await pair.two.play("news")
        await until_news(news, player, b"before")
        way.cut = True
        await until(lambda: counts_of(pair.b).resumed > 0)
        way.cut = False
        await until_news(news, player, b"after")
        assert player.statuses == [("PLAYING", None)]
        assert len(relays_of(pair.a).serving) == 1


async def test_players_fail_when_the_origin_is_gone(tmp_path: Path) -> None:
    async with two_nodes_apart(tmp_path) as (pair, way):
        news = await pair.one.publish("news")
        player = await pair.two.play("news")
        await until_news(news, player, b"before")
        way.cut = True
        pair.b.live.replace(evolve(pair.b.live.now, cluster_answer_timeout=0.3))
        assert pair.a.server.parts.clustered is not None
        pair.a.server.parts.clustered.end()  # it hears and says nothing any more
        assert (await player.status("FAILED"))["info"] == "Failed to connect to origin stream"
        assert (counts_of(pair.b).failed, len(relays_of(pair.b).pulls)) == (1, 0)


async def test_the_players_of_a_node_that_stops_in_order_are_told_so(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis, node(tmp_path, "b", redis) as b, wcs_client(b.ws_url()) as two:
        async with node(tmp_path, "a", redis) as a, wcs_client(a.ws_url()) as one:
            for server in (a, b):
                await until_seen(server, 2)
            news = await one.publish("news")
            player = await two.play("news")
            await until_news(news, player, b"before")
        assert (await player.status("FAILED"))["info"] == "Stopped by publisher stop"


async def test_only_members_get_a_stream_and_only_from_who_has_it(tmp_path: Path) -> None:
    async with two_nodes(tmp_path, cluster_max_relays=1) as pair:
        await pair.one.publish("news")
        edge = LegEnd(ufrag="abcdefgh", pwd="a" * 24, fingerprint="sha-256 AA")
        holder = pair.a.server.parts.directory.holder_of("news")
        assert holder is not None
        member = cluster_of(pair.b).membership.member
        assert member is not None

        async def outcome(sender: str, media_session_id: str) -> PullOutcome:
            ask = PullStream(pull=f"relay-{sender}", name="news", media_session_id=media_session_id, edge=edge)
            blank = NodeReply(id="1", sender="a", node_id="a")
            reply = await relays_of(pair.a).carry_out(sender, ask, blank, trio.current_time() + 10)
            assert reply.leg is not None
            assert (reply.leg.origin is not None) == (reply.leg.outcome is PullOutcome.TAKEN)
            return reply.leg.outcome

        assert await outcome("stranger/1", holder.media_session_id) is PullOutcome.REFUSED
        assert await outcome(member, "somebody else's") is PullOutcome.NOT_HERE
        assert await outcome(member, holder.media_session_id) is PullOutcome.TAKEN
        await pair.one.publish("other")
        while counts_of(pair.a).refused < 2:  # where the machine is slow, Redis may be away for a moment
            assert await refused(pair.two, "playStream", "other") == "Failed to connect to origin stream"
