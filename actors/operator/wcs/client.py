"""The program `wcs`: sends the operator's commands to the server and shows the answers.

It knows nothing about the commands: the server parses them and says what to show. It imports only the standard library,
so it starts fast and runs where the server's libraries are not installed; the prompt alone has more where it is.
"""

import io
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TextIO

from actors.operator.wcs.conversation import Exit
from actors.operator.wcs.terminal import Terminal, is_interactive
from actors.storage.default_paths import SOCKET_NAME, default_state_folder

USAGE = """\
usage: wcs [--state DIR] [--node N] [--json] [COMMAND...]
       wcs --completion bash|zsh|fish

Sends COMMAND to the server that runs on this machine. Without COMMAND, a prompt asks for commands at a terminal; else
they are read from standard input, one per line, up to the first that fails. Give passwords there, or leave them out and
be asked: arguments appear in the process list. Without a terminal, a password that was left out is read from standard
input.

  --state DIR   the server's state folder; default: {default}
  --node N      of a server that was started by wcsd --nodes: the node that gets COMMAND, counted from 0
  --json        print each answer as one line of JSON; also as the last word of COMMAND
  --completion  print the completion script for a shell, such as: eval "$(wcs --completion bash)"
  --version     print the version of this program
  --help        this text

Exit codes: 0 done, or nothing to do   1 refused   2 not a command   3 no server answers   4 the server failed

Commands:
"""


class BadUsage(Exception):
    """The program's own options are invalid."""


class Options(NamedTuple):
    """The command line."""

    state: Path
    as_json: bool
    words: list[str]
    shown: str | None = None
    node: int | None = None
    """Text to print instead of a command's answer."""


def main() -> None:
    """Run with the process's arguments and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without Unicode must not make us fail
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # as the process's arguments are read
    try:
        code = run(sys.argv[1:])
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:  # the reader of our output has seen enough, as in `wcs show apps | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = Exit.DONE
    sys.exit(code)


def run(arguments: Sequence[str]) -> int:
    """Do what the arguments say; returns the exit code."""
    try:
        options = read_options(arguments)
    except BadUsage as error:
        print(f"wcs: {error}\nTry 'wcs --help'.", file=sys.stderr)
        return Exit.USAGE
    if options.shown is not None:
        print(options.shown, end="")
        return Exit.DONE
    terminal = Terminal(options.state / SOCKET_NAME, options.as_json, options.node)
    if options.words:
        return terminal.perform({"words": options.words})
    if is_interactive():
        from actors.operator.wcs.prompt import run_prompt

        return run_prompt(terminal)
    if sys.stdin.isatty():
        print("wcs: no command. Try 'wcs --help'.", file=sys.stderr)
        return Exit.USAGE
    return _perform_all(sys.stdin, terminal)


def read_options(arguments: Sequence[str]) -> Options:
    """The program's options, which come before the command, `--json` also after it; BadUsage if they are invalid."""
    state, node, as_json, shown = default_state_folder(), None, False, None
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        option, glued, value = rest.pop(0).partition("=")
        if option == "--state":
            state = Path(_value(option, "a folder", glued, value, rest))
        elif option == "--node":
            node = _number(_value(option, "the number of a node", glued, value, rest))
        elif option == "--completion":
            shown = _completion(value if glued else "".join(rest[:1]))
            rest.clear()
        elif option == "--json" and not glued:
            as_json = True
        elif option in ("-h", "--help") and not glued:
            shown = _help_text()
        elif option == "--version" and not glued:
            shown = _version_text()
        else:
            raise BadUsage(f"unknown option {option!r}")
    if rest[-1:] == ["--json"] and "--" not in rest:
        as_json = True
        rest.pop()
    return Options(state, as_json, rest, shown, node)


def _value(option: str, what: str, glued: str, value: str, rest: list[str]) -> str:
    """The value of an option, which may be the next argument."""
    if not glued and not rest:
        raise BadUsage(f"{option} needs {what}")
    return value if glued else rest.pop(0)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 4:
        raise BadUsage(f"--node needs the number of a node, not {text!r}")
    return int(text)


# What is rarely needed is imported only then, so that a normal start does not pay for it.


def _help_text() -> str:
    from protocol.operator.syntax import help_text

    return USAGE.format(default=default_state_folder()) + help_text() + "\n"


def _version_text() -> str:
    from config.version import VERSION

    return f"wcs {VERSION}\n"


def _completion(shell: str) -> str:
    from protocol.operator.completion import SHELLS, completion_script

    if shell not in SHELLS:
        raise BadUsage(f"--completion needs a shell: {', '.join(SHELLS)}")
    return completion_script(shell)


def _perform_all(lines: TextIO, terminal: Terminal) -> int:
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        code = terminal.perform({"line": line}, place=f"line {number}: ")
        if code != Exit.DONE:
            return code
    return Exit.DONE


if __name__ == "__main__":
    main()
