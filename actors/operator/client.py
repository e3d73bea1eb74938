"""The program `wcs`: sends the operator's commands to the server and shows the answers.

It knows nothing about the commands: the server parses them and says what to show. It imports only the standard library,
so it starts fast and runs where the server's libraries are not installed.
"""

import contextlib
import getpass
import io
import json
import os
import shutil
import socket
import sys
from collections.abc import Iterator, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from actors.operator.tables import printable, render
from actors.storage.default_paths import SOCKET_NAME, default_state_folder

ANSWER_TIMEOUT = 30.0
"""Seconds the server may take to answer."""
MAX_ANSWER_SIZE = 64 * 1024 * 1024

USAGE = """\
usage: wcs [--state DIR] [--json] [COMMAND...]
       wcs --completion bash|zsh|fish

Sends COMMAND to the server that runs on this machine. Without COMMAND, commands are read from standard input, one per
line, up to the first that fails. Give passwords there, or leave them out and be asked: arguments appear in the process
list. Without a terminal, a password that was left out is read from standard input.

  --state DIR   the server's state folder; default: {default}
  --json        print each answer as one line of JSON; also as the last word of COMMAND
  --completion  print the completion script for a shell, such as: eval "$(wcs --completion bash)"
  --version     print the version of this program
  --help        this text

Exit codes: 0 done, or nothing to do   1 refused   2 not a command   3 no server answers   4 the server failed

Commands:
"""


class Exit(IntEnum):
    """What the program's exit code means."""

    DONE = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    FAILED = 4


_EXIT_OF_ERROR = {
    "refused": Exit.REFUSED,
    "usage": Exit.USAGE,
    "password": Exit.USAGE,
    "unconfirmed": Exit.REFUSED,
    "failed": Exit.FAILED,
    "unreachable": Exit.UNREACHABLE,
}


class ServerUnreachable(Exception):
    """No server answers; the text says where we looked and why that failed."""


class BadUsage(Exception):
    """The program's own options are invalid."""


class Options(NamedTuple):
    """The command line."""

    state: Path
    as_json: bool
    words: list[str]
    shown: str | None = None
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
    if options.words:
        return _perform({"words": options.words}, options, place="")
    if sys.stdin.isatty():
        print("wcs: no command. Try 'wcs --help'.", file=sys.stderr)
        return Exit.USAGE
    return _perform_all(sys.stdin, options)


def read_options(arguments: Sequence[str]) -> Options:
    """The program's options, which come before the command, `--json` also after it; BadUsage if they are invalid."""
    state, as_json, shown = default_state_folder(), False, None
    rest = list(arguments)
    while rest and rest[0].startswith("-"):
        option, glued, value = rest.pop(0).partition("=")
        if option == "--state":
            if not glued and not rest:
                raise BadUsage("--state needs a folder")
            state = Path(value if glued else rest.pop(0))
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
    return Options(state, as_json, rest, shown)


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


def _perform_all(lines: TextIO, options: Options) -> int:
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        code = _perform({"line": line}, options, place=f"line {number}: ")
        if code != Exit.DONE:
            return code
    return Exit.DONE


def _perform(request: dict[str, Any], options: Options, *, place: str) -> int:
    """One command: ask, show the answer, return the exit code."""
    answer = _answer(request, options)
    if answer.get("error") == "password" and "words" in request:
        password = _ask_for_password(answer["message"])
        if password is None:
            print("wcs: the passwords differ", file=sys.stderr)
            return Exit.REFUSED
        words = request["words"]
        ends_options = [] if "--" in words else ["--"]  # a password may begin with a dash
        answer = _answer({"words": [*words, *ends_options, password]}, options)
    if answer.get("error") == "unconfirmed":
        answer = _confirmed(answer, request, options)
    if options.as_json:
        print(json.dumps(answer), flush=True)
    elif answer["ok"]:
        _show(answer)
    else:
        print(f"wcs: {place}{printable(answer['message'])}", file=sys.stderr)
    return Exit.DONE if answer["ok"] else _EXIT_OF_ERROR.get(answer["error"], Exit.FAILED)


def _answer(request: dict[str, Any], options: Options) -> dict[str, Any]:
    try:
        return ask(options.state / SOCKET_NAME, request)
    except ServerUnreachable as error:
        return {"ok": False, "error": "unreachable", "message": str(error)}


def _confirmed(answer: dict[str, Any], request: dict[str, Any], options: Options) -> dict[str, Any]:
    """The answer to the command with --yes, if a person at the terminal agrees."""
    if "words" not in request or not sys.stdin.isatty():
        return {**answer, "message": f"{answer['message']} If so, say --yes"}
    print(f"{printable(answer['message'])} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        return {**answer, "message": "nothing is done"}
    command, *rest = request["words"]
    return _answer({"words": [command, "--yes", *rest]}, options)


def _ask_for_password(whose: str) -> str | None:
    """From the terminal, twice, or else a line of standard input; None if the two differ."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass(f"{whose}: ")
    return password if getpass.getpass("again: ") == password else None


def _show(answer: dict[str, Any]) -> None:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    columns = answer.get("columns")
    rows = [{name: row.get(name) for name in columns} for row in answer["rows"]] if columns else answer["rows"]
    for line in render(rows, width, cuts=bool(columns)):
        print(line)
    if answer["message"]:
        print(printable(answer["message"]))
    sys.stdout.flush()


def ask(path: Path, request: dict[str, Any]) -> dict[str, Any]:
    """The server's answer to one request; ServerUnreachable if there is none."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(ANSWER_TIMEOUT)
        _connect(connection, path)
        try:
            with contextlib.suppress(BrokenPipeError):  # a server that wants no requests has said why
                connection.sendall(json.dumps(request).encode() + b"\n")
            line = b"".join(_chunks_of_line(connection))
        except TimeoutError:
            raise ServerUnreachable(f"the server at {path} did not answer within {ANSWER_TIMEOUT:.0f} s") from None
        except OSError as error:
            raise ServerUnreachable(f"the server at {path} went away: {error.strerror or error}") from None
    try:
        answer = json.loads(line)
    except ValueError:
        answer = None
    if not isinstance(answer, dict) or "ok" not in answer:
        raise ServerUnreachable(
            f"the server at {path} ended the conversation; the command may or may not have been done"
        )
    return answer


def _connect(connection: socket.socket, path: Path) -> None:
    try:
        connection.connect(str(path))
    except (FileNotFoundError, ConnectionRefusedError):
        raise ServerUnreachable(
            f"no server runs on the state folder {path.parent} (nobody listens on {path}); "
            "start wcsd, or name its folder with --state"
        ) from None
    except PermissionError:
        raise ServerUnreachable(f"no permission to use {path}; run wcs as the user that runs the server") from None
    except OSError as error:  # a path too long for a Unix socket among them
        raise ServerUnreachable(f"cannot connect to {path}: {error.strerror or error}") from None


def _chunks_of_line(connection: socket.socket) -> Iterator[bytes]:
    received = 0
    while received <= MAX_ANSWER_SIZE:
        chunk = connection.recv(65536)
        received += len(chunk)
        yield chunk
        if not chunk or chunk.endswith(b"\n"):
            return


if __name__ == "__main__":
    main()
