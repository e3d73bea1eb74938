"""Files that survive a crash of the process or the machine intact: the old content or the new, never a part."""

import os
from pathlib import Path


def write_durably(path: Path, content: bytes) -> None:
    """Replace `path` by a file with this content, readable by its owner only; on return it is on disk.

    OSError: it could not be done, and the file is unchanged, as far as the disk still works.
    """
    unfinished = path.with_name(f"{path.name}.new")
    _write_synced(unfinished, content)
    before = _second_name(path)
    unfinished.replace(path)
    try:
        sync_folder(path.parent)
    except OSError:
        if before is not None:
            before.replace(path)
        else:
            path.unlink(missing_ok=True)
        raise
    if before is not None:
        before.unlink(missing_ok=True)


def _second_name(path: Path) -> Path | None:
    """A second name that keeps the file at `path` while it is replaced; None if nothing is there."""
    name = path.with_name(f"{path.name}.old")
    name.unlink(missing_ok=True)
    if not path.exists():
        return None
    try:
        name.hardlink_to(path)
    except OSError:  # a file system without hard links
        _write_synced(name, path.read_bytes())
    return name


def sync_folder(path: Path) -> None:
    """Sync renames inside a folder to disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_synced(path: Path, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
