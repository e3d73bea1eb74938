"""A few seconds of the random state machine; `tests.bench.endurance.random_streams` runs it for as long as you like."""

from pathlib import Path

import pytest

from tests.bench.endurance.random_streams import play

RUNS = 5
"""At most: on a busy machine little happens in one."""


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_happens_in_whatever_order_the_invariants_hold(tmp_path: Path, seed: int) -> None:
    for run in range(RUNS):
        folder = tmp_path / str(run)
        folder.mkdir()
        outcome = await play(folder, seed=seed, clients=8, seconds=3.0)
        assert outcome.faults == []
        if outcome.done["terminate 200"] and outcome.done["told FAILED"]:
            return
    pytest.fail("no stream was terminated")
