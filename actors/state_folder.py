"""The folder where a server keeps what outlives it: its lock, its node id, its certificate, its applications."""

import fcntl
import os
import secrets
import shutil
import socket
import string
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from actors.certificate import self_signed
from actors.durable import sync_folder, write_durably
from actors.places import SOCKET_NAME

_NODE_ID_ALPHABET = string.ascii_letters + string.digits
_NODE_ID_LENGTH = 32


class StateFolderError(Exception):
    """The folder cannot be used; the text says why, for the operator."""


class StateFolder:
    """One server's folder. Used as a context manager, it holds the folder's lock from entry to exit.

    The paths may be asked for without the lock; only the server that holds it may write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    @property
    def socket_path(self) -> Path:
        """The Unix socket that the operator's commands go through."""
        return self.path / SOCKET_NAME

    @property
    def apps_path(self) -> Path:
        """The table of applications."""
        return self.path / "apps.toml"

    def __enter__(self) -> Self:
        """Make the folder when it is missing, and lock it. Raises StateFolderError."""
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateFolderError(f"{self.path}: cannot be the state folder: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(self._lock, 20, 0).decode(errors="replace").strip()
            self._unlock()
            raise StateFolderError(f"{self.path}: another wcsd uses this state folder (process {owner})") from None
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._unlock()

    def node_id(self) -> str:
        """The id of this server: 32 letters and digits, made once and the same ever after."""
        path = self.path / "node-id"
        try:
            node_id = path.read_text("ascii", errors="replace").strip()
        except FileNotFoundError:
            node_id = "".join(secrets.choice(_NODE_ID_ALPHABET) for _ in range(_NODE_ID_LENGTH))
            write_durably(path, f"{node_id}\n".encode())
        if len(node_id) != _NODE_ID_LENGTH or not set(node_id) <= set(_NODE_ID_ALPHABET):
            raise StateFolderError(f"{path}: not a node id (32 letters and digits); remove the file to get a new one")
        return node_id

    def certificate(self) -> tuple[Path, Path]:
        """The self-signed certificate of wss and https and its key (PEM files), made once."""
        folder = self.path / "tls"
        if not folder.is_dir():
            self._make_certificate(folder)
        return folder / "certificate.pem", folder / "key.pem"

    def _make_certificate(self, folder: Path) -> None:
        """Both files appear together, by the rename of their folder, or not at all."""
        certificate, key = self_signed(socket.gethostname(), datetime.now(UTC))
        unfinished = folder.with_name("tls.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700)
        write_durably(unfinished / "certificate.pem", certificate)
        write_durably(unfinished / "key.pem", key)
        unfinished.rename(folder)
        sync_folder(self.path)

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None
