"""flake8-async, made quick enough for every run:

    tests.async_rules FILE...

flake8-async parses each file twice, by `ast` and by LibCST, and the second takes nearly all of the time: each of its
rules walks through the whole tree, and has the place of each node computed anew. But these are only three, and speak of
calls by their names. Places are computed once here, and only those walk through a file that could find fault with it.

The exit code is 0 if no file breaks a rule; each fault is printed, in the words of flake8-async.
"""

import ast
import re
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from flake8_async import Plugin, cst_parse_module_native
from flake8_async.runner import Flake8AsyncRunner, Flake8AsyncRunner_cst
from libcst.metadata import MetadataWrapper

OPTIONS = (
    "--enable=ASYNC1,ASYNC2,ASYNC3",
    # 109: `ask(timeout=)` is our interface. 114: knows only its own list of startable functions.
    # 124: an interface may be async without need. 127: httpx is chosen for its types, behind our own transport.
    "--disable=ASYNC109,ASYNC114,ASYNC124,ASYNC127",
)
_SCOPES = "asyncio|fail_after|fail_at|move_on_after|move_on_at|CancelScope"
_NURSERIES = (
    "open_nursery|create_task_group|open_websocket|serve_websocket|open_loop|open_worker_context|move_on_when"
    "|run_and_cancelling|open_emissions_nursery|enter_emissions_channel|BlockingPortal|start_blocking_portal"
    "|LifespanManager|AsyncScheduler|streamablehttp_client|sse_client"
)
NAMES = {
    "ASYNC100": re.compile(_SCOPES),  # a scope without a checkpoint
    "ASYNC101": re.compile(rf"{_SCOPES}|{_NURSERIES}"),  # a yield in a scope or nursery
    "ASYNC300": re.compile("asyncio"),  # a task that is forgotten
}
"""By the rules that need LibCST: what a file holds that breaks one."""


def main(files: Sequence[str]) -> int:
    """Print what is wrong in these files; the exit code."""
    found = [f"{file}:{fault}" for file in files for fault in faults(Path(file).read_text())]
    print(*found, sep="\n", end="\n" if found else "")
    return 1 if found else 0


def faults(source: str) -> list[str]:
    """Each fault with its place, in order."""
    return [str(fault) for fault in sorted(_faults(source))]


def _faults(source: str) -> Iterator[Any]:
    impossible = {rule for rule, names in NAMES.items() if not names.search(source)}
    if "yield" not in source:
        impossible.add("ASYNC101")
    allows_some = "noqa" in source.lower()
    allowed: dict[int, set[str]] = {}
    if allows_some or impossible != set(NAMES):
        options = replace(_options(), enabled_codes=_options().enabled_codes - impossible, disable_noqa=not allows_some)
        runner = Flake8AsyncRunner_cst(options, cst_parse_module_native(source))
        places = MetadataWrapper(runner.module, unsafe_skip_copy=True)  # parsed just now: no node stands in it twice
        for visitor in (*runner.utility_visitors, *runner.visitors):
            places.visit(visitor)
        yield from runner.state.problems
        allowed = runner.state.noqas
    for fault in Flake8AsyncRunner.run(ast.parse(source), _options()):
        codes = allowed.get(fault.line)
        if codes is None or (codes and fault.code not in codes):
            yield fault


@cache
def _options() -> Any:
    parser = ArgumentParser()
    Plugin.add_options(parser)
    Plugin.parse_options(parser.parse_args(OPTIONS))
    return Plugin._options


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
