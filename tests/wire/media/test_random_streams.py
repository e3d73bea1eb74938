"""A few seconds of the random state machine; `python -m tests.bench.random_streams` runs it for as long as you like."""

from pathlib import Path

import pytest

from tests.bench.random_streams import play


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_happens_in_whatever_order_the_invariants_hold(tmp_path: Path, seed: int) -> None:
    outcome = await play(tmp_path, seed=seed, clients=8, seconds=3.0)
    assert outcome.faults == []
    assert outcome.done["terminate 200"] > 0
    assert outcome.done["told FAILED"] > 0
