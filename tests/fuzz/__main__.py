"""Fuzzes the parsers that take bytes from outside, with coverage (libFuzzer by atheris).

    bin/test fuzz 600                              every target, ten minutes in all
    bin/test fuzz 60 --target sdp_offer --keep     one, and the few inputs that reach new code are kept in the corpus

What is found is written to build/fuzz; put it into tests/fuzz/corpus/TARGET once it is mended: the unit ring replays
the corpus, without atheris. Each target has a process of its own, two run at a time.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.fuzz.targets import CORPUS, TARGETS, inputs

FOUND = Path(__file__).parents[2] / "build/fuzz"
LONGEST_INPUT = 4096
SLOW_UNIT = 5
"""Seconds that one input may take."""
MOST_MEMORY = 1024
"""MiB of a whole process."""
AT_A_TIME = 2


def main(arguments: Sequence[str]) -> int:
    """Fuzz what is asked for. The exit code is 1 if anything was found."""
    options = _parser().parse_args(arguments)
    FOUND.mkdir(parents=True, exist_ok=True)
    names = options.target or list(TARGETS)
    each = max(1, options.seconds * AT_A_TIME // len(names))
    with ThreadPoolExecutor(AT_A_TIME) as processes:
        passed = list(processes.map(lambda name: _run(name, each, options.seed, keep=options.keep), names))
    return 0 if all(passed) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tests.fuzz", description="Fuzz the parsers.")
    parser.add_argument("--seconds", type=int, default=30, help="in all (30)")
    parser.add_argument("--seed", type=int, default=0, help="0 takes a new one")
    parser.add_argument("--target", action="append", choices=list(TARGETS), help="default: all")
    parser.add_argument("--keep", action="store_true", help="keep inputs that reach new code in the corpus")
    return parser


def _run(name: str, seconds: int, seed: int, *, keep: bool) -> bool:
    """Fuzz one target in a process; what it says is printed if something was found."""
    with tempfile.TemporaryDirectory() as fresh, tempfile.TemporaryDirectory() as known:
        for number, data in enumerate(inputs(name)):
            Path(known, f"known{number}").write_bytes(data)
        flags = [f"-max_total_time={seconds}", f"-seed={seed}", f"-max_len={LONGEST_INPUT}", f"-timeout={SLOW_UNIT}"]
        flags += [f"-rss_limit_mb={MOST_MEMORY}", f"-artifact_prefix={FOUND}/{name}-", "-print_final_stats=1"]
        ended = _libfuzzer(name, *flags, fresh, known)
        if keep:
            _libfuzzer(name, "-set_cover_merge=1", "-use_counters=0", known, fresh)
            _keep(name, Path(known))
    executed = next((line.split()[-1] for line in ended.stderr.splitlines() if "number_of_executed" in line), "?")
    print(f"{name:<18}{'passed' if ended.returncode == 0 else 'FAILED':<8}{executed:>9} inputs", flush=True)
    if ended.returncode:
        print(ended.stdout[-5000:], ended.stderr[-5000:], sep="\n", flush=True)
    return ended.returncode == 0


def _libfuzzer(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "tests.fuzz.one", name, *arguments]
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)


def _keep(name: str, folder: Path) -> None:
    (CORPUS / name).mkdir(exist_ok=True)
    for path in folder.iterdir():
        if not path.name.startswith("known"):
            path.rename(CORPUS / name / path.name[:12])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
