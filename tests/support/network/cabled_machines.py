"""Two machines, as network namespaces with a cable between them. Redis and one node are on one side. Needs root."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import trio
from attrs import frozen

from tests.support.network.network_namespace import Namespace, linked_namespaces
from tests.support.redis.redis_proxy import redis_proxy
from tests.support.redis.redis_server import redis_server
from tests.support.servers.server_process import ServerProcess
from tests.support.session.wcs_client import ClientStream, WcsClient, wcs_client
from tests.support.webrtc.media_peer import MediaPeer

HOME, AWAY, HERE = "10.78.0.1", "10.78.0.2", "127.0.0.1"
"""Addresses of both ends of the cable; and that of each node for its own pages."""
ADDRESSES: Final = ([f"{HOME}/24"], [f"{AWAY}/24"])


class Tab:
    """A page somewhere, with a session at a node that it reaches by one address."""

    def __init__(self, namespace: Namespace, page: WcsClient, host: str) -> None:
        self.namespace, self.page, self.host = namespace, page, host

    async def publish(self, name: str) -> ClientStream:
        stream = await self._media("publishStream", name)
        stream.send_key_frame()
        await stream.status("PUBLISHING")
        return stream

    async def play(self, name: str) -> ClientStream:
        return await self._media("playStream", name)

    async def _media(self, message: str, name: str) -> ClientStream:
        local = HERE if self.host == HERE else HOME if self.host == AWAY else AWAY
        with self.namespace.entered():
            peer = MediaPeer(host=local)
        stream = await self.page.offer(message, name, peer)
        await self.page.connect_media(stream, only=self.host)
        return stream


@frozen(eq=False)
class Machines:
    """Both namespaces, what runs in each, and a page beside each node."""

    home: Namespace
    away: Namespace
    nodes: tuple[ServerProcess, ServerProcess]
    a: Tab
    b: Tab
    _stack: AsyncExitStack

    async def far_page(self) -> Tab:
        """A page at home that has its session with the other machine's node."""
        return await _tab(self._stack, self.home, self.nodes[1], AWAY)


@asynccontextmanager
async def two_machines(folder: Path, *, mtu: int | None = None) -> AsyncIterator[Machines]:
    """`mtu`: bytes that the cable takes in one piece, if not as many as usual."""
    with linked_namespaces(*ADDRESSES) as (home, away):
        for namespace in (home, away):
            if mtu is not None:
                namespace.limit_cable(mtu)
        async with AsyncExitStack() as stack:
            with home.entered():
                redis = await stack.enter_async_context(redis_server(folder))
                way = await stack.enter_async_context(redis_proxy(redis, HOME))
            a = await _node(stack, home, folder / "a", redis.url, HOME)
            b = await _node(stack, away, folder / "b", way.url, AWAY)
            for each in ((home, a), (away, b)):
                await trio.to_thread.run_sync(_until_seen, *each)
            pages = [await _tab(stack, *each, HERE) for each in ((home, a), (away, b))]
            yield Machines(home, away, (a, b), pages[0], pages[1], stack)


async def _node(stack: AsyncExitStack, namespace: Namespace, folder: Path, redis: str, address: str) -> ServerProcess:
    """In a thread, for its way to Redis may lead through this loop."""
    await trio.Path(folder).mkdir()
    settings: dict[str, object] = {
        "cluster.redis_url": redis,
        "cluster.relay_address": address,
        "cluster.answer_timeout": 1000,
    }
    server = await trio.to_thread.run_sync(_start, namespace, folder, settings)
    stack.push_async_callback(_stop, server)
    return server


async def _stop(server: ServerProcess) -> None:
    """Also where the test was broken off."""
    with trio.CancelScope(shield=True):
        await trio.to_thread.run_sync(server.stop)


def _start(namespace: Namespace, folder: Path, settings: dict[str, object]) -> ServerProcess:
    with namespace.entered():
        return ServerProcess(folder, settings)


def _until_seen(namespace: Namespace, node: ServerProcess) -> None:
    """Wait until the node answers for both."""

    def answers_for_both() -> bool:
        with namespace.entered():
            return node.post("/connection/find_all", {}).headers["X-Cluster-Nodes"] == "2/2"

    node.wait_until(answers_for_both, what="both nodes see each other")


async def _tab(stack: AsyncExitStack, namespace: Namespace, node: ServerProcess, host: str) -> Tab:
    with namespace.entered():
        page = await stack.enter_async_context(wcs_client(node.ws_url(host)))
    return Tab(namespace, page, host)
