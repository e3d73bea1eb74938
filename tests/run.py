"""Runs checks and test rings, and prints one summary. `bin/test` makes what they need.

    tests.run [lint | unit | actors | wire | e2e]... [PYTEST ARGUMENT...]     all five without one
    tests.run fast                                                            for every save: no browser, nothing slow
    tests.run long [PART]...                                                  what is slow by nature, or some of it
    tests.run long PART ARGUMENT...                                           one part, with arguments of its own

The exit code is 0 if all that was run has passed, and nothing was left out but for want of root; 75 if nothing failed,
but the machine had too much else to do for some part to tell.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import takewhile
from pathlib import Path
from xml.etree import ElementTree

from attrs import frozen

from tests.support.exit_codes import CANNOT_TELL, FAILS, HOLDS
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
    "random": ("-m", "tests.bench.endurance.random_streams", "--seconds", "60", "--seed", "1"),
    "cluster": ("-m", "tests.bench.cluster.simulation"),
    "breaks": ("-m", "tests.breaks"),
    "chaos": ("-m", "tests.bench.endurance.chaos"),
    "kept": ("-m", "tests.bench.hooks.kept_hooks", "--seed", "1"),
    "outage": ("-m", "tests.bench.hooks.outage"),
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
    is_unclear: bool = False
    """It could not tell; then it has not passed."""
    tests: tuple[Timed, ...] = ()
    needs_root: tuple[str, ...] = ()
    """Tests that were left out, because this user may not do what they do."""
    counts: Mapping[str, int] = {}
    """How many tests there were, and how many of them did not pass."""

    def __str__(self) -> str:
        remark = ", ".join(f"{number} {what}" for what, number in self.counts.items() if number)
        ended = "passed" if self.passed else "unclear" if self.is_unclear else "FAILED"
        return f"{self.name:<16}{ended:<8}{self.seconds:7.1f} s  {remark}".rstrip()

    @classmethod
    def merged(cls, parts: Sequence["Result"]) -> "Result":
        """How all parts of one check or ring ended, which may have run at the same time; the sum of their seconds."""
        return cls(
            name=parts[0].name,
            passed=all(part.passed for part in parts),
            seconds=sum(part.seconds for part in parts),
            tests=tuple(test for part in parts for test in part.tests),
            needs_root=tuple(name for part in parts for name in part.needs_root),
            counts={what: sum(part.counts[what] for part in parts) for what in parts[0].counts},
        )


Run = Callable[[], Result]


def main(arguments: Sequence[str]) -> int:
    """Run the parts that are named first (all without a name); what follows goes to pytest. The exit code."""
    started = time.monotonic()
    match arguments:
        case ["fast"]:
            results = _fast()
        case ["long", *rest]:
            names = list(takewhile(lambda word: not word.startswith("-"), rest))
            options = rest[len(names) :]
            if options and len(names) != 1:
                print("arguments go to one part of long, which is named before them", file=sys.stderr)
                return 2
            if unknown := set(names) - set(LONG):
                print(f"no part of long: {', '.join(sorted(unknown))}; allowed: {', '.join(LONG)}", file=sys.stderr)
                return 2
            results = [_check(name, (*LONG[name], *options)) for name in names or LONG]
        case _:
            parts = list(_leading_parts(arguments))
            results = list(_run(parts, arguments[len(parts) :])) if parts else _everything(arguments)
    _summarise(results, time.monotonic() - started)
    return _exit_code(results)


def _exit_code(results: Sequence[Result]) -> int:
    if any(not result.passed and not result.is_unclear for result in results):
        return FAILS
    return CANNOT_TELL if any(result.is_unclear for result in results) else HOLDS


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
    unclear = [result.name for result in results if result.is_unclear]
    if unclear:
        print(f"the machine has too much else to do to tell: {', '.join(unclear)}")
    failed = [result.name for result in results if not result.passed and not result.is_unclear]
    total = f"{sum(len(result.tests) for result in results)} tests in {seconds:.0f} s"
    verdict = f"FAILED: {', '.join(failed)}" if failed else "none failed" if unclear else "all passed"
    print(f"{verdict}; {total}", flush=True)


def _leading_parts(arguments: Sequence[str]) -> Iterator[str]:
    for argument in arguments:
        if argument not in ("lint", *RINGS):
            return
        yield argument


def _run(parts: Sequence[str], pytest_arguments: Sequence[str]) -> Iterator[Result]:
    for part in parts:
        if part == "lint":
            yield from (_check(name, command) for name, command in CHECKS.items())
            yield from _on_two_cores(_flake8_async())
        else:
            yield _ring(part, pytest_arguments)


def _everything(pytest_arguments: Sequence[str]) -> list[Result]:
    """Begins with what is slow on the wire, which mostly waits, beside the browsers, which never do."""
    slow_wire = _parts_of("wire", 2, ("-m", "slow", *pytest_arguments))
    browsers = _parts_of("e2e", 4, pytest_arguments)
    unit, actors = (partial(_ring, name, pytest_arguments, quiet=True) for name in ("unit", "actors"))
    wire = partial(_ring, "wire", ("-m", "not slow", *pytest_arguments), quiet=True)
    mixed = [run for pair in zip(slow_wire, browsers, strict=False) for run in pair]
    return _on_two_cores([*mixed, *browsers[len(slow_wire) :], actors, unit, wire, *_flake8_async(), *_quiet_checks()])


def _parts_of(ring: str, count: int, pytest_arguments: Sequence[str]) -> list[Run]:
    """The ring in so many parts. A folder with fixtures stays whole, for its tests share what is slow to prepare."""
    ring_folder = ROOT / "tests" / ring
    tests = sorted(ring_folder.rglob("test_*.py"))
    files = list(dict.fromkeys(str(_whole(test, ring_folder).relative_to(ROOT)) for test in tests))
    return [partial(_ring, ring, pytest_arguments, files=files[part::count], quiet=True) for part in range(count)]


def _whole(test: Path, ring_folder: Path) -> Path:
    """The file, or the folder of the ring that it is in, if that has fixtures."""
    folder = test.parent
    return folder if folder != ring_folder and (folder / "conftest.py").exists() else test


def _fast() -> list[Result]:
    """All but flake8-async, properties, slow tests and the browsers."""
    unit, actors, wire = (
        partial(_ring, name, ("-m", "not slow and not hypothesis"), quiet=True) for name in ("unit", "actors", "wire")
    )
    return _on_two_cores([actors, unit, wire, *_quiet_checks()])


def _quiet_checks() -> list[Run]:
    return [partial(_check, name, command, quiet=True) for name, command in CHECKS.items()]


def _on_two_cores(runs: Sequence[Run]) -> list[Result]:
    """Each core takes the next one when it is done; the longest come first, so that both are done at about one time."""
    with ThreadPoolExecutor(2) as cores:
        results = list(cores.map(lambda run: run(), runs))
    names = dict.fromkeys(result.name for result in results)
    return [Result.merged([result for result in results if result.name == name]) for name in names]


def _flake8_async() -> list[Run]:
    """In two parts."""
    files = _asynchronous_sources()
    commands = [("-m", "tests.async_rules", *files[part::2]) for part in (0, 1)]
    return [partial(_check, "flake8-async", command, quiet=True) for command in commands]


def _asynchronous_sources() -> list[str]:
    """The only files that flake8-async can find fault with."""
    paths = (path for folder in SOURCES for path in (ROOT / folder).rglob("*.py"))
    return [str(path.relative_to(ROOT)) for path in sorted(paths) if "async " in path.read_text()]


def _check(name: str, command: Sequence[str], *, quiet: bool = False) -> Result:
    code, seconds = _python(name, command, quiet=quiet)
    return Result(name=name, passed=code == HOLDS, is_unclear=code == CANNOT_TELL, seconds=seconds)


def _ring(name: str, pytest_arguments: Sequence[str], *, files: Sequence[str] = (), quiet: bool = False) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = ("-m", "pytest", *(files or [f"tests/{name}"]), f"--junitxml={report}", *pytest_arguments)
        code, seconds = _python(name, command, quiet=quiet)
        tests = list(ElementTree.parse(report).iter("testcase")) if report.exists() else []
    skipped = [(test, mark.get("message")) for test in tests if (mark := test.find("skipped")) is not None]
    needs_root = tuple(_name(test) for test, reason in skipped if reason == NEEDS_ROOT)
    proves_nothing = len(skipped) - len(needs_root)  # a test that is skipped for any other reason
    counts = {"tests": len(tests), "need root": len(needs_root), "skipped": proves_nothing}
    counts |= {what: sum(test.find(what) is not None for test in tests) for what in ("failure", "error")}
    return Result(
        name=name,
        passed=code == HOLDS and not proves_nothing,
        seconds=seconds,
        tests=tuple(Timed(name=_name(test), seconds=float(test.get("time", 0))) for test in tests),
        needs_root=needs_root,
        counts=counts,
    )


def _name(test: ElementTree.Element) -> str:
    return f"{test.get('classname')}::{test.get('name')}"


def _python(name: str, command: Sequence[str], *, quiet: bool) -> tuple[int, float]:
    """The exit code, and the seconds. A quiet one prints what it has to say at its end, not between others'."""
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
    return ended.returncode, time.monotonic() - started


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
