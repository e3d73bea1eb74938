"""The prompt of `wcs`: reads commands from a person until Ctrl-D. Standard library only; the editor is loaded if it is
there."""

import sys
from collections.abc import Callable
from typing import Protocol

from actors.operator.wcs.conversation import Exit, without_json
from actors.operator.wcs.tables import printable
from actors.operator.wcs.terminal import Terminal, can_draw
from protocol.operator.grammar import CommandError, split

PROMPT = "wcs> "
GREETING = "'help' lists the commands, Tab completes them, Ctrl-D ends."
PLAIN = "wcs: no line editor: prompt_toolkit is not installed for this Python; there is no completion and no history"
LEAVING = ("exit", "quit")


class _Reads(Protocol):
    """Returns the next line; EOFError at the end, KeyboardInterrupt for Ctrl-C."""

    def __call__(self) -> str: ...


def run_prompt(terminal: Terminal) -> Exit:
    """Carry out commands until the end; the exit code. Without a server there is no prompt."""
    answer = terminal.ask({"words": ["show", "nodes"]})
    if not answer["ok"]:
        print(f"wcs: {printable(answer['message'])}", file=sys.stderr)
        return Exit.UNREACHABLE
    node = answer["rows"][0]
    print(f"wcsd {node['version']}, {node['state']}, up {node['up']}. {GREETING}")
    read = _editor(terminal)
    while (words := _next_words(read)) is not None:
        if words:
            _perform(terminal, words)
    return Exit.DONE


def _next_words(read: _Reads) -> list[str] | None:
    """The words of the next command; none for an empty line, None at the end."""
    try:
        words = list(split(read()))
    except EOFError:
        return None
    except KeyboardInterrupt:  # as in a shell: the line is given up
        return []
    except CommandError as error:
        print(f"wcs: {printable(error.message)}", file=sys.stderr)
        return []
    return None if words and words[0] in LEAVING and len(words) == 1 else words


def _perform(terminal: Terminal, words: list[str]) -> None:
    try:
        words, as_json = without_json(words)
        terminal._replace(as_json=as_json or terminal.as_json).perform({"words": words})
    except KeyboardInterrupt:
        print()
    except EOFError:  # at a question
        print()


def _editor(terminal: Terminal) -> Callable[[], str]:
    if not can_draw():
        return lambda: input(PROMPT)
    try:
        from actors.operator.wcs.line_editor import line_editor
    except ImportError:
        print(PLAIN, file=sys.stderr)
        return lambda: input(PROMPT)

    def complete(line: str) -> list[str]:
        answer = terminal.ask({"complete": line})
        return [row["word"] for row in answer["rows"]] if answer["ok"] else []

    return line_editor(PROMPT, complete)
