"""The folder of recordings. A file that is being written, or was left unfinished, ends in `.part`.

Its methods wait for the disk and are for a thread, but `reserve` and `release`, which look at one name only, and
those that only count.
"""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import frozen

from actors.node.ports.recorder import RecordingRefused
from actors.workers.programs.recording.part_file import mend_file
from protocol.stream.record_names import finished_stem

PART: Final = ".part"
WEBM: Final = ".webm"
MATROSKA: Final = ".mkv"
MP4: Final = ".mp4"
"""Of recordings that are written as Matroska, and turned into an MP4 when they are finished."""
ENDINGS: Final = (WEBM, MATROSKA, MP4, ".json")


@frozen(kw_only=True)
class DiskLimits:
    """`max_bytes` for all files together, `min_free` bytes for others."""

    max_bytes: int
    min_free: int


def _nowhere() -> Sequence[Path]:
    return ()


class RecordFolder:
    """See above. `usage` looks at all files; what recordings write until the next look is noted.

    `beside`: the folders of other nodes of this machine, with which names are shared.
    """

    def __init__(self, path: Path, beside: Callable[[], Sequence[Path]] = _nowhere) -> None:
        self.path = path
        self.beside = beside
        self._reserved: set[str] = set()
        self._known = self._written = 0

    def reserve(self, stem: str, ending: str) -> str:
        """A file name that no other file has or will have: the stem, with a number if need be."""
        return self._reserve(stem, ending, "")

    def _reserve(self, stem: str, ending: str, own_part: str) -> str:
        """As `reserve`; `own_part` is not another's file. Many files of one stem take few looks."""
        taken, free = 0, 1
        while self._is_taken(_numbered(stem, free, ending), own_part):
            taken, free = free, free * 2
        while free - taken > 1:
            middle = (taken + free) // 2
            if self._is_taken(_numbered(stem, middle, ending), own_part):
                taken = middle
            else:
                free = middle
        name = _numbered(stem, free, ending)
        self._reserved.add(name)
        return name

    def _is_taken(self, name: str, own_part: str) -> bool:
        """Whether there is or will be such a file, written or being written, or one that shares its Matroska file."""
        path = self.path / name
        endings = (MP4, MATROSKA) if path.suffix in (MP4, MATROSKA) else (path.suffix,)
        return any(self._is_used(path.with_suffix(ending).name, own_part) for ending in endings)

    def _is_used(self, name: str, own_part: str) -> bool:
        part = f"{name}{PART}"
        if name in self._reserved or os.path.lexists(self.path / name) or self._is_beside(name):
            return True
        return part != own_part and os.path.lexists(self.path / part)

    def is_begun_beside(self, name: str) -> bool:
        """Whether another node of this machine writes a file that may get this name."""
        stem = Path(name).stem
        return any(os.path.lexists(path / f"{stem}{ending}{PART}") for path in self.beside() for ending in ENDINGS)

    def _is_beside(self, name: str) -> bool:
        return any(os.path.lexists(path / each) for path in self.beside() for each in (name, f"{name}{PART}"))

    @property
    def has_others(self) -> bool:
        """Whether there may be folders beside it."""
        return self.beside is not _nowhere

    def release(self, name: str) -> None:
        """The name is free, or its file exists."""
        self._reserved.discard(name)

    def open_part(self, name: str, limits: DiskLimits) -> int:
        """Make the file to be written to, and return its descriptor. Raises RecordingRefused or OSError."""
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        disk = os.statvfs(self.path)
        if disk.f_bavail * disk.f_frsize < limits.min_free:
            raise RecordingRefused("The disk is full", "records.min_free")
        if self.usage() >= limits.max_bytes:
            raise RecordingRefused("The folder of recordings is full", "records.max_bytes")
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(self.path / f"{name}{PART}", flags, 0o600)

    def usage(self) -> int:
        """Bytes of all files in the folder."""
        self._written = 0  # what is written during the look may count twice, never not at all
        self._known = sum(map(_size, self._entries()))
        return self._known

    def note_written(self, size: int) -> None:
        """So many more bytes are in the folder."""
        self._written += size

    def may_have(self, size: int) -> bool:
        """Whether its files may have so many bytes by now, as far as is known without a look."""
        return self._known + self._written >= size

    def finish(self, name: str, final: str, *, is_whole: bool) -> bool:
        """Give a file its final name, after making it whole; False: there is nothing in it, and it is removed.

        It is on the disk then, unless the disk says that it cannot.
        """
        part = self.path / f"{name}{PART}"
        if part.stat().st_size and (is_whole or self._mend(part)):
            _sync(part)
            part.rename(self.path / final)
            return True
        part.unlink()
        return False

    def write(self, name: str, content: bytes) -> None:
        """Make a whole file with a reserved name. Raises OSError."""
        part = self.path / f"{name}{PART}"
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with os.fdopen(os.open(part, flags, 0o600), "wb") as file:
            file.write(content)
        part.rename(self.path / name)

    def unfinished(self) -> list[str]:
        """The names of what was left over. Raises OSError."""
        return sorted(entry.name.removesuffix(PART) for entry in self._entries() if entry.name.endswith(PART))

    def rescue(self, name: str) -> str | None:
        """Finish what was left over: the final name; None: there was nothing in it. Raises OSError.

        What was to be an MP4 is Matroska so far. If it was being turned into one, that is to be done again.
        """
        part, written = f"{name}{PART}", f"{Path(name).stem}{MATROSKA}"
        if name.endswith(MP4) and os.path.lexists(self.path / written):
            (self.path / part).unlink()
            return written
        end = int((self.path / part).lstat().st_mtime * 1000)
        stem, ending = Path(name).stem, Path(name).suffix
        final = self._reserve(finished_stem(stem, end, end), WEBM if ending == WEBM else MATROSKA, part)
        try:
            return final if self.finish(name, final, is_whole=False) else None
        finally:
            self.release(final)

    def _entries(self) -> Iterator["os.DirEntry[str]"]:
        try:
            with os.scandir(self.path) as entries:
                yield from [entry for entry in entries if entry.is_file(follow_symlinks=False)]
        except FileNotFoundError:
            return

    def _mend(self, part: Path) -> bool:
        descriptor = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            return stat.S_ISREG(os.fstat(descriptor).st_mode) and mend_file(descriptor) is not None
        finally:
            os.close(descriptor)


def _sync(part: Path) -> None:
    descriptor = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        with suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _size(entry: "os.DirEntry[str]") -> int:
    """Bytes of a file; none, if it was renamed or removed since it was listed."""
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:
        return 0


def _numbered(stem: str, number: int, ending: str) -> str:
    return f"{stem}{ending}" if number == 1 else f"{stem}-{number}{ending}"
