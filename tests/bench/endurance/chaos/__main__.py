"""One attacker at a time, while 100 viewers watch: do they, newcomers and the operator notice?

    python -m tests.bench.endurance.chaos                               every attacker, in eight minutes
    python -m tests.bench.endurance.chaos --attacker events --attacker packets --viewers 50 --seconds 4

For each attacker a server of its own runs, with one publisher (VP8, 125 packets/s), its viewers, and a newcomer every
second, who plays, is terminated by REST and goes. A round is some seconds without the attacker, and as many with it.
Attackers come from another address than everybody else, unless `--same-address` is given. All share the machine's
cores: the attacker's processor time is shown beside the server's. Loopback only; it ends by itself.

An attacker fails to be noticed when no viewer is dropped; the server stays under 300 MB; single passes of its loop keep
it busy for more than 20 ms in less than 1 % of the time, or twice that without the attacker; the p99 of the forwarding
delay is at most 20 ms or twice that without him; no newcomer is lost; and REST terminate is answered within 100 ms or
twice the time without him. What is a matter of time must be so in most of up to three rounds in which the machine did
little else and would have been fast enough without him (`verdict.py` says what holds in others).

Exit code 0: no attacker was noticed; 1: one was; 75: the machine had too much else to do to tell, or there was no time.
"""

import argparse
import os
import signal
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack

from attrs import frozen

from tests.bench.endurance.chaos import wire
from tests.bench.endurance.chaos.attackers import ATTACKERS
from tests.bench.endurance.chaos.scene import HOST, Window, open_scene, round_of
from tests.bench.endurance.chaos.verdict import Outcome, Round, Verdict, is_settled, judge
from tests.bench.media.peers.procfs import machine
from tests.support.exit_codes import CANNOT_TELL, FAILS, HOLDS

MINUTES = 8.0
SLACK = 40.0  # seconds, for another look at what looks noticed
GRACE = 20 * 60  # seconds after which it is ended, whatever it does
HEAD = (
    *("attacker", "door", "what it does", "p99 without", "p99 with", "over 20 ms", "lost", "newcomers"),
    *("terminate, longest", "memory", "CPU of server", "CPU of attacker", "of others", "its steps", "rounds", ""),
)


@frozen(kw_only=True)
class Allowance:
    """Until when, by time.monotonic(), everything is to be over, since when it runs, and with how many attackers."""

    began: float
    seconds: float
    attackers: int

    @property
    def has_time(self) -> bool:
        return time.monotonic() - self.began < self.seconds

    def has_time_for_more_of(self, attacker: int) -> bool:
        """Whether this one, counted from 0, has not used up its part yet, and a little of what others leave."""
        return time.monotonic() - self.began < self.seconds * (attacker + 1) / self.attackers + SLACK


def _play(name: str, options: argparse.Namespace, allowance: Allowance, place: int) -> list[tuple[Window, Window]]:
    """All rounds of one attacker."""
    windows: list[tuple[Window, Window]] = []
    with ExitStack() as stack:
        scene = open_scene(name, stack)
        scene.open(options.viewers)
        while True:
            windows.append(scene.play(options.seconds))
            rounds = [round_of(*pair) for pair in windows]
            if is_settled(rounds) or not allowance.has_time_for_more_of(place):
                return windows


def _row(name: str, windows: Sequence[tuple[Window, Window]], verdict: Verdict) -> str:
    """The last round is shown."""
    attacker, (quiet, loud) = ATTACKERS[name], windows[-1]
    cells = (
        *(name, attacker.door, attacker.what, f"{quiet.seen.p99:.1f} ms", f"{loud.seen.p99:.1f} ms"),
        *(f"{loud.seen.waiting:.2%}", loud.lost, f"{loud.seen.joins} in, {loud.seen.failures} not"),
        *(f"{loud.seen.longest_terminate:.0f} ms", f"{loud.seen.memory / 1e6:.0f} MB"),
        *(
            f"{loud.seen.cpu:.0%}",
            f"{loud.attacker:.0%}",
            f"{loud.seen.others:.0%}",
            f"{loud.taken} taken, {loud.refused} not",
        ),
        *(len(windows), verdict),
    )
    return f"| {' | '.join(map(str, cells))} |"


def main(arguments: Sequence[str]) -> int:
    """Run and print; the exit code."""
    options = _parse(arguments)
    signal.alarm(round(options.minutes * 60 + GRACE))
    names = options.attacker or list(ATTACKERS)
    allowance = Allowance(began=time.monotonic(), seconds=options.minutes * 60, attackers=len(names))
    verdicts: dict[str, Verdict] = {}
    rounds: list[Round] = []
    print(f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|", sep="\n", flush=True)
    for place, name in enumerate(names):
        if not allowance.has_time:
            break
        windows = _play(name, options, allowance, place)
        own = [round_of(*pair) for pair in windows]
        verdicts[name] = judge(own)
        rounds += own
        print(_row(name, windows, verdicts[name]), flush=True)
        for failure in sorted({failure for _, loud in windows for failure in loud.failures}):
            print(f"  newcomer: {failure}", file=sys.stderr, flush=True)
    quiet = statistics.median(each.quiet.p99 for each in rounds)
    print(f"\n{machine()}; load {os.getloadavg()[0]:.1f}; p99 without attackers {quiet:.1f} ms")
    return _conclude(verdicts, [name for name in names if name not in verdicts])


def _conclude(verdicts: dict[str, Verdict], untried: Sequence[str]) -> int:
    def named(outcome: Outcome) -> list[str]:
        return [name for name, verdict in verdicts.items() if verdict.outcome is outcome]

    noticed, unclear = named(Outcome.NOTICED), named(Outcome.CANNOT_TELL)
    if untried:
        print(f"no time was left for: {', '.join(untried)} (--minutes)")
    if unclear:
        print(f"the machine has too much else to do to tell: {', '.join(unclear)}")
    print(f"noticed: {', '.join(noticed)}" if noticed else "no attacker was noticed")
    return FAILS if noticed else CANNOT_TELL if unclear or untried else HOLDS


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.endurance.chaos", description="one attacker at a time")
    parser.add_argument("--attacker", action="append", choices=list(ATTACKERS), help="default: all, in turn")
    parser.add_argument("--viewers", type=int, default=100, help="viewers (100)")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each window (5)")
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"for all attackers together ({MINUTES:g})")
    parser.add_argument("--same-address", action="store_true", help="attackers come from the viewers' address")
    options = parser.parse_args(arguments)
    if not (1 <= options.viewers <= 500 and 1 <= options.seconds <= 60 and 0 < options.minutes <= 600):
        parser.error("1 to 500 viewers, windows of 1 to 60 seconds, up to 600 minutes")
    if options.same_address:
        os.environ[wire.VARIABLE] = HOST
    return options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
