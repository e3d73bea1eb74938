"""Runs checks and test rings, and prints one summary. `bin/test` makes what they need.

    tests.run [lint | unit | actors | wire | e2e]... [PYTEST ARGUMENT...]     all five without one
    tests.run fast                                                            for every save: no browser, nothing slow
    tests.run long [PART]...                                                  what is slow by nature, or some of it

The exit code is 0 if all that was run has passed, and nothing was left out but for want of root.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from attrs import frozen

from tests.support.root import NEEDS_ROOT

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("actors", "config", "protocol", "tests")
RINGS = ("unit", "actors", "wire", "e2e")
CHECKS = {
    "ruff": ("-m", "ruff", "check", "--quiet"),
    "ruff format": ("-m", "ruff", "format", "--check", "--quiet"),
    "mypy": ("-m", "mypy"),
    "import-linter": ("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"),
}
LONG = {
    "fuzz": ("-m", "tests.fuzz", "--seconds", "30", "--seed", "1"),
    "properties": ("-m", "pytest", "-qm", "hypothesis", "--hypothesis-profile=explore", "tests/unit", "tests/actors"),
    "api": ("-m", "tests.api"),
    "random": ("-m", "tests.bench.random_streams", "--seconds", "60", "--seed", "1"),
    "cluster": ("-m", "tests.bench.cluster_simulation"),
    "breaks": ("-m", "tests.breaks"),
    "chaos": ("-m", "tests.bench.chaos"),
    "kept": ("-m", "tests.bench.kept_hooks", "--events", "1000000", "--seed", "1"),
    "outage": ("-m", "tests.bench.outage"),
    "calls": ("-m", "tests.bench.calls"),
    "release": ("-m", "tests.release", "--draft", "--target", "build/release"),
    "prometheus": ("-m", "tests.prometheus"),
    "bare": ("-m", "tests.bare"),
}
"""Each proves by its exit code that what it is about holds."""
FUZZ_PYTHON = ROOT / ".venv-fuzz/bin/python"
SLOWEST = 10


@frozen(kw_only=True)
class Timed:
    """One test, and how long it took with what was prepared for it alone."""

    name: str
    seconds: float


@frozen(kw_only=True)
class Result:
    """How one check or ring ended."""

    name: str
    passed: bool
    seconds: float
    tests: tuple[Timed, ...] = ()
    needs_root: tuple[str, ...] = ()
    """Tests that were left out, because this user may not do what they do."""
    remark: str = ""

    def __str__(self) -> str:
        return f"{self.name:<16}{'passed' if self.passed else 'FAILED':<8}{self.seconds:7.1f} s  {self.remark}".rstrip()


Run = Callable[[], Result]


def main(arguments: Sequence[str]) -> int:
    """Run the parts that are named first (all without a name); what follows goes to pytest. The exit code."""
    started = time.monotonic()
    match arguments:
        case ["fast"]:
            results = _fast()
        case ["long", *names]:
            if unknown := set(names) - set(LONG):
                print(f"no part of long: {', '.join(sorted(unknown))}; allowed: {', '.join(LONG)}", file=sys.stderr)
                return 2
            results = [_check(name, LONG[name]) for name in names or LONG]
        case _:
            parts = list(_leading_parts(arguments))
            results = list(_run(parts, arguments[len(parts) :])) if parts else _everything(arguments)
    _summarise(results, time.monotonic() - started)
    return 0 if all(result.passed for result in results) else 1


def _summarise(results: Sequence[Result], seconds: float) -> None:
    for result in results:
        if result.tests:
            print(f"\n== the slowest tests of {result.name} ==")
        for test in sorted(result.tests, key=lambda test: -test.seconds)[:SLOWEST]:
            print(f"{test.seconds:7.1f} s  {test.name}")
    print("\n== summary ==")
    for result in results:
        print(result)
    left_out = [name for result in results for name in result.needs_root]
    if left_out:
        print(f"{len(left_out)} left out, for they need root:", *left_out, sep="\n    ")
    failed = [result.name for result in results if not result.passed]
    total = f"{sum(len(result.tests) for result in results)} tests in {seconds:.0f} s"
    print(f"FAILED: {', '.join(failed)}; {total}" if failed else f"all passed; {total}", flush=True)


def _leading_parts(arguments: Sequence[str]) -> Iterator[str]:
    for argument in arguments:
        if argument not in ("lint", *RINGS):
            return
        yield argument


def _run(parts: Sequence[str], pytest_arguments: Sequence[str]) -> Iterator[Result]:
    for part in parts:
        if part == "lint":
            yield from (_check(name, command) for name, command in CHECKS.items())
            yield _flake8_async()
        else:
            yield _ring(part, pytest_arguments)


def _everything(pytest_arguments: Sequence[str]) -> list[Result]:
    """What is slow on the wire, which mostly waits, beside all else that needs no browser; then the browsers."""
    checks = [*_quiet_checks(), _flake8_async]
    unit, actors = (partial(_ring, name, pytest_arguments, quiet=True) for name in ("unit", "actors"))
    wire, slow_wire = (
        partial(_ring, "wire", ("-m", marked, *pytest_arguments), quiet=True) for marked in ("not slow", "slow")
    )
    browsers = ([half] for half in _halves_of_e2e(pytest_arguments))
    return [*_side_by_side([*checks, unit, actors, wire], [slow_wire]), *_side_by_side(*browsers)]


def _halves_of_e2e(pytest_arguments: Sequence[str]) -> Iterator[Run]:
    """Each takes half a core: a page mostly waits for what comes over the network."""
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "tests/e2e").rglob("test_*.py"))
    for half in (0, 1):
        yield partial(_ring, "e2e", pytest_arguments, files=files[half::2], quiet=True)


def _fast() -> list[Result]:
    """All but flake8-async, properties, slow tests and the browsers, on two cores."""
    unit, actors, wire = (
        partial(_ring, name, ("-m", "not slow and not hypothesis"), quiet=True) for name in ("unit", "actors", "wire")
    )
    return _side_by_side([*_quiet_checks(), actors], [unit, wire])


def _quiet_checks() -> list[Run]:
    return [partial(_check, name, command, quiet=True) for name, command in CHECKS.items()]


def _side_by_side(*lanes: Sequence[Run]) -> list[Result]:
    with ThreadPoolExecutor(len(lanes)) as workers:
        return [result for lane in workers.map(_one_by_one, lanes) for result in lane]


def _one_by_one(lane: Iterable[Run]) -> list[Result]:
    return [run() for run in lane]


def _flake8_async() -> Result:
    """Half of the files on each of two cores."""
    started = time.monotonic()
    files = _asynchronous_sources()
    halves = [
        partial(_check, "flake8-async", ("-m", "tests.async_rules", *files[half::2]), quiet=True) for half in (0, 1)
    ]
    with ThreadPoolExecutor(2) as lanes:
        results = list(lanes.map(lambda run: run(), halves))
    return Result(name="flake8-async", passed=all(half.passed for half in results), seconds=time.monotonic() - started)


def _asynchronous_sources() -> list[str]:
    """The only files that flake8-async can find fault with."""
    paths = (path for folder in SOURCES for path in (ROOT / folder).rglob("*.py"))
    return [str(path.relative_to(ROOT)) for path in sorted(paths) if "async " in path.read_text()]


def _check(name: str, command: Sequence[str], *, quiet: bool = False) -> Result:
    passed, seconds = _python(name, command, quiet=quiet)
    return Result(name=name, passed=passed, seconds=seconds)


def _ring(name: str, pytest_arguments: Sequence[str], *, files: Sequence[str] = (), quiet: bool = False) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = ("-m", "pytest", *(files or [f"tests/{name}"]), f"--junitxml={report}", *pytest_arguments)
        passed, seconds = _python(name, command, quiet=quiet)
        tests = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
    skipped = [(test, mark.get("message")) for test in tests if (mark := test.find("skipped")) is not None]
    needs_root = tuple(_name(test) for test, reason in skipped if reason == NEEDS_ROOT)
    proves_nothing = len(skipped) - len(needs_root)  # a test that is skipped for any other reason
    counts = {"tests": len(tests), "need root": len(needs_root), "skipped": proves_nothing}
    counts |= {what: sum(test.find(what) is not None for test in tests) for what in ("failure", "error")}
    return Result(
        name=name,
        passed=passed and not proves_nothing,
        seconds=seconds,
        tests=tuple(Timed(name=_name(test), seconds=float(test.get("time", 0))) for test in tests),
        needs_root=needs_root,
        remark=", ".join(f"{number} {what}" for what, number in counts.items() if number),
    )


def _name(test: ElementTree.Element) -> str:
    return f"{test.get('classname')}::{test.get('name')}"


def _python(name: str, command: Sequence[str], *, quiet: bool) -> tuple[bool, float]:
    """Whether it succeeded, and its seconds. A quiet one prints what it has to say at its end, not between others'."""
    if not quiet:
        print(f"\n== {name} ==", flush=True)
    started = time.monotonic()
    output = subprocess.PIPE if quiet else None
    python = FUZZ_PYTHON if name == "fuzz" else sys.executable
    ended = subprocess.run(
        [python, *command], cwd=ROOT, check=False, stdout=output, stderr=subprocess.STDOUT if quiet else None
    )
    if quiet:
        print(f"\n== {name} ==\n{ended.stdout.decode(errors='replace')}", end="", flush=True)
    return ended.returncode == 0, time.monotonic() - started


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
