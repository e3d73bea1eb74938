"""The folder of recordings. A file that is being written, or was left unfinished, ends in `.part`.

Its methods wait for the disk and are for a thread, but `reserve` and `release`, which look at one name only.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from attrs import frozen

from actors.node.recorder_port import RecordingRefused
from actors.workers.programs.part_file import mend_file
from protocol.stream.record_names import finished_stem

PART: Final = ".part"
WEBM: Final = ".webm"
MATROSKA: Final = ".mkv"
MP4: Final = ".mp4"
"""Of recordings that are written as Matroska, and turned into an MP4 when they are finished."""


@frozen(kw_only=True)
class DiskLimits:
    """`max_bytes` for all files together, `min_free` bytes for others."""

    max_bytes: int
    min_free: int


class RecordFolder:
    """See above."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._reserved: set[str] = set()

    def reserve(self, stem: str, ending: str) -> str:
        """A file name that no other file has or will have: the stem, with a number if need be."""
        number = 1
        while True:
            name = f"{stem}{ending}" if number == 1 else f"{stem}-{number}{ending}"
            if name not in self._reserved and not self._exists(name):
                self._reserved.add(name)
                return name
            number += 1

    def _exists(self, name: str) -> bool:
        """Whether there is such a file, or the one that it is made from."""
        path = self.path / name
        return path.exists() or (path.suffix == MP4 and path.with_suffix(MATROSKA).exists())

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
        return sum(entry.stat(follow_symlinks=False).st_size for entry in self._entries())

    def finish(self, name: str, final: str, *, is_whole: bool) -> bool:
        """Give a file its final name, after making it whole; False: there is nothing in it, and it is removed."""
        part = self.path / f"{name}{PART}"
        if part.stat().st_size and (is_whole or self._mend(part)):
            part.rename(self.path / final)
            return True
        part.unlink()
        return False

    def rescue(self) -> Iterator[tuple[str, str | None]]:
        """Finish what was left over: each unfinished name, and the final one; None: there was nothing in it."""
        for entry in sorted(self._entries(), key=lambda entry: entry.name):
            if not entry.name.endswith(PART):
                continue
            name = entry.name.removesuffix(PART)
            final = self._rescued_name(name, entry)
            kept = self.finish(name, final, is_whole=False)
            self.release(final)
            yield name, final if kept else None

    def _rescued_name(self, name: str, entry: "os.DirEntry[str]") -> str:
        stem, ending = Path(name).stem, Path(name).suffix
        end = int(entry.stat(follow_symlinks=False).st_mtime * 1000)
        return self.reserve(finished_stem(stem, end, end), WEBM if ending == WEBM else MATROSKA)

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
