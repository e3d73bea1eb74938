"""Carries out commands for the person, or the program, at the standard streams of `wcs`. Standard library only."""

import getpass
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from actors.operator.wcs.asking import ServerUnreachable, ask
from actors.operator.wcs.conversation import Answered, Exit, Question, converse, exit_code, goes_on
from actors.operator.wcs.tables import printable, render, render_lines


class Terminal(NamedTuple):
    """The standard streams, and the socket of the server."""

    socket: Path
    as_json: bool = False
    node: int | None = None
    """Which of the nodes of `wcsd --nodes` is asked; None: the parent decides."""

    def perform(self, request: Mapping[str, Any], *, place: str = "") -> Exit:
        """One command: ask, show the answer, return the exit code. `place`: where it stands, for an error."""
        answer = self._conversation(request)
        if answer.get("form") == "screen" and not self.as_json and can_draw():
            from actors.operator.wcs.screen import show_screen  # rarely needed

            answer = show_screen(answer, lambda words: self.ask({"words": words}))
        while goes_on(answer):
            self._show(answer)
            time.sleep(answer["pause"])
            answer = self.ask({"words": answer["follow"]})
        if answer["ok"] or self.as_json:
            self._show(answer)
        else:
            print(f"wcs: {place}{printable(answer['message'])}", file=sys.stderr)
        return exit_code(answer)

    def ask(self, request: Mapping[str, Any]) -> Answered:
        """What the server answers, or in its form, that none does."""
        try:
            return ask(self.socket, request if self.node is None else {"node": self.node, **request})
        except ServerUnreachable as error:
            return {"ok": False, "error": "unreachable", "message": str(error)}

    def _conversation(self, request: Mapping[str, Any]) -> Answered:
        talk = converse(request)
        try:
            step = next(talk)
            while True:
                step = talk.send(_ask_person(step) if isinstance(step, Question) else self.ask(step))
        except StopIteration as ended:
            answer: Answered = ended.value
            return answer

    def _show(self, answer: Answered) -> None:
        width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
        for line in json_lines(answer) if self.as_json else shown(answer, width):
            print(line)
        sys.stdout.flush()


def is_interactive() -> bool:
    """Whether a person sits at both ends."""
    return sys.stdin.isatty() and sys.stdout.isatty()


def can_draw() -> bool:
    """Whether the terminal can do more than show one line after the other."""
    return is_interactive() and os.environ.get("TERM", "dumb") not in ("dumb", "")


def shown(answer: Answered, width: int | None) -> Iterator[str]:
    """The lines of an answer for people, on a terminal of this width."""
    if answer.get("form") == "lines":
        yield from render_lines(answer["rows"])
    else:
        columns = answer.get("columns")
        rows = [{name: row.get(name) for name in columns} for row in answer["rows"]] if columns else answer["rows"]
        yield from render(rows, width, cuts=bool(columns))
    if answer["message"]:
        yield printable(answer["message"])


def json_lines(answer: Answered) -> Iterator[str]:
    """The lines of an answer for programs: one; of a command that goes on, one for each row."""
    if goes_on(answer):
        yield from map(json.dumps, answer["rows"])
    else:
        yield json.dumps(answer)


def _ask_person(question: Question) -> str | None:
    if question.is_secret:
        return _ask_for_password(question.text)
    if not sys.stdin.isatty():
        return None
    print(printable(question.text), end="", file=sys.stderr, flush=True)
    return sys.stdin.readline()


def _ask_for_password(whose: str) -> str | None:
    """From the terminal, twice, or else a line of standard input; None if the two differ."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass(f"{whose}: ")
    return password if getpass.getpass("again: ") == password else None
