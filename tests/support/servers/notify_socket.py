"""The other end of systemd's protocol, sd_notify(3)."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.session.wcs_client import PATIENCE


class NotifySocket:
    """`told` is what has come so far.

    A thread reads all the time, unless it is not to: the system holds ten messages, and drops what comes beyond them.
    """

    def __init__(self, path: Path, *, reads: bool = True) -> None:
        self.path = path
        self.told: list[str] = []
        self._news = threading.Condition()
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._thread = threading.Thread(target=self._read, name="notify socket", daemon=True)
        if reads:
            self._thread.start()

    def until(self, line: str) -> None:
        """Wait until a line has come that begins like this."""
        with self._news:
            has_come = self._news.wait_for(lambda: any(each.startswith(line) for each in self.told), PATIENCE)
        assert has_come, f"no {line}: {self.told}"

    def forget(self) -> None:
        """What has come so far does not count any more."""
        with self._news:
            self.told.clear()

    def close(self) -> None:
        """Nobody listens any more; once more is no harm."""
        if self._thread.is_alive():
            self._socket.shutdown(socket.SHUT_RD)
            self._thread.join()
        self._socket.close()

    def _read(self) -> None:
        while data := self._socket.recv(4096):
            with self._news:
                self.told += data.decode().split("\n")
                self._news.notify_all()


@contextmanager
def notify_socket(
    folder: Path, monkeypatch: pytest.MonkeyPatch, *, watchdog: float = 0, reads: bool = True
) -> Iterator[NotifySocket]:
    """One that processes started from here are told of; they give a sign of life within `watchdog` seconds, if any."""
    manager = NotifySocket(folder / "notify", reads=reads)
    monkeypatch.setenv("NOTIFY_SOCKET", str(manager.path))
    if watchdog:
        monkeypatch.setenv("WATCHDOG_USEC", str(round(watchdog * 1_000_000)))
    try:
        yield manager
    finally:
        manager.close()
