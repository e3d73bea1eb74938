"""What all start pages show is made once a second, and shared."""

from typing import Any

import httpx
import pytest
import trio
from trio.testing import MockClock

from actors.web.api.shared_snapshots import MAX_KEPT, SharedSnapshots
from protocol.node.descriptions import StreamDescription
from protocol.node.filters import StreamFilter
from protocol.rest.paging import Found, Page
from tests.support.streams import StreamWorld, stream
from tests.support.web import client_of


class CountingWorld(StreamWorld):
    """A world that counts how often its streams are looked at."""

    searches = 0

    async def find(self, query: StreamFilter, page: Page, *, traffic: bool) -> Found[StreamDescription]:
        self.searches += 1
        await trio.sleep(0.01)
        return await super().find(query, page, traffic=traffic)


async def test_pages_that_show_the_same_share_a_snapshot_for_a_second(autojump_clock: MockClock) -> None:
    world = CountingWorld([stream("m1", "room"), stream("m2", "hall")])
    states: list[Any] = []

    async def ask(client: httpx.AsyncClient, path: str = "/page/state") -> None:
        states.append((await client.get(path)).json())

    async with client_of(world) as client, trio.open_nursery() as nursery:
        for _ in range(5):
            nursery.start_soon(ask, client)
        await trio.sleep(0.5)
        await ask(client)
        assert world.searches == 1
        assert states == [states[0]] * 6
        await ask(client, "/page/state?limit=1")
        assert world.searches == 2
        assert len(states[-1]["streams"]) == 1
        world.streams.pop()
        await trio.sleep(0.6)
        await ask(client)
        assert (world.searches, states[-1]["totals"]["streams"]) == (3, 1)


async def test_who_gives_up_waiting_spoils_nothing_for_the_others(autojump_clock: MockClock) -> None:
    snapshots: SharedSnapshots[int] = SharedSnapshots(1.0)
    made = 0

    async def make() -> int:
        nonlocal made
        made += 1
        await trio.sleep(0.2)
        return made

    async with trio.open_nursery() as nursery:
        with trio.move_on_after(0.1):
            await snapshots.get("x", make)
        nursery.start_soon(snapshots.get, "x", make)
        assert await snapshots.get("x", make) == 2
    assert made == 2


async def test_what_cannot_be_made_is_tried_again(autojump_clock: MockClock) -> None:
    snapshots: SharedSnapshots[int] = SharedSnapshots(1.0)

    async def fail() -> int:
        raise ZeroDivisionError

    async def make() -> int:
        return 7

    with pytest.raises(ZeroDivisionError):
        await snapshots.get("x", fail)
    assert await snapshots.get("x", make) == 7


async def test_few_different_ones_are_kept() -> None:
    snapshots: SharedSnapshots[int] = SharedSnapshots(1.0)
    made: list[int] = []
    for number in (*range(MAX_KEPT + 1), 1, 0):

        async def make(number: int = number) -> int:
            made.append(number)
            return number

        assert await snapshots.get(number, make) == number
    assert made == [*range(MAX_KEPT + 1), 0]
