"""A store of applications that is killed while it writes: run as a program, for it forks.

    python -m tests.support.operator.killed_store line FOLDER      killed at each line of the code that saves, in turn
    python -m tests.support.operator.killed_store moment FOLDER    killed at random moments

After each death the file must be a whole table that holds every change which was acknowledged, and at most the one
change beyond that was under way.
"""

import os
import random
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import trio

from actors.storage import app_store, atomic_write, table_store
from actors.storage.app_store import AppStore, open_app_store
from config.apps import App, AppTable

ROUNDS = 40


def main() -> None:
    mode, folder = sys.argv[1:]
    path = Path(folder) / "apps.toml"
    deaths = {"line": die_at_every_line, "moment": die_at_random_moments}[mode](path)
    sys.stdout.write(f"{deaths} deaths survived\n")


def die_at_every_line(path: Path) -> int:
    """Kill a change at its first line, the next one at its second, until one comes through."""
    deaths = 0
    while True:
        before = len(open_app_store(path).table.apps)
        acknowledged, killed = run_and_reap(partial(change_under_trace, path, deaths + 1), None)
        check(path, before, acknowledged)
        if not killed:
            return deaths
        deaths += 1


def die_at_random_moments(path: Path) -> int:
    """Kill a store that changes its table without end."""
    random.seed(20)
    for _ in range(ROUNDS):
        before = len(open_app_store(path).table.apps)
        acknowledged, killed = run_and_reap(partial(change_for_ever, path), random.uniform(0.005, 0.05))
        assert killed
        check(path, before, acknowledged)
    return ROUNDS


def check(path: Path, before: int, acknowledged: int) -> None:
    names = [app.name for app in open_app_store(path).table.apps]
    assert names == ["defaultApp", "roomApp", *(f"app{number}" for number in range(2, len(names)))]
    assert before + acknowledged <= len(names) <= before + acknowledged + 1, (before, acknowledged, len(names))


def run_and_reap(child: Callable[[int], None], lifetime: float | None) -> tuple[int, bool]:
    """Fork `child`, kill it after `lifetime` seconds; how many changes it acknowledged, and whether it was killed."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            child(writing)
        finally:
            os._exit(0 if sys.exc_info()[0] is None else 1)
    os.close(writing)
    acknowledged = 0
    deadline = None if lifetime is None else time.monotonic() + lifetime
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        if left is not None and not select.select([reading], [], [], left)[0]:
            os.kill(pid, signal.SIGKILL)
            deadline = None  # what is in the pipe was acknowledged before
            continue
        data = os.read(reading, 65536)
        if not data:
            break
        acknowledged += len(data)
        if deadline is not None and time.monotonic() >= deadline:
            os.kill(pid, signal.SIGKILL)
            deadline = None
    os.close(reading)
    status = os.waitpid(pid, 0)[1]
    assert not os.WIFEXITED(status) or os.WEXITSTATUS(status) == 0, "the store crashed"
    return acknowledged, os.WIFSIGNALED(status)


async def add_one(store: AppStore, write: int) -> None:
    def change(table: AppTable) -> tuple[AppTable, None]:
        name = f"app{len(table.apps)}"
        return table.added(App(name=name, key=name, url="http://a.example", methods=frozenset({"connect"}))), None

    await store.change(change)
    os.write(write, b"!")


def change_for_ever(path: Path, write: int) -> None:
    async def run() -> None:
        store = open_app_store(path)
        while True:
            await add_one(store, write)

    trio.run(run)


def change_under_trace(path: Path, fatal_line: int, write: int) -> None:
    """One change, killed before the `fatal_line`-th line that it runs in the modules that save."""
    store = open_app_store(path)
    lines = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal lines
        if frame.f_code.co_filename not in (app_store.__file__, table_store.__file__, atomic_write.__file__):
            return None
        if event == "line":
            lines += 1
            if lines == fatal_line:
                os.kill(os.getpid(), signal.SIGKILL)
        return trace

    threading.settrace(trace)  # the thread that writes
    sys.settrace(trace)
    trio.run(add_one, store, write)


if __name__ == "__main__":
    main()
