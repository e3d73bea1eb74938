"""The folder of the reports about sessions that were debugged: the newest are kept, for their owner alone to read."""

import os
import re
import secrets
import stat
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

MAX_FILES: Final = 100
"""Reports that are kept; of more, the newest."""
_NAME: Final = re.compile(r"[0-9a-f]{32}\.txt")


Beside = Callable[[Path], Sequence[Path]]


class ReportFolder:
    """All but `new_name` waits for the disk and is for a thread.

    `beside`: gives the folders of the other nodes of this machine, in which reports are found too.
    """

    def __init__(self, path: Path, *, max_files: int = MAX_FILES, beside: Beside | None = None) -> None:
        self._path = path
        self._max_files = max_files
        self._beside = beside

    def new_name(self) -> str:
        """A name that nobody can guess: 128 random bits."""
        return f"{secrets.token_hex(16)}.txt"

    def write(self, name: str, content: bytes) -> None:
        """Write a new report, and remove the oldest if they have become too many. Raises OSError."""
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path / name
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
                file.write(content)
        except OSError:
            path.unlink(missing_ok=True)  # a part of a report would be taken for the whole
            raise
        self._prune()

    def find(self, name: str) -> Path | None:
        """The file of this name; None if there is none, or it is not a report's name."""
        if not _NAME.fullmatch(name):
            return None
        folders = (self._path, *(() if self._beside is None else self._beside(self._path)))
        return next((folder / name for folder in folders if _is_file(folder / name)), None)

    def _prune(self) -> None:
        reports = (path for path in self._path.iterdir() if _NAME.fullmatch(path.name))
        for path in sorted(reports, key=_age)[: -self._max_files]:
            path.unlink(missing_ok=True)


def _age(path: Path) -> int:
    try:
        return path.lstat().st_mtime_ns
    except OSError:
        return 0


def _is_file(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False
