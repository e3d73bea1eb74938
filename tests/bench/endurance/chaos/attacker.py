"""A process with one attacker.

prepare   it gets what it needs
attack    it begins, and goes on until `pause`
pause     it rests, and closes what it holds
sample    how many of its steps since the last sample the server took, and how many not
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

import trio

from tests.bench.endurance.chaos.attack import Attacker, Target
from tests.bench.endurance.chaos.attackers import ATTACKERS
from tests.bench.media.peers.control import reply, requests

_TRIES = 0.5


class Attack:
    """One attacker at work."""

    def __init__(self, attacker: Attacker) -> None:
        self._attacker = attacker
        self._done = self._refused = 0
        self._working = trio.CancelScope()

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        with trio.CancelScope() as self._working:
            task_status.started()
            await self._work()

    def pause(self) -> None:
        self._working.cancel()
        self._attacker.rest()

    async def _work(self) -> None:
        next_at = trio.current_time()
        while True:
            try:
                await self._attacker.step()
                self._done += 1
            except OSError:
                self._refused += 1
            next_at = max(next_at + 1 / self._attacker.rate, trio.current_time() - _TRIES)
            await trio.sleep_until(next_at)

    def sample(self) -> None:
        reply(done=self._done, refused=self._refused)
        self._done = self._refused = 0


async def run(target: Mapping[str, Any], name: str) -> None:
    """Serve the bench's requests."""
    async with trio.open_nursery() as nursery:
        attacker = ATTACKERS[name](Target(**target), nursery)
        attack = Attack(attacker)
        async for request in requests():
            match request["do"]:
                case "prepare":
                    await attacker.prepare()
                    reply(backend=attacker.backend)
                case "attack":
                    await nursery.start(attack.run)
                    reply()
                case "pause":
                    attack.pause()
                    reply()
                case "sample":
                    attack.sample()
        nursery.cancel_scope.cancel()


if __name__ == "__main__":
    trio.run(run, json.loads(sys.argv[1]), sys.argv[2])
