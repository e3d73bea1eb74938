"""The whole server inside the test's own process: real sockets on free ports, and its insides at hand."""

import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import trio
from attrs import evolve, frozen

from actors.server import Server
from actors.storage.state_folder import StateFolder
from config.live import Live
from config.settings import Settings
from config.values.addresses import AddressPair
from tests.support.nurseries import plain_nursery
from tests.support.servers.server_process import POLL, Address
from tests.support.session.wcs_client import PATIENCE

LOOPBACK = Settings(
    ip=(AddressPair("127.0.0.1"),),
    media_port_from=0,
    ws_port=0,
    wss_port=0,
    http_port=0,
    https_port=0,
    overload_max_loop_lag=math.inf,  # a slow machine is no overload
)


@frozen(eq=False, kw_only=True)
class FullServer:
    """A running server; `rest` is a client of its REST API."""

    server: Server
    live: Live
    addresses: dict[str, tuple[Address, ...]]
    rest: httpx.AsyncClient

    def ws_url(self, host: str | None = None) -> str:
        return self.url("ws", host)

    def url(self, listener: str, host: str | None = None) -> str:
        """Where a WebSocket listener is: `ws` or `wss`."""
        (address,) = self.addresses[listener]
        return f"{listener}://{address.as_seen_by_client(host)}"

    async def terminate(self, **filters: Any) -> httpx.Response:
        return await self.rest.post("/rest-api/stream/terminate", json=filters)

    async def streams(self, **filters: Any) -> list[dict[str, Any]]:
        """The live streams that match, as `stream/find` shows them."""
        answer = await self.rest.post("/rest-api/stream/find", json=filters)
        if answer.status_code == httpx.codes.NOT_FOUND:
            return []
        found: list[dict[str, Any]] = answer.raise_for_status().json()
        return found

    async def statistics(self) -> dict[str, str]:
        """Every counter of `/?action=stat`."""
        answer = await self.rest.get("/", params={"action": "stat"})
        pairs = (line.partition("=") for line in answer.raise_for_status().text.splitlines())
        return {key: value for key, equals, value in pairs if equals}

    async def until_idle(self) -> None:
        """Wait until no client and no stream is left."""
        with trio.fail_after(PATIENCE):
            while not await self._is_idle():  # noqa: ASYNC110 - the server tells no one that it is idle
                await trio.sleep(POLL)  # to wait until all tasks are blocked would be for ever: some wake often

    async def _is_idle(self) -> bool:
        counters = await self.statistics()
        return all(counters[key] == "0" for key in ("connections_websocket", "streams_webrtc_in", "streams_webrtc_out"))


@asynccontextmanager
async def full_server(folder: Path, **settings: Any) -> AsyncIterator[FullServer]:
    """A server with its state in `folder`, on loopback; shut down in order at the end."""
    with StateFolder(folder / "state") as state:
        live = Live(evolve(LOOPBACK, **settings))
        server = Server(live.settings, state)
        ready = trio.Event()
        async with plain_nursery() as nursery:
            nursery.start_soon(_run, server, ready)
            await ready.wait()
            addresses = bound(server)
            base_url = f"http://{addresses['http'][0].as_seen_by_client(None)}"
            # No `verify`: not to read the certificates of all authorities, which takes 40 ms.
            async with httpx.AsyncClient(base_url=base_url, verify=False, trust_env=False, timeout=60) as rest:
                yield FullServer(server=server, live=live, addresses=addresses, rest=rest)
            server.close()


async def _run(server: Server, ready: trio.Event) -> None:
    await server.run(on_ready=lambda _: ready.set())


def bound(server: Server) -> dict[str, tuple[Address, ...]]:
    """The addresses of a server's ready line, by listener."""
    pairs = (word.split("=") for word in server.ready_line.split()[2:])
    return {name: tuple(map(Address.parse, text.split(","))) for name, text in pairs}
