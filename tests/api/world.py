"""Streams that come back: a server full of them, whatever the REST API stops.

Without them every find would answer 404, and every terminate would be about nothing.
"""

import contextlib
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import trio
from trio_websocket import ConnectionClosed

from protocol.access.bans import BanAction
from tests.support.session.wcs_client import WcsClient, wcs_client
from tests.support.webrtc.media_peer import MediaPeer

SESSIONS = 10
STREAMS = 5
"""Per session."""
PAUSE = 0.1
"""Seconds between two attempts, which may be refused at once while there is a ban."""
STOPPED = (AssertionError, trio.TooSlowError)
"""What a client raises when its stream is stopped while it waits for something else."""


@asynccontextmanager
async def lasting_world(url: str, rest: str) -> AsyncIterator[None]:
    """Fifty streams at `url`, a few with media; each one that ends is asked for again, and so is each session.

    Bans are lifted and sources removed by REST, whose URL is `rest`.
    """
    peer = MediaPeer()
    offers = {"publishStream": peer.publish_offer(), "playStream": peer.play_offer()}
    peer.udp.close()
    async with trio.open_nursery() as nursery:
        for number in range(SESSIONS):
            nursery.start_soon(_keep_session, url, number, offers)
        nursery.start_soon(_make_way, rest)
        yield
        nursery.cancel_scope.cancel()


async def _make_way(rest: str) -> None:
    """Whoever is banned, or has a name that became that of a source, comes back soon."""
    async with httpx.AsyncClient(base_url=rest, trust_env=False) as client:
        while True:
            for action in BanAction:
                await client.post("/rest-api/bans/remove", json={"action": action})
            sources = await client.post("/rest-api/source/find_all")
            for source in sources.json() if sources.is_success else ():
                await client.post("/rest-api/source/remove", json={"name": source["name"]})
            await trio.sleep(10 * PAUSE)


async def _keep_session(url: str, number: int, offers: dict[str, str]) -> None:
    while True:
        async with wcs_client(url, established=False) as client:
            with contextlib.suppress(ConnectionClosed, *STOPPED):
                await client.connect(clientVersion=f"2.0.{number}")
                await _keep_streams(client, number, offers)
        await trio.sleep(PAUSE)


async def _keep_streams(client: WcsClient, number: int, offers: dict[str, str]) -> None:
    """The streams of a session, until it is closed."""
    async with trio.open_nursery() as streams:
        streams.start_soon(_keep_media, client, f"live-{number}")
        for other in range(1, STREAMS):
            message = "playStream" if other == 1 else "publishStream"
            name = f"live-{(number + 1) % SESSIONS}" if other == 1 else f"room-{number}-{other}"
            streams.start_soon(_keep_stream, client, message, name, offers[message])
        await client.closed.wait()
        streams.cancel_scope.cancel()


async def _keep_media(client: WcsClient, name: str) -> None:
    """A publication with media."""
    with contextlib.suppress(ConnectionClosed):
        while not client.closed.is_set():
            await trio.sleep(PAUSE)
            with contextlib.suppress(*STOPPED):
                stream = await client.publish(name)
                await stream.status("FAILED", within=math.inf)


async def _keep_stream(client: WcsClient, message: str, name: str, offer: str) -> None:
    """A stream whose peer never connects."""
    with contextlib.suppress(ConnectionClosed):
        while not client.closed.is_set():
            await trio.sleep(PAUSE)
            media_session_id = await client.request(message, name, offer)
            with contextlib.suppress(*STOPPED):
                await client.receive(
                    "notifyStreamStatusEvent", within=math.inf, mediaSessionId=media_session_id, status="FAILED"
                )
