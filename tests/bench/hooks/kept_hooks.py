"""Very many notifications, backends that fail in every way, servers that are killed, and what must hold all the same.

    python -m tests.bench.hooks.kept_hooks                       250,000 events: two minutes on two idle processors
    python -m tests.bench.hooks.kept_hooks --events 1000000      a whole million, four times as long

A dispatcher with a spool, on a clock that jumps, tells what happens in many sessions. Its backend refuses, hangs, fails
or answers, for random times. Now and then the server ends, or is killed, and another one goes on with the same file:

- everything that was committed to the file is answered in the end, and so is all that an orderly end has left
- within a session, what is answered first is what happened first
- at the end the file is empty

However many events there are, there are as many starts and kills. The events are shared out among processes, one for
each processor unless `--processes` says otherwise; each has sessions, a backend and a file of its own.
"""

import argparse
import json
import logging
import multiprocessing
import os
import random
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import httpx
import trio
from attrs import asdict, define, evolve, field, frozen
from trio.testing import MockClock

from actors.hooks.lanes.lane import HookLane
from actors.storage.hook_spool import NO_ATTEMPTS, HookSpoolFile
from protocol.hooks import HookMethod
from protocol.hooks.kept_hook import KeptHook
from tests.support.hooks.hook_rig import APP, HookRig, MemoryBackend, echo, failing, hang, hook_rig, status
from tests.support.hooks.spools import spool_at, totals_at

KEEPING = evolve(APP, spool="all")
STATUS = HookMethod.STREAM_STATUS_EVENT
SESSIONS = 100
EVENTS = 250_000
LIVES = 30
"""Starts of the server in a whole run."""
WAYS_TO_FAIL = (failing(httpx.ConnectError("refused")), hang, status(500), status(503))
LONGEST_END = 3600.0
"""Seconds of the jumping clock in which everything must have been delivered at last."""


@define
class Ledger:
    """What was told, what was promised, and what came of it."""

    told: int = 0
    promised: set[int] = field(factory=set)
    answered: set[int] = field(factory=set)
    out_of_order: list[tuple[str, int, int]] = field(factory=list)
    repeated: int = 0
    lives: int = 0
    kills: int = 0
    _last: dict[str, int] = field(factory=dict)

    def answer(self, session: str, number: int) -> None:
        """The backend has answered 200."""
        if number in self.answered:
            self.repeated += 1
            return
        before = self._last.get(session, -1)
        if number < before:
            self.out_of_order.append((session, before, number))
        self._last[session] = number
        self.answered.add(number)

    @property
    def lost(self) -> set[int]:
        """Promised, and never answered."""
        return self.promised - self.answered


class MortalFile(HookSpoolFile):
    """A file that notes what it has committed, and after the death of its server writes nothing more."""

    def __init__(self, path: Path, ledger: Ledger) -> None:
        super().__init__(path)
        self.ledger = ledger
        self.is_dead = False

    def write(
        self, added: Iterable[KeptHook], removed: Iterable[int], attempts: Mapping[int, int] = NO_ATTEMPTS
    ) -> None:
        if self.is_dead:
            return
        hooks = tuple(added)
        super().write(hooks, removed, attempts)
        self.ledger.promised.update(json.loads(hook.content)["n"] for hook in hooks)


class Witness(MemoryBackend):
    """A backend that writes its answers of 200 into the ledger, and forgets the calls."""

    def __init__(self, ledger: Ledger) -> None:
        super().__init__()
        self.ledger = ledger

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        answer = await super().__call__(request)
        if answer.status_code == 200:
            body = json.loads(request.content)
            self.ledger.answer(body["sessionId"], body["n"])
        if len(self.calls) > 1000:
            self.calls[:] = self.under_way
        return answer


async def simulate(path: Path, *, events: int, seed: int, lives: int = LIVES) -> Ledger:
    """Tell so many events in so many lives of the server, and then let everything be delivered."""
    ledger, chance = Ledger(), random.Random(seed)
    backend = Witness(ledger)
    for life in range(1, lives + 1):
        await one_life(path, backend, chance, events * life // lives)
    backend.script("*", echo)
    async with hook_rig(KEEPING, backend=backend, spool=spool_at(path, file=MortalFile(path, ledger))) as rig:
        with trio.move_on_after(LONGEST_END):
            while rig.dispatcher.spool.index.totals:
                await rig.dispatcher.spool.changed.wait()
    return ledger


async def one_life(path: Path, backend: Witness, chance: random.Random, until: int) -> None:
    """One run of the server, which ends in order or is killed."""
    ledger, file = backend.ledger, MortalFile(path, backend.ledger)
    ledger.lives += 1
    async with hook_rig(KEEPING, backend=backend, spool=spool_at(path, file=file)) as rig:
        lanes = [rig.lane(f"{ledger.lives}-{number}", app=KEEPING) for number in range(SESSIONS)]
        while ledger.told < until:
            await an_hour(rig, lanes, backend, chance, until)
        if chance.random() < 0.5:
            file.is_dead = True
            ledger.kills += 1


async def an_hour(rig: HookRig, lanes: list[HookLane], backend: Witness, chance: random.Random, until: int) -> None:
    """A time for which the backend behaves in one way."""
    backend.script("*", echo if chance.random() < 0.6 else chance.choice(WAYS_TO_FAIL))
    for _ in range(int(chance.expovariate(1 / 40)) + 1):
        for lane in chance.sample(lanes, k=chance.randint(1, SESSIONS)):
            if backend.ledger.told < until:
                number, backend.ledger.told = backend.ledger.told, backend.ledger.told + 1
                lane.notify(STATUS, {"n": number, "sessionId": session_of(lane)}, last=number % 5 == 0)
        await trio.sleep(chance.random() * 2)


def session_of(lane: HookLane) -> str:
    return lane.call(STATUS, {}).session_id


@frozen(kw_only=True)
class Share:
    """What one process found."""

    told: int
    lives: int
    kills: int
    kept: int
    lost: int
    out_of_order: int
    repeated: int
    answered: int
    left: int
    """In the file at the end."""


def run_share(events: int, seed: int) -> Share:
    """Simulate in this process, on a clock and with a file of its own."""
    logging.disable()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spool.sqlite3"
        clock = MockClock(autojump_threshold=0)
        ledger = trio.run(lambda: simulate(path, events=events, seed=seed), clock=clock)
        left = sum(total.rows for total in totals_at(path).values())
    return Share(
        told=ledger.told,
        lives=ledger.lives,
        kills=ledger.kills,
        kept=len(ledger.promised),
        lost=len(ledger.lost),
        out_of_order=len(ledger.out_of_order),
        repeated=ledger.repeated,
        answered=len(ledger.answered),
        left=left,
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=EVENTS, help=f"how many in all ({EVENTS:,})")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    began, many = time.monotonic(), given.processes
    events = [given.events * (place + 1) // many - given.events * place // many for place in range(many)]
    with ProcessPoolExecutor(many, multiprocessing.get_context("spawn")) as pool:
        shares = [asdict(share) for share in pool.map(run_share, events, range(given.seed, given.seed + many))]
    total = {name: sum(share[name] for share in shares) for name in shares[0]}
    print(
        "{told} events in {lives} lives ({kills} killed): {kept} kept, {lost} of them lost, {out_of_order} out of"
        " order, {repeated} repeated, {answered} answered, {left} left".format(**total),
        f"in {time.monotonic() - began:.0f} s and {many} processes",
    )
    return int(bool(total["lost"] or total["out_of_order"] or total["left"]))


if __name__ == "__main__":
    sys.exit(main())
