"""Two servers that share a real Redis, with a client of each."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

import trio

from actors.cluster.cluster import Cluster
from protocol.cluster.redis_url import parse_redis_url
from tests.support.redis.redis_server import POLL, RedisServer, redis_server
from tests.support.servers.full_server import FullServer, full_server
from tests.support.session.wcs_client import PATIENCE, ClientStream, WcsClient, wcs_client
from tests.support.webrtc.media_peer import MediaPeer

ASK_AGAIN = 3.0
"""Seconds: whoever did not listen when all were asked never answers."""


class HasUrl(Protocol):
    """A Redis, or what stands for it."""

    @property
    def url(self) -> str: ...


@asynccontextmanager
async def node(folder: Path, name: str, redis: HasUrl, **settings: Any) -> AsyncIterator[FullServer]:
    """A server that shares this Redis."""
    home = folder / name
    home.mkdir(exist_ok=True)
    patient = {"cluster_timeout": PATIENCE, "cluster_answer_timeout": PATIENCE}
    shared = {"cluster_redis_url": parse_redis_url(redis.url), **patient}
    async with full_server(home, **{**shared, **settings}) as server:
        yield server


class Pair:
    """Two nodes, and a client of each."""

    def __init__(self, redis: RedisServer, a: FullServer, b: FullServer, one: WcsClient, two: WcsClient) -> None:
        self.redis, self.a, self.b, self.one, self.two = redis, a, b, one, two


@asynccontextmanager
async def two_nodes(folder: Path, **settings: Any) -> AsyncIterator[Pair]:
    async with redis_server(folder) as redis:
        async with node(folder, "a", redis, **settings) as a, node(folder, "b", redis, **settings) as b:
            async with wcs_client(a.ws_url()) as one, wcs_client(b.ws_url()) as two:
                for server in (a, b):
                    await until_seen(server, 2)
                yield Pair(redis, a, b, one, two)


def cluster_of(server: FullServer) -> Cluster:
    clustered = server.server.parts.clustered
    assert clustered is not None
    return clustered.cluster


async def until_seen(server: FullServer, nodes: int) -> None:
    """Wait until the server answers for so many nodes, and all of them listen."""
    with trio.fail_after(PATIENCE):
        while True:
            with trio.move_on_after(ASK_AGAIN):
                answer = await server.rest.get("/rest-api/connection/find_all")
                view = cluster_of(server).membership.view
                is_answered = answer.headers["X-Cluster-Nodes"] == f"{nodes}/{nodes}"
                if is_answered and view is not None and len(view.members) == nodes:
                    return
            await trio.sleep(POLL)


async def refused(client: WcsClient, message: str, name: str) -> str:
    """Ask to publish or play; why it fails."""
    peer = MediaPeer()
    client.peers.append(peer)
    offer = peer.publish_offer() if message == "publishStream" else peer.play_offer()
    stream_id = await client.request(message, name, offer)
    frame = await client.receive("notifyStreamStatusEvent", mediaSessionId=stream_id, status="FAILED")
    return str(frame["info"])


async def until_news(publisher: ClientStream, player: ClientStream, what: bytes) -> None:
    """Publish key frames until the player has received one of these: the first may be lost on a way that begins."""
    with trio.fail_after(PATIENCE):
        while not any(what in packet.payload for packet in player.peer.received):
            publisher.send_key_frame(what)
            await trio.sleep(POLL * 5)
