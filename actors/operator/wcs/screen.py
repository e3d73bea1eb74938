"""`wcs top`: a table that is drawn anew every few seconds, on the alternate screen of the terminal.

Whatever ends it leaves the terminal as it was. Standard library only.
"""

import itertools
import os
import select
import shutil
import signal
import sys
import termios
import tty
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any, NamedTuple

from actors.operator.wcs.conversation import Answered
from actors.operator.wcs.tables import printable, render
from protocol.operator.syntax import STREAM_ORDERS

ENTER = "\x1b[?1049h\x1b[?25l\x1b[?7l"
"""Alternate screen, no cursor, long lines are cut (xterm's private modes)."""
LEAVE = "\x1b[?7h\x1b[?25h\x1b[?1049l"
HELP = "< > column   r reverse   q quit"
ENDING = (signal.SIGTERM, signal.SIGHUP)

Ask = Callable[[list[str]], Answered]


class View(NamedTuple):
    """What is shown: the words of the command without these two, and what it is sorted by."""

    words: list[str]
    key: str = "kbps"
    is_descending: bool = True
    limit: int | None = None

    @classmethod
    def of(cls, follow: Sequence[str]) -> "View":
        """The view that the command says."""
        options = dict(itertools.pairwise(follow))
        order = options.get("--sort", "-kbps")
        limit = options.get("--limit")
        return cls(
            words=_without(follow, "--sort", "--limit"),
            key=order.removeprefix("-"),
            is_descending=order.startswith("-"),
            limit=None if limit is None else int(limit),
        )

    def command(self, height: int) -> list[str]:
        """The words that ask for it, for so many lines."""
        verb, *rest = self.words
        order = f"{'-' if self.is_descending else ''}{self.key}"
        return [verb, "--sort", order, "--limit", str(min(self.limit or height, max(1, height))), *rest]

    def after(self, key: str) -> "View":
        """The view after a key was pressed."""
        match key:
            case "<" | ">":
                place = STREAM_ORDERS.index(self.key) + (1 if key == ">" else -1)
                return self._replace(key=STREAM_ORDERS[place % len(STREAM_ORDERS)])
            case "r":
                return self._replace(is_descending=not self.is_descending)
        return self


def show_screen(first: Answered, ask: Ask) -> Answered:
    """Draw until `q`, Ctrl-C or the end of the input; then there is nothing left to show."""
    with _terminal() as woken:
        with suppress(KeyboardInterrupt):
            _draw_again_and_again(first, ask, woken)
    return {"ok": True, "rows": [], "message": ""}


def _draw_again_and_again(first: Answered, ask: Ask, woken: int) -> None:
    view, answer = View.of(first["follow"]), first
    pause = first["pause"]
    while True:
        fresh = ask(view.command(_size().lines - 4))
        answer = fresh if fresh["ok"] else {**answer, "message": f"! {fresh['message']}"}
        _draw(answer, view)
        keys = _keys(pause, woken)
        if keys is None or "q" in keys:
            return
        for key in keys:
            view = view.after(key)


def _keys(seconds: float, woken: int) -> str | None:
    """What was typed within so many seconds; None at the end of the input. Empty if the window's size has changed."""
    ready, _, _ = select.select([sys.stdin.fileno(), woken], [], [], seconds)
    if woken in ready:
        os.read(woken, 64)
    if sys.stdin.fileno() not in ready:
        return ""
    typed = os.read(sys.stdin.fileno(), 64)
    return typed.decode(errors="replace") if typed else None


def _draw(answer: Answered, view: View) -> None:
    size = _size()
    columns = answer.get("columns") or []
    rows = [{name: row.get(name) for name in columns} for row in answer["rows"]]
    sorted_by = f"sorted by {view.key}{', largest first' if view.is_descending else ''}"
    lines = [*printable(answer["message"]).splitlines(), f"{sorted_by}   {HELP}", "", *render(rows, None, cuts=True)]
    shown = "\x1b[K\n".join(lines[: size.lines])
    sys.stdout.write(f"\x1b[H{shown}\x1b[K\x1b[J")
    sys.stdout.flush()


def _size() -> os.terminal_size:
    return shutil.get_terminal_size()


def _without(words: Sequence[str], *options: str) -> list[str]:
    kept, rest = [], iter(words)
    for word in rest:
        if word in options:
            next(rest, None)
        else:
            kept.append(word)
    return kept


@contextmanager
def _terminal() -> Iterator[int]:
    """The terminal as the screen wants it, and as it was afterwards. Gives what can be read once its size changes."""
    before = termios.tcgetattr(sys.stdin)
    reading, writing = os.pipe()
    os.set_blocking(writing, False)

    def enter() -> None:
        tty.setcbreak(sys.stdin)
        _write(ENTER)

    def leave() -> None:
        _write(LEAVE)
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)

    def suspend(number: int, frame: FrameType | None) -> None:
        leave()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTSTP)  # goes on here when it is continued
        signal.signal(signal.SIGTSTP, suspend)
        enter()

    handlers: dict[int, Any] = {
        **dict.fromkeys(ENDING, _end),
        signal.SIGTSTP: suspend,
        signal.SIGWINCH: lambda number, frame: None,
    }
    old = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    old_wakeup = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    try:
        enter()
        yield reading
    finally:
        leave()
        signal.set_wakeup_fd(old_wakeup)
        for number, handler in old.items():
            signal.signal(number, handler)
        os.close(reading)
        os.close(writing)


def _end(number: int, frame: FrameType | None) -> None:
    sys.exit(128 + number)


def _write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
