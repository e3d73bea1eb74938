"""The line editor of the prompt: completion on Tab, and a history that holds no secrets."""

import os
import re
from collections.abc import Callable, Iterable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from protocol.operator.syntax import holds_secret, is_command

HISTORY_FILE = ".wcs_history"
"""In the home folder."""
MAX_HISTORY = 256 * 1024
"""Bytes; of a longer file the newer half is kept."""
_LAST_WORD = re.compile(r"\S*\Z")


class CommandHistory(FileHistory):
    """Lines with a password are forgotten; those that are no command are not kept for the next time."""

    def append_string(self, string: str) -> None:
        """A line was entered."""
        if not holds_secret(string):
            super().append_string(string)

    def store_string(self, string: str) -> None:
        """Keep a line in the file."""
        if is_command(string):
            try:
                super().store_string(string)
            except OSError:  # a full disk, say, is no reason to end
                return


class ServerCompleter(Completer):
    """Asks the server what may come next."""

    def __init__(self, complete: Callable[[str], list[str]]) -> None:
        self._complete = complete

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """The words that fit at the cursor."""
        before = document.text_before_cursor
        found = _LAST_WORD.search(before)
        start = -len(found[0]) if found else 0
        for word in self._complete(before):
            yield Completion(word, start_position=start)


def line_editor(prompt: str, complete: Callable[[str], list[str]]) -> Callable[[], str]:
    """Reads a line with the prompt before it."""
    session: PromptSession[str] = PromptSession(
        prompt,
        history=open_history(Path.home() / HISTORY_FILE),
        completer=ServerCompleter(complete),
        complete_while_typing=False,
        complete_in_thread=True,
        enable_suspend=True,
    )
    return session.prompt


def open_history(path: Path) -> History:
    """The history in this file, which only its owner may read; in memory if there can be no such file."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+b") as file:
            os.fchmod(file.fileno(), 0o600)
            _shorten(path, file.read(MAX_HISTORY + 1))
    except OSError:
        return InMemoryHistory()
    return CommandHistory(str(path))


def _shorten(path: Path, content: bytes) -> None:
    if len(content) <= MAX_HISTORY:
        return
    whole = path.read_bytes()[-MAX_HISTORY // 2 :]
    path.write_bytes(whole[whole.find(b"\n#") + 1 :])
