"""One session of an SSH client: a command, the lines of a pipe, or a prompt on a terminal. Part of the SSH helper."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, Protocol

import asyncssh

from actors.operator.ssh.completion import KEY, SshCompletion
from actors.operator.wcs.conversation import Answered, Exit, Question, converse, exit_code, goes_on, without_json
from actors.operator.wcs.tables import printable
from actors.operator.wcs.terminal import json_lines, shown
from protocol.operator.grammar import CommandError, split

PROMPT: Final = "wcs> "
LEAVING: Final = ("exit", "quit")
IDLE_TIMEOUT: Final = 1800.0
"""Seconds without a line, after which a prompt or a pipe is closed."""
MAX_LINE: Final = 32 * 1024
"""Characters of a line."""
INTERRUPTED: Final = 130
"""The exit code after Ctrl-C, as of `wcs` and other programs."""

Ask = Callable[[Mapping[str, Any]], Awaitable[Answered]]


class LoggedIn(Protocol):
    """Who has logged in."""

    def remote_user(self, username: str) -> dict[str, object]: ...
    async def admitted(self, username: str) -> Answered: ...


class _TooMuchTyped(Exception):
    """A line has more than MAX_LINE characters."""


class SshSession:
    """Carries out what one client asks for; `ask` passes a request to the server, whose socket is `operator`."""

    def __init__(self, process: "asyncssh.SSHServerProcess[str]", ask: Ask, login: LoggedIn, *, operator: Path) -> None:
        self._process = process
        self._server = ask
        self._login = login
        self._name: str = process.get_extra_info("username")
        self._has_terminal = process.term_type is not None
        self._as_json = False
        self._completion = SshCompletion(
            operator,
            lambda: login.remote_user(self._name),
            show=lambda text: self._write(f"{text}{PROMPT}"),
            width=lambda: process.get_terminal_size()[0],
        )

    async def run(self) -> None:
        """Serve it, and end it with an exit code."""
        try:
            code = await self._outcome()
            with contextlib.suppress(OSError):  # the client is gone
                await self._process.stdout.drain()
        except (OSError, asyncssh.Error):
            return
        self._process.exit(code)

    async def _outcome(self) -> int:
        try:
            return await self._serve()
        except _TooMuchTyped:  # where it ends is unknown
            return self._fail({"error": "usage", "message": f"a line is longer than {MAX_LINE} characters"})
        except (asyncssh.BreakReceived, asyncssh.SignalReceived):  # Ctrl-C where there is no prompt to go back to
            return INTERRUPTED

    async def _serve(self) -> Exit:
        answer = await self._login.admitted(self._name)
        if not answer["ok"]:
            return self._fail(answer)
        if self._process.command is not None:
            return await self._perform_line(self._process.command)
        return await (self._prompt() if self._has_terminal else self._perform_lines())

    # -- where commands come from --------------------------------------------------------------------------------------

    async def _perform_lines(self) -> Exit:
        """Line by line, up to the first that fails."""
        code = Exit.DONE
        while code is Exit.DONE and (line := await self._read_line()):
            code = await self._perform_line(line)
        return code

    async def _prompt(self) -> Exit:
        """Until Ctrl-D."""
        channel = self._process.channel
        if isinstance(channel, asyncssh.SSHLineEditorChannel):
            channel.register_key(KEY, self._completion.press)
        self._write("'help' lists the commands, Tab completes them, Ctrl-D ends.\n")
        while True:
            self._write(PROMPT)
            try:
                line = await self._read_command()
                if not line or line.strip() in LEAVING:
                    return Exit.DONE
                await self._perform_line(line)
            except (asyncssh.BreakReceived, asyncssh.SignalReceived):  # Ctrl-C: the line, or the command, is given up
                self._write("\n")

    async def _read_command(self) -> str:
        self._completion.is_on = True
        try:
            return await self._read_line()
        finally:
            self._completion.is_on = False

    async def _read_line(self) -> str:
        """The next line with its end; empty at the end of the input, or after a long silence. _TooMuchTyped."""
        while True:
            try:
                async with asyncio.timeout(IDLE_TIMEOUT):
                    line = await self._process.stdin.readline()
            except asyncssh.TerminalSizeChanged:
                continue
            except (TimeoutError, asyncssh.ConnectionLost):
                return ""
            if len(line) > MAX_LINE:
                raise _TooMuchTyped
            return line

    # -- one command ---------------------------------------------------------------------------------------------------

    async def _perform_line(self, line: str) -> Exit:
        try:
            words, self._as_json = without_json(list(split(line)))
        except CommandError as error:
            return self._fail({"error": "usage", "message": error.message})
        return await self._perform(words) if words else Exit.DONE

    async def _perform(self, words: list[str]) -> Exit:
        answer = await self._conversation({"words": words})
        if goes_on(answer):
            answer = await self._follow(answer)
        if not answer["ok"]:
            return self._fail(answer)
        self._show(answer)
        return Exit.DONE

    async def _conversation(self, request: Mapping[str, Any]) -> Answered:
        talk = converse(request)
        try:
            step = next(talk)
            while True:
                step = talk.send(await self._question(step) if isinstance(step, Question) else await self._ask(step))
        except StopIteration as ended:
            answer: Answered = ended.value
            return answer

    async def _ask(self, request: Mapping[str, Any]) -> Answered:
        return await self._server({"as": self._login.remote_user(self._name), **request})

    async def _question(self, question: Question) -> str | None:
        if not self._has_terminal:
            return (await self._read_line()).rstrip("\r\n") if question.is_secret else None
        if not question.is_secret:
            self._write(printable(question.text))
            return await self._read_line()
        first = await self._read_secret(f"{question.text}: ")
        return first if await self._read_secret("again: ") == first else None

    async def _read_secret(self, asked: str) -> str:
        self._write(printable(asked))
        self._set_echo(False)
        try:
            return (await self._read_line()).rstrip("\r\n")
        finally:
            self._set_echo(True)
            self._write("\n")

    def _set_echo(self, on: bool) -> None:
        """Whether what is typed is shown, and remembered as a line."""
        channel = self._process.channel
        if isinstance(channel, asyncssh.SSHLineEditorChannel):
            channel.set_echo(on)

    async def _follow(self, answer: Answered) -> Answered:
        """Show what comes, until the client is gone or, on a terminal, until Ctrl-C; the last answer."""
        going = asyncio.ensure_future(self._go_on(answer))
        ways_out = [going] + ([asyncio.ensure_future(self._until_break())] if self._has_terminal else [])
        try:
            await asyncio.wait(ways_out, return_when=asyncio.FIRST_COMPLETED)
            return (going if going.done() else ways_out[-1]).result()
        finally:
            for task in ways_out:
                task.cancel()
            await asyncio.gather(*ways_out, return_exceptions=True)

    async def _go_on(self, answer: Answered) -> Answered:
        while goes_on(answer) and not self._process.is_closing():
            self._show(answer)
            await self._process.stdout.drain()
            await asyncio.sleep(answer["pause"])
            answer = await self._ask({"words": answer["follow"]})
        return answer

    async def _until_break(self) -> Answered:
        """Whatever else is typed meanwhile is not for the prompt."""
        with contextlib.suppress(asyncssh.BreakReceived, asyncssh.SignalReceived):
            while await self._read_line():
                pass
        self._write("\n")
        return {"ok": True, "rows": [], "message": ""}

    # -- what is shown -------------------------------------------------------------------------------------------------

    def _show(self, answer: Answered) -> None:
        width = self._process.get_terminal_size()[0] if self._has_terminal else 0
        for line in json_lines(answer) if self._as_json else shown(answer, width or None):
            self._write(f"{line}\n")

    def _fail(self, answer: Answered) -> Exit:
        failed = {"ok": False, **answer}
        if self._as_json:
            self._show(failed)
        else:
            self._complain(answer["message"])
        return exit_code(failed)

    def _complain(self, message: str) -> None:
        self._process.stderr.write(f"wcs: {printable(message)}\n")

    def _write(self, text: str) -> None:
        self._process.stdout.write(text)
