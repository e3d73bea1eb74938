"""What all start pages show is made once a second, and shared."""

import weakref
from functools import partial
from typing import Any

import httpx
import pytest
import trio
import trio.lowlevel
from trio.testing import MockClock

from actors.runtime.slices import FREED_AT_ONCE, used_up
from actors.web.api.shared_snapshots import MAX_KEPT, SharedSnapshots
from protocol.node.descriptions import StreamDescription
from protocol.node.filters import StreamFilter
from protocol.rest.paging import Found, Page
from tests.support.web.stream_world import StreamWorld, stream
from tests.support.web.web_rig import client_of


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


async def test_few_different_ones_are_kept(mock_clock: MockClock) -> None:
    snapshots: SharedSnapshots[int] = SharedSnapshots(1.0)
    made: list[int] = []
    for number in (*range(MAX_KEPT + 1), 1, 0):

        async def make(number: int = number) -> int:
            made.append(number)
            return number

        assert await snapshots.get(number, make) == number
    assert made == [*range(MAX_KEPT + 1), 0]


class Freed(trio.abc.Instrument):
    """The most objects that one pass of the loop has freed."""

    def __init__(self) -> None:
        self.now = self.most = self.all = 0

    def note(self) -> None:
        self.now += 1
        self.all += 1

    def before_io_wait(self, timeout: float) -> None:
        self.most, self.now = max(self.most, self.now), 0


class Item:
    """Something large."""


def items_of(freed: Freed, count: int) -> tuple[Item, ...]:
    items = tuple(Item() for _ in range(count))
    for item in items:
        weakref.finalize(item, freed.note)
    return items


async def test_a_large_snapshot_is_freed_some_at_a_time(autojump_clock: MockClock) -> None:
    snapshots: SharedSnapshots[tuple[Item, ...]] = SharedSnapshots(1.0)
    freed = Freed()

    async def make(count: int) -> tuple[Item, ...]:
        return items_of(freed, count)

    trio.lowlevel.add_instrument(freed)
    try:
        await snapshots.get("x", partial(make, 5 * FREED_AT_ONCE))
        await trio.sleep(2)
        assert len(await snapshots.get("x", partial(make, 1))) == 1
        await trio.lowlevel.checkpoint()
    finally:
        trio.lowlevel.remove_instrument(freed)
    assert (freed.all, freed.most) == (5 * FREED_AT_ONCE, FREED_AT_ONCE)


async def test_what_a_list_has_shown_is_forgotten_at_once() -> None:
    freed = Freed()
    shown = map(id, used_up(items_of(freed, 9)))
    for number in range(9):
        assert freed.all == number
        next(shown)
    assert next(shown, None) is None
    assert freed.all == 9
