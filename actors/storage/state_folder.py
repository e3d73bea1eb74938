"""The folder for everything that outlives the server: its lock, node id, certificate and applications."""

import errno
import fcntl
import os
import secrets
import shutil
import socket
import ssl
import string
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from actors.storage.atomic_write import sync_folder, write_durably
from actors.storage.certificate import new_ssh_key, self_signed
from actors.storage.default_paths import SOCKET_NAME
from actors.storage.remedies import remedy_for

_NODE_ID_ALPHABET = string.ascii_letters + string.digits
_NODE_ID_LENGTH = 32


class StateFolderError(Exception):
    """The folder cannot be used; the text says why, for the operator."""


class StateFolder:
    """One server's folder. As a context manager, it holds the folder's lock from entry to exit.

    The paths may be read without the lock; only the server that holds it may write.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: int | None = None

    @property
    def socket_path(self) -> Path:
        """The Unix socket that `wcs` connects to."""
        return self.path / SOCKET_NAME

    @property
    def apps_path(self) -> Path:
        """The table of applications."""
        return self.path / "apps.toml"

    @property
    def accounts_path(self) -> Path:
        """The table of users and tokens."""
        return self.path / "users.toml"

    @property
    def sources_path(self) -> Path:
        """Cameras and other sources that have names."""
        return self.path / "sources.toml"

    @property
    def audit_path(self) -> Path:
        """Who did what, unless `audit.file` says otherwise."""
        return self.path / "audit.jsonl"

    @property
    def bans_path(self) -> Path:
        """Who may not connect, publish or play for a while."""
        return self.path / "bans.jsonl"

    @property
    def spool_path(self) -> Path:
        """Hooks that could not be delivered."""
        return self.path / "spool.sqlite3"

    @property
    def records_path(self) -> Path:
        """Recordings, unless `records.folder` says otherwise."""
        return self.path / "records"

    @property
    def sounds_path(self) -> Path:
        """The sounds that pushes may play, unless a setting names another folder."""
        return self.path / "sounds"

    @property
    def media_path(self) -> Path:
        """The folder of files that are played as streams, unless a setting says otherwise."""
        return self.path / "media"

    @property
    def debug_path(self) -> Path:
        """The folder of the reports about sessions that were debugged."""
        return self.path / "debug"

    @property
    def run_record_path(self) -> Path:
        """Which streams are open, for the start after a crash."""
        return self.path / "run.jsonl"

    @property
    def shared_rows_path(self) -> Path:
        """What is known of the tables that the nodes of a cluster share."""
        return self.path / "shared.json"

    @property
    def redis_path(self) -> Path:
        """The Unix socket of the Redis that several nodes have for themselves."""
        return self.path / "redis.sock"

    @property
    def keys_path(self) -> Path:
        """The folder of the SSH keys by which users log in: a file of each, as OpenSSH's `authorized_keys`."""
        return self.path / "authorized_keys"

    def is_in_use(self) -> bool:
        """Whether a server holds the folder's lock."""
        try:
            lock = os.open(self.path / "lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(lock)
        return False

    def __enter__(self) -> Self:
        """Create the folder if it is missing, and lock it. Raises StateFolderError."""
        with _explained(self.path, "cannot be the state folder"):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self.path / "lock"
        with _explained(path, "cannot be the lock of the state folder"):
            self._lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            self._take_lock(self._lock)
        except BaseException:
            self._unlock()
            raise
        return self

    def _take_lock(self, lock: int) -> None:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.pread(lock, 20, 0).decode(errors="replace").strip()
            used = f"{self.path}: another wcsd uses this state folder (process {owner})"
            raise StateFolderError(f"{used}; stop it, or name another one by --state") from None
        with _explained(self.path / "lock", "cannot be written"):
            os.ftruncate(lock, 0)
            os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._unlock()

    def check(self, *, needs_certificate: bool) -> None:
        """Raise StateFolderError for existing files that cannot be used. Missing ones are fine: they are created."""
        self._read_node_id()
        if needs_certificate and self._tls.is_dir():
            self._check_certificate()

    def node_id(self) -> str:
        """The id of this server: 32 letters and digits, created once and permanent. Raises StateFolderError."""
        node_id = self._read_node_id()
        if node_id is None:
            node_id = "".join(secrets.choice(_NODE_ID_ALPHABET) for _ in range(_NODE_ID_LENGTH))
            with _explained(self._node_id_path, "cannot be written"):
                write_durably(self._node_id_path, f"{node_id}\n".encode())
        return node_id

    def _read_node_id(self) -> str | None:
        path = self._node_id_path
        with _explained(path, "cannot be read"):
            try:
                text = path.read_text("ascii", errors="replace").strip()
            except FileNotFoundError:
                return None
        if len(text) != _NODE_ID_LENGTH or not set(text) <= set(_NODE_ID_ALPHABET):
            raise StateFolderError(f"{path}: not a node id (32 letters and digits); remove the file to get a new one")
        return text

    def certificate(self) -> tuple[Path, Path]:
        """The self-signed certificate of wss and https and its key (PEM), created once. Raises StateFolderError."""
        if not self._tls.is_dir():
            with _explained(self._tls, "cannot be made"):
                self._make_certificate(self._tls)
        return self._check_certificate()

    def ssh_host_key(self) -> Path:
        """The key by which SSH clients know this server (Ed25519), created once. Raises StateFolderError."""
        path = self._tls / "ssh_host_ed25519_key"
        if not self._tls.is_dir():
            self.certificate()  # the folder appears with both of its files, or not at all
        if not path.is_file():
            with _explained(path, "cannot be written"):
                write_durably(path, new_ssh_key())
        return path

    def _check_certificate(self) -> tuple[Path, Path]:
        files = self._tls / "certificate.pem", self._tls / "key.pem"
        for file in files:
            if not file.is_file():
                raise StateFolderError(f"{file}: is missing; remove the folder {self._tls} to get a new certificate")
        with _explained(self._tls, "cannot be read"):
            try:
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*files)
            except ssl.SSLError:
                fault = f"{self._tls}: what is in it cannot be used for TLS"
                raise StateFolderError(f"{fault}; remove the folder to get a new certificate") from None
        return files

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

    @property
    def _tls(self) -> Path:
        return self.path / "tls"

    @property
    def _node_id_path(self) -> Path:
        return self.path / "node-id"

    def _unlock(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


@contextmanager
def _explained(path: Path, what: str) -> Iterator[None]:
    """An error of the system, worded for the operator."""
    try:
        yield
    except OSError as error:
        reason = "it is a symbolic link" if error.errno == errno.ELOOP else error.strerror
        raise StateFolderError(f"{path}: {what}: {reason}{remedy_for(error)}") from error
