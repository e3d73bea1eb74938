"""Nodes of a cluster through two simulated hours of outages, and a hundred of them through six minutes.

    python -m tests.bench.cluster.simulation [--seed 1] [--hours 2]

Its exit code is 0 if no name had two owners, none was left without one, and no stream was without its name, 15 seconds
after everything had healed; and if the same seed was the same run.
"""

import argparse
import logging
import sys
import time

import trio
import trio.testing

from tests.support.cluster.cluster_simulation import Tally, simulate


def run(*, nodes: int, seconds: float, seed: int) -> Tally:
    """One run, and what it was."""

    async def main() -> Tally:
        return await simulate(nodes=nodes, seconds=seconds, seed=seed)

    began = time.monotonic()
    tally = trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
    events = " ".join(f"{name}={count}" for name, count in sorted(tally.events.items()))
    print(f"{nodes} nodes, {seconds:g} s simulated in {time.monotonic() - began:.1f} s, seed {seed}: {events}")
    print(
        f"    duplicate owners {tally.duplicates}, ghosts {tally.ghosts}, unregistered {tally.unregistered},"
        f" terminated and alive {tally.survivors}"
    )
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--hours", type=float, default=2.0)
    given = parser.parse_args()
    logging.disable()
    tallies = [
        run(nodes=20, seconds=given.hours * 3600, seed=given.seed),
        run(nodes=100, seconds=360, seed=given.seed),
    ]
    repeated = [run(nodes=10, seconds=360, seed=given.seed) for _ in range(2)]
    is_repeatable = repeated[0] == repeated[1]
    if not is_repeatable:
        print("the same seed was another run")
    return 0 if is_repeatable and not any(map(any, (tally.faults for tally in tallies))) else 1


if __name__ == "__main__":
    sys.exit(main())
