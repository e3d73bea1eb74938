"""Runs checks and test rings one after the other, and prints one summary. `bin/test` makes what they need."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

from attrs import frozen

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("actors", "config", "protocol", "tests")
RINGS = ("unit", "actors", "wire", "e2e")
CHECKS = {
    "ruff": ("-m", "ruff", "check", "--quiet"),
    "ruff format": ("-m", "ruff", "format", "--check", "--quiet"),
    "mypy": ("-m", "mypy"),
    "import-linter": ("-c", "from importlinter.cli import lint_imports_command; lint_imports_command()"),
}
FLAKE8_ASYNC = (
    *("-m", "flake8", "--isolated", "--select=ASYNC1,ASYNC2,ASYNC3"),
    # 109: `ask(timeout=)` is our interface. 114: knows only its own list of startable functions.
    # 124: an interface may be async without need. 127: httpx is chosen for its types, behind our own transport.
    "--extend-ignore=ASYNC109,ASYNC114,ASYNC124,ASYNC127",
)


@frozen(kw_only=True)
class Result:
    """How one check or ring ended."""

    name: str
    passed: bool
    seconds: float
    tests: int = 0
    remark: str = ""

    def __str__(self) -> str:
        return f"{self.name:<16}{'passed' if self.passed else 'FAILED':<8}{self.seconds:7.1f} s  {self.remark}".rstrip()


def main(arguments: Sequence[str]) -> int:
    """Run the parts that are named first (all without a name); what follows goes to pytest. The exit code."""
    parts = list(_leading_parts(arguments))
    results = list(_run(parts or ("lint", *RINGS), arguments[len(parts) :]))
    print("\n== summary ==")
    for result in results:
        print(result)
    failed = [result.name for result in results if not result.passed]
    total = f"{sum(result.tests for result in results)} tests in {sum(result.seconds for result in results):.0f} s"
    print(f"FAILED: {', '.join(failed)}; {total}" if failed else f"all passed; {total}", flush=True)
    return 1 if failed else 0


def _leading_parts(arguments: Sequence[str]) -> Iterator[str]:
    for argument in arguments:
        if argument not in ("lint", *RINGS):
            return
        yield argument


def _run(parts: Sequence[str], pytest_arguments: Sequence[str]) -> Iterator[Result]:
    for part in parts:
        if part == "lint":
            yield from (_check(name, command) for name, command in CHECKS.items())
            yield _check("flake8-async", (*FLAKE8_ASYNC, *_asynchronous_sources()))
        else:
            yield _ring(part, pytest_arguments)


def _asynchronous_sources() -> list[str]:
    """The only files that flake8-async can find fault with; it takes 0.3 s for each file that it is given."""
    paths = (path for folder in SOURCES for path in (ROOT / folder).rglob("*.py"))
    return [str(path.relative_to(ROOT)) for path in sorted(paths) if "async" in path.read_text()]


def _check(name: str, command: Sequence[str]) -> Result:
    passed, seconds = _python(name, command)
    return Result(name=name, passed=passed, seconds=seconds)


def _ring(name: str, pytest_arguments: Sequence[str]) -> Result:
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        passed, seconds = _python(name, ("-m", "pytest", f"tests/{name}", f"--junitxml={report}", *pytest_arguments))
        counts = _counts(report)
    skipped = counts.get("skipped", 0)  # a test that is skipped proves nothing
    remark = ", ".join(f"{number} {what}" for what, number in counts.items() if number)
    return Result(
        name=name, passed=passed and not skipped, seconds=seconds, tests=counts.get("tests", 0), remark=remark
    )


def _counts(report: Path) -> dict[str, int]:
    """What pytest counted; nothing if it did not come so far."""
    if not report.exists():
        return {}
    suites = ElementTree.parse(report).getroot().findall("testsuite")
    return {
        what: sum(int(suite.get(what, 0)) for suite in suites) for what in ("tests", "failures", "errors", "skipped")
    }


def _python(name: str, command: Sequence[str]) -> tuple[bool, float]:
    print(f"\n== {name} ==", flush=True)
    started = time.monotonic()
    ended = subprocess.run([sys.executable, *command], cwd=ROOT, check=False)
    return ended.returncode == 0, time.monotonic() - started


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
