"""`bin/wcsd` and `bin/test` from nothing: on Debian systems that hold nothing else, as root and as a plain user.

    python -m tests.bare                                            both releases, both users, every test
    python -m tests.bare --release trixie --user root -- unit -x    one of them, with these arguments for bin/test

It needs root, debootstrap, and this machine's access to the package registries. Each system is a folder below
`build/bare`, entered by namespaces of its own for mounts and processes; the network is this machine's. A plain user is
told in one line what root has to install; that is then done, and only that.
"""

import argparse
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from attrs import frozen

from tests.bare.machine import CHECKOUT, Machine, bare_machine, terminate

RELEASES = ("bookworm", "trixie")
USERS = ("root", "plain")
FREE_PORTS = [f"--set={name}=0" for name in ("ws.port", "wss.port", "http.port", "https.port", "media_port_from")]
ADVICE = re.compile(r"install (?:it )?with: sudo (apt-get install .*)$", re.MULTILINE)
MOST_ADVICE = 3
"""How often a plain user may have to ask root for the same command."""

Run = Callable[[], tuple[bool, str]]
"""Runs something; whether it passed, and its output."""


@frozen(kw_only=True)
class Step:
    """One command that was run on a bare machine."""

    machine: str
    command: str
    passed: bool
    seconds: float
    remark: str

    def __str__(self) -> str:
        ended = "passed" if self.passed else "FAILED"
        return f"{self.machine:<16}{self.command:<10}{ended:<8}{self.seconds:6.0f} s  {self.remark}"


def main(arguments: Sequence[str]) -> int:
    """Try the two commands on each machine that is asked for. The exit code."""
    options = _parser().parse_args(arguments)
    folder = Path(options.folder)
    folder.mkdir(parents=True, exist_ok=True)
    steps: list[Step] = []
    for release in options.release or RELEASES:
        for user in options.user or USERS:
            with bare_machine(release, user, folder) as machine:
                steps += _try(machine, options.arguments)
    print("\n== bare machines ==", *steps, sep="\n")
    return 0 if all(step.passed for step in steps) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests.bare", description="bin/wcsd and bin/test from nothing.")
    parser.add_argument("--release", action="append", choices=RELEASES, help="default: both")
    parser.add_argument("--user", action="append", choices=USERS, help="default: both")
    parser.add_argument("--folder", default=CHECKOUT / "build/bare", help="where the systems are made")
    parser.add_argument("arguments", nargs="*", help="for bin/test, after --")
    return parser


def _try(machine: Machine, test_arguments: Sequence[str]) -> Iterator[Step]:
    commands: dict[str, Run] = {
        "bin/wcsd": lambda: _serve(machine),
        "bin/test": lambda: _run(machine, "bin/test", *test_arguments),
    }
    for command, run in commands.items():
        print(f"\n== {machine.name}: {command} ==", flush=True)
        before, started = machine.packages(), time.monotonic()
        passed = _with_advice(machine, run)
        seconds = time.monotonic() - started
        sizes = ", ".join(f"{name} {size} MB" for name, size in machine.sizes().items())
        remark = f"{machine.packages() - before} Debian packages more; {sizes}"
        yield Step(machine=machine.name, command=command, passed=passed, seconds=seconds, remark=remark)


def _with_advice(machine: Machine, run: Run) -> bool:
    """Run it. If it says what root has to install, let root do that, and run it again."""
    for _ in range(MOST_ADVICE):
        passed, output = run()
        advice = ADVICE.search(output)
        if passed or advice is None or machine.user == "root":
            return passed
        print(f"== {machine.name}: root does as told: {advice[1]}", flush=True)
        machine.run_as_root(f"apt-get -q update && DEBIAN_FRONTEND=noninteractive {advice[1]} -y")
    return False


def _serve(machine: Machine) -> tuple[bool, str]:
    """Start the server, stop it when it is ready."""
    output, was_ready = "", False
    with machine.running("bin/wcsd", *FREE_PORTS) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            output += line
            if line.startswith("wcsd ready "):
                was_ready = True
                terminate(process)
    return was_ready and process.returncode == 0, output


def _run(machine: Machine, *command: str) -> tuple[bool, str]:
    output = ""
    with machine.running(*command) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            output += line
    return process.returncode == 0, output


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
