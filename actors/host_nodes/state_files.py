"""The files that the nodes of one machine share, each of which has a state folder inside that of the whole server.

Certificates, keys and media are links to the one folder. A table that operators change has a copy in each: every node
writes its own. The latest of all copies is what all begin with, and what the whole server keeps.
"""

import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from actors.storage.state_folder import StateFolder, StateFolderError

TABLES: Final = ("apps.toml", "users.toml", "sources.toml", "bans.jsonl", "shared.json")
FOLDERS: Final = ("tls", "authorized_keys", "sounds", "media")
LOOKS_SOCKET: Final = "looks.sock"
"""The longest name of a socket in a node's folder."""
LONGEST_SOCKET: Final = 107
"""Bytes of the path of a Unix socket."""


class NodeFolders:
    """The state folders of `count` nodes inside that of the whole server, which is locked."""

    def __init__(self, state: StateFolder, count: int) -> None:
        self._home = state.path
        self.paths = tuple(self._home / f"node-{index}" for index in range(count))

    def in_use(self) -> list[Path]:
        """Those on which a node of an earlier start still runs."""
        return [path for path in self.paths if StateFolder(path).is_in_use()]

    def check_sockets(self) -> None:
        """Raises StateFolderError: nodes could not open the sockets in their folders."""
        path = self.paths[-1] / LOOKS_SOCKET
        if len(os.fsencode(path)) > LONGEST_SOCKET:
            raise StateFolderError(f"{path}: is too long for a Unix socket; use a state folder with a shorter path")

    def prepare(self) -> None:
        """Make them, and put into each what all share. Raises StateFolderError."""
        try:
            self.gather()
            for path in self._all():
                (path / LOOKS_SOCKET).unlink(missing_ok=True)  # a node that is not there any more is not to be asked
            for path in self.paths:
                path.mkdir(mode=0o700, exist_ok=True)
                self._link(path)
                for name in TABLES:
                    _take(self._home / name, path / name)
        except OSError as error:
            raise StateFolderError(f"{error.filename}: cannot be made: {error.strerror}") from error

    def gather(self) -> None:
        """Keep the latest copy of each table. Raises OSError."""
        for name in TABLES:
            copies = [path / name for path in (self._home, *self._all())]
            latest = max(filter(Path.exists, copies), key=_changed, default=None)
            if latest is not None:
                _take(latest, self._home / name)

    def _all(self) -> Iterable[Path]:
        """Those of earlier starts with more nodes too."""
        return (path for path in self._home.glob("node-*") if path.is_dir() and path.name[5:].isdigit())

    def _link(self, path: Path) -> None:
        for name in FOLDERS:
            link = path / name
            if not os.path.lexists(link):
                link.symlink_to(Path("..") / name, target_is_directory=True)


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns


def _take(source: Path, target: Path) -> None:
    """Make `target` a copy that is as old as `source`."""
    if source == target or not source.exists() or (target.exists() and _changed(target) == _changed(source)):
        return
    unfinished = target.with_name(f"{target.name}.copy")
    shutil.copy2(source, unfinished)
    unfinished.replace(target)
