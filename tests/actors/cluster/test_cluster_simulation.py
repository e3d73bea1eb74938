"""Twenty nodes for ten minutes of outages: each stream keeps its name or ends, and nothing else holds one.

The two hours are a part of `bin/test long`.
"""

import pytest
import trio.testing

from tests.support.cluster.cluster_simulation import simulate


@pytest.mark.slow
async def test_names_stay_unique_whatever_becomes_of_the_registry(autojump_clock: trio.testing.MockClock) -> None:
    tally = await simulate(nodes=20, seconds=600, seed=1)
    assert tally.faults == {}, tally
    assert min(tally.events[each] for each in ("cut", "kill", "outage", "wipe", "terminate", "refused", "lost")) > 0


@pytest.mark.slow
async def test_the_same_seed_is_the_same_run(autojump_clock: trio.testing.MockClock) -> None:
    first, second = [await simulate(nodes=5, seconds=100, seed=7) for _ in range(2)]
    assert first == second
