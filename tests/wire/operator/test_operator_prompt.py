"""The prompt of `wcs`, and `wcs top`, on a pseudo-terminal."""

import os
import signal
import stat
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
import trio
import trio.lowlevel

from actors.events.event_log import EventLog
from actors.operator.wcs.conversation import Exit
from actors.operator.wcs.screen import ENTER, LEAVE
from protocol.node.server_events import EventType
from tests.support.operator.operator_console import ROOT, Console, live_commands_on, open_console, watch_commands_on
from tests.support.operator.pty_process import PtyProcess, on_pty
from tests.support.web.stream_world import StreamWorld, stream

UP, TAB, CTRL_C, CTRL_D = "\x1b[A", "\t", "\x03", "\x04"


@pytest.fixture
async def console(nursery: trio.Nursery, tmp_path: Path) -> Console:
    world = StreamWorld([stream("m1", "news", viewers=1), stream("m2", "sport", viewers=7)])
    events = EventLog()
    events.emit(EventType.STREAM_ENDED, app="shop", name="news", cause="test")
    return await open_console(nursery, tmp_path, live=live_commands_on(world), watch=watch_commands_on(events))


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def wcs(console: Console, home: Path, *words: str, term: str = "xterm") -> AbstractAsyncContextManager[PtyProcess]:
    command = [sys.executable, "-W", "error", "-m", "actors.operator.wcs.client", "--state", str(console.state), *words]
    return on_pty(command, cwd=ROOT, environment={"TERM": term, "HOME": str(home)})


@pytest.fixture
async def prompt(console: Console, home: Path) -> AsyncIterator[PtyProcess]:
    async with wcs(console, home) as process:
        await process.expect("wcs>")
        yield process


async def enter(prompt: PtyProcess, line: str, answer: str) -> None:
    """Type a line, wait for what it shows, and for the next prompt."""
    await prompt.type(f"{line}\r")
    await prompt.expect(answer)
    await prompt.expect("wcs>")


async def test_words_and_names_are_completed(prompt: PtyProcess) -> None:
    await prompt.type(f"show str{TAB}")
    await prompt.expect("eams")
    await prompt.type(f" name=sp{TAB}")
    await prompt.expect("ort")
    await prompt.type("\r")
    assert "m1" not in await prompt.expect("m2")
    await prompt.expect("wcs>")
    await prompt.type(CTRL_D)
    assert await prompt.ended() == Exit.DONE


async def test_there_is_help_and_a_history_without_passwords(prompt: PtyProcess, console: Console, home: Path) -> None:
    await enter(prompt, "help tail", "Show events as they happen")
    await enter(prompt, "add user bob --role view hunter2secret", "user 'bob' added")
    await enter(prompt, UP, "Show events as they happen")
    await prompt.type("passwd bob\r")
    await prompt.expect("password of 'bob': ")
    await prompt.type("other2secret\r")
    await prompt.expect("again: ")
    await enter(prompt, "other2secret", "password of user 'bob' changed")
    await prompt.type("terminate name=news\r")
    await prompt.expect("stop 1 stream? [y/N] ")
    await enter(prompt, "y", "1 stream stopped")
    await prompt.type("exit\r")
    assert await prompt.ended() == Exit.DONE
    assert console.access.store.table.user("bob") is not None
    history = home / ".wcs_history"
    assert stat.S_IMODE(history.stat().st_mode) == 0o600
    kept = [line[1:] for line in history.read_text().splitlines() if line.startswith("+")]
    assert kept == ["help tail", "passwd bob", "terminate name=news"]


async def test_neither_an_error_nor_ctrl_c_ends_it(prompt: PtyProcess) -> None:
    await enter(prompt, "shwo streams", "unknown command 'shwo streams'")
    await enter(prompt, "show 'streams", "no closing quotation")
    await enter(prompt, "terminate name=none", "no stream matches")
    await prompt.type(f"half a line{CTRL_C}")
    await prompt.expect("wcs>")
    await prompt.type("tail\r")
    await prompt.expect("stream.ended appKey=shop name=news cause=test")
    await prompt.type(CTRL_C)
    await prompt.expect("wcs>")
    await prompt.type("quit\r")
    assert await prompt.ended() == Exit.DONE


async def test_a_terminal_that_can_do_nothing(console: Console, home: Path) -> None:
    async with wcs(console, home, term="dumb") as process:
        await process.expect("wcs>")
        await enter(process, "show streams name=news", "m1")
        await process.type(CTRL_D)
        assert await process.ended() == Exit.DONE
    assert "\x1b" not in process.raw


async def test_without_a_server_there_is_no_prompt(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "actors.operator.wcs.client", "--state", str(tmp_path)]
    async with on_pty(command, cwd=ROOT, environment={"TERM": "xterm"}) as process:
        assert await process.ended() == Exit.UNREACHABLE
    assert "no server runs" in process.text


# -- top ---------------------------------------------------------------------------------------------------------------


async def test_top_is_drawn_anew_and_leaves_the_terminal_as_it_was(console: Console, home: Path) -> None:
    async with wcs(console, home, "top") as process:
        before = process.modes_at_start
        await process.expect("sorted by kbps, largest first")
        assert process.modes() != before
        await process.type(">")
        await process.expect("sorted by lost, largest first")
        await process.type("<<")
        await process.expect("sorted by viewers, largest first")
        shown = await process.expect("m1")
        assert shown.index("sport") < shown.index("news")
        await process.type("r")
        await process.expect("sorted by viewers ")
        shown = await process.expect("m2")
        assert shown.index("news") < shown.index("sport")
        process.resize(6, 40)
        await process.type("q")
        assert await process.ended() == Exit.DONE
        assert process.modes() == before
    assert (process.raw.count(ENTER), process.raw.count(LEAVE)) == (1, 1)
    assert process.raw.endswith(LEAVE)


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_that_ends_top_does_not_spoil_the_terminal(
    console: Console, home: Path, ending: signal.Signals
) -> None:
    async with wcs(console, home, "top", "name=sport") as process:
        before = process.modes_at_start
        await process.expect("m2")
        os.kill(process.process.pid, ending)
        await process.ended()
        assert process.modes() == before
    assert "m1" not in process.text
    assert process.raw.endswith(LEAVE)


async def test_top_shows_a_terminal_that_can_do_nothing_one_picture(console: Console, home: Path) -> None:
    async with wcs(console, home, "top", term="dumb") as process:
        assert await process.ended() == Exit.DONE
    assert "\x1b" not in process.raw
    assert "sport" in process.text
