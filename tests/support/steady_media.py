"""A publication that sends without a pause, to see that something else costs its viewers no packet."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import trio

from tests.support.wcs_client import ClientStream

INTERVAL = 0.005
"""Seconds between two packets."""


class SteadyMedia:
    """One publication and those of its players whose packets are looked at."""

    def __init__(self, publication: ClientStream, players: Sequence[ClientStream]) -> None:
        self._publication = publication
        self._players = tuple(players)
        self._sent = 0

    async def send(self) -> None:
        """Send until cancelled."""
        while True:
            self._sent += 1
            self._publication.send_key_frame(_mark(self._sent))
            await trio.sleep(INTERVAL)

    async def so_many_more(self, count: int = 20) -> None:
        """Wait until so many more packets have reached every player, without a gap since the first."""
        last = self._sent + count
        for player in self._players:
            await player.until_media(lambda packet: packet.payload.endswith(_mark(last)))
            arrived = [packet.payload for packet in player.peer.received]
            missing = [number for number in range(1, last) if not any(map(_ends(number), arrived))]
            assert not missing, f"lost packets: {missing}"


def _mark(number: int) -> bytes:
    return b"<%d>" % number


def _ends(number: int) -> Callable[[bytes], bool]:
    return lambda payload: payload.endswith(_mark(number))


@asynccontextmanager
async def steady_media(publication: ClientStream, *players: ClientStream) -> AsyncIterator[SteadyMedia]:
    """Media that flows all the time, from `publication` to `players`."""
    media = SteadyMedia(publication, players)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(media.send)
        await media.so_many_more(3)
        yield media
        nursery.cancel_scope.cancel()
