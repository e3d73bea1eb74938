"""Who gets the next place, before one host: by turns, and nobody gets all of what several want."""

from collections import Counter, defaultdict
from functools import partial

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.runtime.fair_queue import Caller, FairQueue
from actors.runtime.shared_slots import SharedSlots

# -- the line ----------------------------------------------------------------------------------------------------------


def test_applications_take_turns_and_sessions_inside_them() -> None:
    line: FairQueue[str] = FairQueue()
    for app, session, count in (("a", "1", 3), ("a", "2", 2), ("b", "1", 2)):
        for number in range(count):
            line.add(Caller(app, session), f"{app}{session}.{number}")
    taken = [line.take() for _ in range(len(line))]
    assert taken == ["a1.0", "b1.0", "a2.0", "b1.1", "a1.1", "a2.1", "a1.2"]
    assert line.take() is None


def test_an_application_that_may_not_is_passed_by_and_keeps_its_turn() -> None:
    line: FairQueue[str] = FairQueue()
    line.add(Caller("a", "1"), "a")
    line.add(Caller("b", "1"), "b")
    assert line.take(lambda app: app != "a") == "b"
    assert line.take(lambda app: app != "a") is None
    assert line.take() == "a"


CALLERS = st.builds(Caller, st.sampled_from("ab"), st.sampled_from("123"))


@given(st.lists(st.tuples(st.sampled_from(["add", "discard", "take"]), CALLERS, st.integers(0, 5))))
def test_the_line_holds_what_was_put_in_and_not_taken_out(actions: list[tuple[str, Caller, int]]) -> None:
    line: FairQueue[tuple[Caller, int]] = FairQueue()
    expected: dict[Caller, list[tuple[Caller, int]]] = defaultdict(list)
    for action, caller, number in actions:
        item = (caller, number)
        if action == "add" and item not in expected[caller]:
            line.add(caller, item)
            expected[caller].append(item)
        elif action == "discard":
            line.discard(caller, item)
            expected[caller] = [other for other in expected[caller] if other != item]
        elif action == "take":
            taken = line.take()
            if taken is None:
                assert not any(expected.values())
            else:
                assert expected[taken[0]].pop(0) == taken
        assert len(line) == sum(map(len, expected.values()))


# -- places ------------------------------------------------------------------------------------------------------------


class Crowd:
    """Callers that take places and keep them until told."""

    def __init__(self, nursery: trio.Nursery, total: int, *, is_shared: bool) -> None:
        self.places = SharedSlots(total, is_shared=lambda: is_shared)
        self.held: Counter[str] = Counter()
        self.order: list[str] = []
        self._nursery = nursery
        self._leave: list[tuple[str, trio.Event]] = []

    async def want(self, app: str, count: int, *, sessions: int = 1) -> None:
        """Ask for places, and wait until all who can have one have it."""
        for number in range(count):
            self._nursery.start_soon(self._hold, Caller(app, f"{app}{number % sessions}"))
        await wait_all_tasks_blocked()

    async def _hold(self, caller: Caller) -> None:
        await self.places.take(caller)
        self.held[caller.app] += 1
        self.order.append(caller.session)
        leave = trio.Event()
        self._leave.append((caller.app, leave))
        try:
            await leave.wait()
        finally:
            self.held[caller.app] -= 1
            self.places.give_back(caller)

    async def release(self, app: str, count: int = 1) -> None:
        """Let some of an application's callers leave."""
        for _ in range(count):
            found = next(entry for entry in self._leave if entry[0] == app)
            self._leave.remove(found)
            found[1].set()
            await wait_all_tasks_blocked()


@pytest.mark.parametrize("total", [1, 2, 3, 100])
async def test_alone_an_application_has_all_places(autojump_clock: MockClock, total: int) -> None:
    async with trio.open_nursery() as nursery:
        crowd = Crowd(nursery, total, is_shared=False)
        await crowd.want("a", total + 5)
        assert (crowd.held["a"], crowd.places.taken, crowd.places.waiting) == (total, total, 5)
        nursery.cancel_scope.cancel()
    assert (crowd.places.taken, crowd.places.waiting) == (0, 0)


@pytest.mark.parametrize(("total", "first", "second"), [(2, 1, 1), (3, 2, 1), (4, 3, 1), (8, 6, 1), (100, 75, 19)])
async def test_where_several_share_one_never_has_all(
    autojump_clock: MockClock, total: int, first: int, second: int
) -> None:
    async with trio.open_nursery() as nursery:
        crowd = Crowd(nursery, total, is_shared=True)
        await crowd.want("a", 2 * total)
        assert crowd.held["a"] == first
        await crowd.want("b", 2 * total)
        assert crowd.held["b"] == second
        nursery.cancel_scope.cancel()


async def test_two_that_want_everything_end_up_with_as_much(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        crowd = Crowd(nursery, 100, is_shared=True)
        await crowd.want("a", 500)
        await crowd.want("b", 500)
        for _ in range(60):
            await crowd.release("a")
        assert abs(crowd.held["a"] - crowd.held["b"]) <= 2
        newcomer = crowd.held["c"]
        await crowd.want("c", 1)
        assert crowd.held["c"] == newcomer + 1
        nursery.cancel_scope.cancel()


async def test_a_session_that_wants_a_thousand_places_lets_another_have_the_next(autojump_clock: MockClock) -> None:
    async with trio.open_nursery() as nursery:
        crowd = Crowd(nursery, 5, is_shared=False)
        await crowd.want("a", 1000)
        nursery.start_soon(crowd._hold, Caller("a", "other"))
        await wait_all_tasks_blocked()
        await crowd.release("a", 2)
        assert "other" in crowd.order[5:]
        nursery.cancel_scope.cancel()


@pytest.mark.parametrize("is_shared", [False, True])
async def test_who_gives_up_leaves_nothing_behind_whenever_that_is(autojump_clock: MockClock, is_shared: bool) -> None:
    places = SharedSlots(3, is_shared=lambda: is_shared)
    most = 0

    async def hold(caller: Caller, patience: float) -> None:
        nonlocal most
        with trio.move_on_after(patience):
            await places.take(caller)
            most = max(most, places.taken)
            try:
                await trio.sleep(1)
            finally:
                places.give_back(caller)

    async with trio.open_nursery() as nursery:
        for number in range(300):
            nursery.start_soon(partial(hold, Caller(f"app{number % 3}", f"{number % 7}"), number % 10 / 2))
    assert (places.taken, places.waiting) == (0, 0)
    assert most == 3


async def test_a_place_that_comes_to_somebody_who_has_just_given_up_is_not_lost(autojump_clock: MockClock) -> None:
    places = SharedSlots(1, is_shared=lambda: False)
    caller, patience = Caller("a", "1"), trio.CancelScope()

    async def wait() -> None:
        with patience:
            await places.take(caller)

    await places.take(caller)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await wait_all_tasks_blocked()
        patience.cancel()
        places.give_back(caller)
        assert places.taken == 1
    assert patience.cancelled_caught
    assert places.taken == 0
