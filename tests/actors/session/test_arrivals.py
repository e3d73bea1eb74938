"""Connections on their way to a session: how many there may be, of one address and in all, and how they end."""

import pytest
import trio
from trio.testing import MockClock

from actors.session.arrivals import Arrival, Arrivals, TooManyArrivals


async def test_an_address_has_its_share_and_others_have_theirs() -> None:
    arrivals = Arrivals(limit=100, share=2)
    first = arrivals.enter("a")
    arrivals.enter("a")
    with pytest.raises(TooManyArrivals) as refused:
        arrivals.enter("a")
    assert refused.value.limit == "ws.max_arrivals_per_address"
    arrivals.enter("b")
    arrivals.leave(first)
    arrivals.leave(first)
    arrivals.enter("a")
    assert len(arrivals) == 3


async def test_when_there_are_too_many_the_address_with_the_most_loses_its_oldest(autojump_clock: MockClock) -> None:
    arrivals = Arrivals(limit=4, share=4)
    of_a = [arrivals.enter("a") for _ in range(3)]
    arrivals.enter("b")
    arrivals.enter("c")
    assert [arrivals.count_of(address) for address in "abc"] == [2, 1, 1]
    with pytest.raises(trio.TooSlowError):
        await of_a[0].take(trio.sleep_forever, seconds=10)
    assert trio.current_time() < 1, "at once"


async def test_who_has_as_many_as_anybody_gets_no_more() -> None:
    arrivals = Arrivals(limit=3, share=3)
    for address in "abc":
        arrivals.enter(address)
    for address in "ad":
        with pytest.raises(TooManyArrivals) as refused:
            arrivals.enter(address)
        assert refused.value.limit == "ws.max_arrivals"


async def test_a_step_that_is_under_way_ends_when_its_arrival_is_dropped(autojump_clock: MockClock) -> None:
    arrivals = Arrivals(limit=3, share=3)
    arrival = arrivals.enter("a")

    async def wait() -> None:
        with pytest.raises(trio.TooSlowError):
            await arrival.take(trio.sleep_forever, seconds=10)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait)
        await trio.testing.wait_all_tasks_blocked()
        arrivals.drop_all()
    assert trio.current_time() < 1


async def test_a_step_has_its_time_and_gives_its_result(autojump_clock: MockClock) -> None:
    async def seven() -> int:
        await trio.sleep(1)
        return 7

    arrival = Arrival("a")
    assert await arrival.take(seven, seconds=10) == 7
    with pytest.raises(trio.TooSlowError):
        await arrival.take(trio.sleep_forever, seconds=10)
    assert trio.current_time() == pytest.approx(11)
