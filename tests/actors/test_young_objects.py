"""Collections of garbage stay small, however many old objects are freed while others are made."""

import gc
import math
from collections import deque
from collections.abc import Iterator

import pytest
import trio
from trio.testing import MockClock

from actors.daemon import GC_THRESHOLDS
from actors.runtime.overload import CALM_TICK, Overload
from actors.runtime.slices import SLICES_PER_COLLECTION, StandingSnapshot, Turns, slices
from actors.runtime.young_objects import CollectionPace

OLD, SLICE, YOUNG_EACH = 4_000, 50, 4


class Made:
    """An object that refers to others."""

    def __init__(self) -> None:
        self.others: list[object] = []


@pytest.fixture(name="looked_at")
def sizes_of_collections() -> Iterator[list[int]]:
    """How many young objects each collection has looked at, under the server's thresholds."""
    sizes: list[int] = []

    def look(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            sizes.append(sum(len(gc.get_objects(each)) for each in range(min(info["generation"], 1) + 1)))

    before, is_on = gc.get_threshold(), gc.isenabled()
    gc.collect()  # what was before is old from here on
    gc.set_threshold(*GC_THRESHOLDS)
    gc.enable()
    gc.callbacks.append(look)
    try:
        yield sizes
    finally:
        gc.callbacks.remove(look)
        gc.set_threshold(*before)
        if not is_on:
            gc.disable()


async def test_a_long_work_that_frees_as_much_as_it_makes_is_collected_in_between(looked_at: list[int]) -> None:
    turns, kept = Turns(), []
    old = [Made() for _ in range(OLD * 2 * YOUNG_EACH)]
    gc.collect()
    looked_at.clear()
    for some in slices(range(OLD), SLICE):
        async with turns:
            for _ in some:
                del old[-2 * YOUNG_EACH :]
                kept += [Made() for _ in range(YOUNG_EACH)]
    await trio.lowlevel.checkpoint()
    gc.collect(0)
    assert len(kept) == OLD * YOUNG_EACH
    assert max(looked_at) < 4 * SLICES_PER_COLLECTION * SLICE * YOUNG_EACH


async def test_a_slice_for_which_others_wait_is_followed_by_no_collection(looked_at: list[int]) -> None:
    turns = Turns()
    looked_at.clear()
    for _ in range(2 * SLICES_PER_COLLECTION):
        async with turns:
            turns.hurry()
    assert not looked_at
    for _ in range(SLICES_PER_COLLECTION):
        async with turns:
            pass
    assert len(looked_at) == 1


async def test_what_comes_together_while_as_much_is_freed_is_looked_at_at_each_tick(
    looked_at: list[int], autojump_clock: MockClock
) -> None:
    ring = deque((Made() for _ in range(OLD)), maxlen=OLD)
    gc.collect()
    looked_at.clear()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Overload(math.inf).run)
        for _ in range(20):
            for _ in range(200):
                ring.append(Made())
            await trio.sleep(CALM_TICK)
        nursery.cancel_scope.cancel()
    assert len(looked_at) >= 19
    assert max(looked_at) < OLD / 2


def test_what_is_gone_through_again_and_again_is_in_one_old_list() -> None:
    snapshot: StandingSnapshot[int] = StandingSnapshot()
    old = snapshot._left
    for last in (3, 0, 5):
        items = list(range(last))
        assert [list(some) for some in snapshot.slices_of(iter(items), 2)] == [
            items[at : at + 2] for at in range(0, last, 2)
        ]
        assert snapshot._left is old
        assert not old, "what is gone is kept by nobody"
    assert next(snapshot.slices_of(range(5), 2)) == [0, 1]
    assert [list(some) for some in snapshot.slices_of(range(7, 9), 2)] == [[7, 8]], (
        "the rest of the last time is left out"
    )


def test_a_collection_of_young_objects_looks_at_no_snapshot_of_thousands(looked_at: list[int]) -> None:
    snapshot: StandingSnapshot[Made] = StandingSnapshot()
    made = [Made() for _ in range(OLD)]
    gc.collect()
    some = snapshot.slices_of(made, SLICE)
    assert len(next(some)) == SLICE
    assert not any(len(each) >= OLD - SLICE for each in gc.get_objects(0) if type(each) is list)


def test_one_of_many_small_works_collects(looked_at: list[int]) -> None:
    looked_at.clear()
    pace = CollectionPace(3)
    told = []
    for _ in range(7):
        pace.step()
        told.append(len(looked_at))
    assert told == [0, 0, 1, 1, 1, 2, 2]
