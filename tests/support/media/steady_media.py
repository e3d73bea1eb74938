"""A publication that sends without a pause, to see that something else costs its viewers no packet."""

import re
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import Final

import trio

from tests.support.nurseries import plain_nursery
from tests.support.session.wcs_client import ClientStream

INTERVAL = 0.005
"""Seconds between two packets."""

_MARK: Final = re.compile(rb"<(\d+)>$")


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
        """Wait until so many more packets have reached every player, without a gap since the first.

        None is missing, none comes twice or too late, and their sequence numbers have no gap either.
        """
        last = self._sent + count
        for player in self._players:
            await player.until_media(lambda packet: packet.payload.endswith(_mark(last)))
            numbers, sequences = _marked(player)
            missing = sorted(set(range(1, last)) - set(numbers))
            assert not missing, f"lost packets: {missing}"
            assert numbers == list(range(1, len(numbers) + 1)), f"not in order, or twice: {numbers}"
            steps = {(after - before) & 0xFFFF for before, after in pairwise(sequences)}
            assert steps == {1}, f"sequence numbers: {sequences}"


def _mark(number: int) -> bytes:
    return b"<%d>" % number


def _marked(player: ClientStream) -> tuple[list[int], list[int]]:
    """The numbers of the packets that were sent, as they came, and their sequence numbers."""
    packets = [packet for packet in player.peer.received if packet.payload_type == player.peer.video_type]
    found = [(mark, packet.sequence) for packet in packets if (mark := _MARK.search(packet.payload))]
    return [int(mark[1]) for mark, _ in found], [sequence for _, sequence in found]


@asynccontextmanager
async def steady_media(publication: ClientStream, *players: ClientStream) -> AsyncIterator[SteadyMedia]:
    """Media that flows all the time, from `publication` to `players`."""
    media = SteadyMedia(publication, players)
    async with plain_nursery() as nursery:
        nursery.start_soon(media.send)
        await media.so_many_more(3)
        yield media
        nursery.cancel_scope.cancel()
