"""Pages that come, publish, play, tell the backend numbers, and go: all the time, whatever the backend does."""

import itertools
import time

import trio
from attrs import define, field, frozen
from trio_websocket import ConnectionClosed, HandshakeError

from tests.support.session.wcs_client import ClientStream, WcsClient, wcs_client
from tests.support.webrtc.media_peer import MediaPeer

METHOD = "DataStatusEvent"
"""The one notification that pages may send at will; its `operationId` is theirs."""
PAGES = 6
STREAMS = 2
"""In one visit."""
NUMBERS = 4
"""That are told at each of three moments of a stream."""
WATCHING = 1.0
REFUSED = 0.3
"""Seconds in which a stream is watched, and after which a page that was refused comes again."""


@frozen
class Told:
    """What a page has told: its visit, a number that grows in it, and when (CLOCK_MONOTONIC, seconds)."""

    visit: str
    number: int
    at: float


@define
class Diary:
    """What pages did."""

    told: list[Told] = field(factory=list)
    ended: set[str] = field(factory=set)
    """Media sessions of publications that went live, and were ended by their pages."""
    visits: int = 0
    refused: int = 0
    failures: list[str] = field(factory=list)
    """Visits that did not become what they should have."""
    is_over: bool = False
    """No more visits; what a page cannot finish now is no failure."""


async def come_and_go(url: str, diary: Diary) -> None:
    """All pages, until it is over."""
    async with trio.open_nursery() as nursery:
        for _ in range(PAGES):
            nursery.start_soon(_page, url, diary)
            await trio.sleep(WATCHING / PAGES)


async def _page(url: str, diary: Diary) -> None:
    while not diary.is_over:
        diary.visits += 1
        visit = f"visit{diary.visits}"
        try:
            async with wcs_client(url, established=False) as client:
                if await _is_let_in(client):
                    await _visit(client, visit, diary)
                    continue
            diary.refused += 1
        except* (OSError, HandshakeError, ConnectionClosed, AssertionError, trio.TooSlowError) as errors:
            if not diary.is_over:
                diary.failures += [f"{error!r:.500}" for error in errors.exceptions]
        await trio.sleep(REFUSED)


async def _is_let_in(client: WcsClient) -> bool:
    try:
        await client.connect()
    except AssertionError:  # the server has closed the connection
        return False
    return True


async def _visit(client: WcsClient, visit: str, diary: Diary) -> None:
    numbers = itertools.count()
    for number in range(STREAMS):
        await _stream(client, f"{visit}-{number}", visit, numbers, diary)


async def _stream(client: WcsClient, name: str, visit: str, numbers: "itertools.count[int]", diary: Diary) -> None:
    publication = await client.publish(name, peer=MediaPeer(audio=False), hasAudio=False)
    await _tell(client, visit, numbers, diary)
    player = await client.play(name, peer=MediaPeer(audio=False), hasAudio=False)
    await _tell(client, visit, numbers, diary)
    await trio.sleep(WATCHING)
    await _unpublish(client, publication)
    diary.ended.add(publication.id)
    await _tell(client, visit, numbers, diary)
    publication.leave()
    player.leave()


async def _tell(client: WcsClient, visit: str, numbers: "itertools.count[int]", diary: Diary) -> None:
    for _ in range(NUMBERS):
        number = next(numbers)
        await client.send(METHOD, {"operationId": f"{visit}:{number}", "status": "ACCEPTED"})
        diary.told.append(Told(visit, number, time.monotonic()))


async def _unpublish(client: WcsClient, publication: ClientStream) -> None:
    request = {"mediaSessionId": publication.id, "name": publication.name, "published": True}
    await client.send("unPublishStream", request)
    await publication.status("UNPUBLISHED")
