"""What a round proves: a stretch of time without the attacker, and one with it.

Some of it does not depend on how fast the machine is: who was dropped, and memory. The rest is times, which anything
else that runs here makes longer; also for how long single passes of the server's loop keep a processor, since more
waits for each of them on a machine that gives it few turns. They count in a calm round: one in which little else runs,
and that meets the limits without the attacker. In any other, processor time takes their place, and times are compared
with those without the attacker; that proves nothing about an attacker who hardly got a turn himself.
"""

import enum
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from attrs import field, frozen

MOST_MEMORY: Final = 300e6
"""Bytes of the server's resident set."""
MOST_DELAY: Final = 20.0
"""Milliseconds: the p99 of the forwarding delay."""
MOST_TERMINATE: Final = 100.0
"""Milliseconds that REST terminate may take."""
MOST_WAITING: Final = 0.01
"""Share of the time in which a packet would have to wait for longer than `MOST_DELAY`, by processor time alone."""
FULL: Final = 0.85
"""Of a core: a server that takes more has none left, so single passes say nothing about how long packets wait."""
MOST_OTHERS: Final = 0.25
"""Of a core, taken by programs that have nothing to do with this."""
ENOUGH: Final = 3
"""Rounds, however they end."""
LEAST_STEPS: Final = 0.5
"""Of the steps that the attacker meant to take, so that there was an attack at all."""


@frozen(kw_only=True)
class Seen:
    """What a stretch of time brought; times in ms.

    `waiting`: see `MOST_WAITING`. `cpu`: of one core, by the server; `others`: by programs that have nothing to do with
    this. `steps`: the share of those that were meant. `ended`: viewers that were dropped. `joins` and `failures` are of
    newcomers.
    """

    delays: Sequence[float]
    waiting: float
    cpu: float
    memory: int
    ended: int
    joins: int
    failures: int
    terminates: Sequence[float]
    packets: int
    others: float = 0.0
    steps: float = 1.0

    @property
    def p99(self) -> float:
        return sorted(self.delays)[int(len(self.delays) * 0.99)] if self.delays else float("inf")

    @property
    def longest_terminate(self) -> float:
        return max(self.terminates, default=float("inf"))


@frozen(kw_only=True)
class Round:
    """One stretch of time without the attacker and one with it, one after the other."""

    quiet: Seen
    loud: Seen

    @property
    def is_calm(self) -> bool:
        """Whether the machine is fast enough without the attacker, and does little else."""
        quiet = self.quiet
        if max(quiet.others, self.loud.others) > MOST_OTHERS:
            return False
        return quiet.p99 <= MOST_DELAY and quiet.longest_terminate <= MOST_TERMINATE and not quiet.failures

    @property
    def had_an_attack(self) -> bool:
        return self.loud.steps >= LEAST_STEPS

    def certain(self) -> Iterator[str]:
        """What the attacker has brought about, however slow the machine is."""
        quiet, loud = self.quiet, self.loud
        if loud.ended > quiet.ended:
            yield "viewers ended"
        if loud.memory > MOST_MEMORY:
            yield "memory"

    def timed(self) -> Iterator[str]:
        """What took too long with the attacker."""
        quiet, loud = self.quiet, self.loud
        if loud.waiting > max(MOST_WAITING, 2 * quiet.waiting):
            yield "processor"
        if loud.p99 > max(MOST_DELAY, 2 * quiet.p99):
            yield "delay"
        if loud.failures > quiet.failures or not loud.joins:
            yield "newcomers"
        if loud.longest_terminate > max(MOST_TERMINATE, 2 * quiet.longest_terminate):
            yield "terminate"

    @property
    def proves_by_processor_time(self) -> bool:
        """Whether it says something though the machine is slow."""
        served = self.loud.packets >= 0.9 * self.quiet.packets
        return self.had_an_attack and served and self.loud.cpu <= FULL and not [*self.certain(), *self.timed()]


class Outcome(enum.Enum):
    HOLDS = "holds"
    HOLDS_BY_PROCESSOR = "holds, by processor time and in comparison: the machine is busy"
    NOTICED = "noticed"
    CANNOT_TELL = "cannot tell on this machine now"


@frozen(kw_only=True)
class Verdict:
    outcome: Outcome
    faults: tuple[str, ...] = field(default=())

    def __str__(self) -> str:
        return ": ".join([self.outcome.value, *([", ".join(self.faults)] if self.faults else [])])


def judge(rounds: Sequence[Round]) -> Verdict:
    """What all rounds together say. A fault of times must be there in most of the calm rounds, and in two of them."""
    certain = dict.fromkeys(fault for each in rounds for fault in each.certain())
    if certain:
        return Verdict(outcome=Outcome.NOTICED, faults=tuple(certain))
    calm = [each for each in rounds if each.is_calm]
    if calm:
        counted = Counter(fault for each in calm for fault in each.timed())
        faults = tuple(fault for fault, times in counted.items() if 2 * times > len(calm))
        outcome = Outcome.HOLDS if not faults else Outcome.NOTICED if len(calm) > 1 else Outcome.CANNOT_TELL
        return Verdict(outcome=outcome, faults=faults)
    if any(each.proves_by_processor_time for each in rounds):
        return Verdict(outcome=Outcome.HOLDS_BY_PROCESSOR)
    seen = dict.fromkeys(fault for each in rounds for fault in each.timed())
    return Verdict(outcome=Outcome.CANNOT_TELL, faults=tuple(seen))


def is_settled(rounds: Sequence[Round]) -> bool:
    """Whether another round would change nothing, or there were enough."""
    if len(rounds) >= ENOUGH or any(list(each.certain()) for each in rounds):
        return True
    calm = [each for each in rounds if each.is_calm]
    if calm:
        return not any(list(each.timed()) for each in calm)
    return judge(rounds).outcome is Outcome.HOLDS_BY_PROCESSOR
