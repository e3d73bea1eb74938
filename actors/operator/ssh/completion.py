"""Completion on Tab over SSH. Part of the SSH helper.

The line editor of the library asks what a key does, and must be answered before it takes the next one: so the server is
asked at once, under a short deadline, and only so often, for other clients of the helper wait meanwhile.
"""

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from actors.operator.wcs.asking import ServerUnreachable, ask
from actors.operator.wcs.tables import printable
from protocol.common.rate_limit import RateLimit

KEY: Final = "\t"
ANSWER_TIMEOUT: Final = 1.0
"""Seconds the server may take to answer."""
RATE, BURST = 5.0, 10.0
"""Completions of one client per second, and at once."""
GAP: Final = 2
"""Blanks between words that are listed."""
_LAST_WORD: Final = re.compile(r"\S*\Z")

Line = tuple[str, int]
"""What is written, and where the cursor stands in it."""


class SshCompletion:
    """For the prompt of one client. It does something only while `is_on`: not where a password is typed.

    `operator` is the server's socket, `user` for whom it is asked. `show` writes text and then the prompt. `width` is
    that of the terminal, in columns.
    """

    def __init__(
        self,
        operator: Path,
        user: Callable[[], dict[str, Any]],
        show: Callable[[str], object],
        width: Callable[[], int],
    ) -> None:
        self.is_on = False
        self._operator = operator
        self._user = user
        self._show = show
        self._width = width
        self._limit = RateLimit(RATE, BURST)

    def press(self, line: str, position: int) -> Line | bool:
        """Tab was pressed: the line and the cursor after it, or False to ring the bell."""
        if not self.is_on or not self._limit.take(time.monotonic()):
            return False
        written, rest = line[:position], line[position:]
        words = self._ask(written)
        found = _LAST_WORD.search(written)
        current = found[0] if found else ""
        more = completed(current, words)
        if more is None:
            return False
        if more == current:
            self._show(f"{line}\n{in_columns(words, self._width())}\n")
        before = written[: len(written) - len(current)]
        return before + more + rest, len(before + more)

    def _ask(self, written: str) -> list[str]:
        try:
            answer = ask(self._operator, {"as": self._user(), "complete": written}, timeout=ANSWER_TIMEOUT)
        except ServerUnreachable:
            return []
        return [printable(str(row["word"])) for row in answer["rows"]] if answer["ok"] else []


def completed(current: str, words: list[str]) -> str | None:
    """What stands in place of the `current` word: all that is certain of what it may become. None: nothing fits."""
    if not words:
        return None
    common = _common_beginning(words)
    if len(words) == 1:
        return common if common.endswith("=") else f"{common} "
    return common if len(common) > len(current) else current


def _common_beginning(words: list[str]) -> str:
    first, last = min(words), max(words)
    return next((first[:place] for place, char in enumerate(first) if last[place : place + 1] != char), first)


def in_columns(words: list[str], width: int) -> str:
    """The words in columns of one width, line by line."""
    column = max(map(len, words)) + GAP
    count = max(1, (width + GAP - 1) // column)
    rows = (words[start : start + count] for start in range(0, len(words), count))
    return "\n".join("".join(word.ljust(column) for word in row).rstrip() for row in rows)
