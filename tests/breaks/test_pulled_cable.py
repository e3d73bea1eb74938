"""Two machines, as network namespaces, and the cable between them is pulled. Redis and one node are on one side."""

from contextlib import AsyncExitStack
from pathlib import Path

import trio

from protocol.cluster.members import LEASE
from tests.support.media_peer import MediaPeer
from tests.support.network_namespace import Namespace, linked_namespaces
from tests.support.redis_proxy import redis_proxy
from tests.support.redis_server import redis_server
from tests.support.root import needs_root
from tests.support.server_process import ServerProcess, running_server
from tests.support.two_nodes import refused, until_news
from tests.support.wcs_client import ClientStream, WcsClient, wcs_client

HOME, AWAY, HERE = "10.78.0.1", "10.78.0.2", "127.0.0.1"
"""Addresses of both ends of the cable; and that of each node for its own pages."""


class Machine:
    """A namespace, its node, and a page there."""

    def __init__(self, namespace: Namespace, server: ServerProcess, page: WcsClient) -> None:
        self.namespace, self.server, self.page = namespace, server, page

    async def publish(self, name: str) -> ClientStream:
        stream = await self._media("publishStream", name)
        stream.send_key_frame()
        await stream.status("PUBLISHING")
        return stream

    async def play(self, name: str) -> ClientStream:
        return await self._media("playStream", name)

    async def _media(self, message: str, name: str) -> ClientStream:
        with self.namespace.entered():
            peer = MediaPeer(host=HERE)
        stream = await self.page.offer(message, name, peer)
        await self.page.connect_media(stream, only=HERE)
        return stream


async def machine(stack: AsyncExitStack, namespace: Namespace, folder: Path, redis: str, address: str) -> Machine:
    await trio.Path(folder).mkdir()
    settings = {"cluster.redis_url": redis, "cluster.relay_address": address, "cluster.answer_timeout": 1000}
    with namespace.entered():
        server = stack.enter_context(running_server(folder, settings))
        return Machine(namespace, server, await stack.enter_async_context(wcs_client(server.ws_url(HERE))))


@needs_root
async def test_a_node_whose_cable_is_pulled_serves_its_own_pages_and_yields_what_others_took(tmp_path: Path) -> None:
    with linked_namespaces([f"{HOME}/24"], [f"{AWAY}/24"]) as (home, away):
        async with AsyncExitStack() as stack:
            with home.entered():
                redis = await stack.enter_async_context(redis_server(tmp_path))
                way = await stack.enter_async_context(redis_proxy(redis, HOME))
            a = await machine(stack, home, tmp_path / "a", redis.url, HOME)
            b = await machine(stack, away, tmp_path / "b", way.url, AWAY)
            taken, kept = await b.publish("taken"), await b.publish("kept")
            here, there = await b.play("kept"), await a.play("kept")
            await until_news(kept, there, b"before")
            home.pull_cable()
            await trio.sleep(LEASE + 1)
            assert (await there.status("FAILED"))["info"] == "Failed to connect to origin stream"
            await until_news(kept, here, b"during")
            mine = await a.publish("taken")
            home.plug_cable()
            assert (await taken.status("FAILED"))["info"] == "Stream name is already in use"
            assert await refused(a.page, "publishStream", "kept") == "Stream name is already in use"
            await until_news(kept, await a.play("kept"), b"after")
            assert mine.statuses == kept.statuses == [("PUBLISHING", None)]
