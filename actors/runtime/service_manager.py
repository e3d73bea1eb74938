"""Talks to the service manager that has started the process, if it listens: systemd's protocol, sd_notify(3).

Each message is one datagram and never waits: with nobody reading, it is lost.
"""

import os
import socket
from collections.abc import Callable, Mapping
from typing import Protocol

import trio

from actors.runtime.logs import RateLimitedLog, get_logger
from actors.runtime.loop_clock import real_time

log = get_logger("service")

STEP = 5.0
"""Seconds between two looks at the state, or less if the watchdog wants it."""
MOST_LATE = 5.0
"""Seconds by which the event loop may be late and still be said to be alive."""
SOON = 1.0
"""Seconds after which a loop that was later gets another look: a standstill has used up most of the watchdog's time."""
EXTENSION = 60.0
"""Seconds by which the end may be put off with each message while the server drains."""


class ServiceManager:
    """The one named in the environment (`NOTIFY_SOCKET`), or none. Child processes do not inherit it."""

    def __init__(self, environment: "os._Environ[str] | dict[str, str]") -> None:
        address = environment.pop("NOTIFY_SOCKET", "")
        watched, process = environment.pop("WATCHDOG_USEC", ""), environment.pop("WATCHDOG_PID", "")
        self._address = f"\0{address[1:]}" if address.startswith("@") else address
        is_ours = process in ("", str(os.getpid()))
        self.watchdog = int(watched) / 1_000_000 if address and watched.isdigit() and is_ours else 0.0
        """Seconds within which it wants a sign of life; 0: it wants none."""

    def tell(self, *lines: str) -> None:
        """Send assignments such as `READY=1`."""
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as datagrams:
                datagrams.sendto("\n".join(lines).encode(), self._address)
        except OSError as error:
            log.debug("the service manager does not listen", error=error)


class Pulse(Protocol):
    """A part that shows that it goes on: some time after `poke`, `beats` has grown."""

    beats: int

    def poke(self) -> None: ...


class ServiceReport:
    """Keeps the service manager informed: status, signs of life, and that a drain takes its time.

    `pulses` are the parts without which the server is not alive. `status` is one line for people; `is_ending` says
    whether the server drains because it was told to stop.
    """

    def __init__(
        self,
        manager: ServiceManager,
        pulses: Mapping[str, Pulse],
        *,
        status: Callable[[], str],
        is_ending: Callable[[], bool],
    ) -> None:
        self._manager = manager
        self._pulses = pulses
        self._status = status
        self._is_ending = is_ending
        self._told = ""
        self._seen: dict[str, int] = {}
        self._log = RateLimitedLog(log, clock=trio.current_time)

    async def run(self) -> None:
        """Report until cancelled. Call it when the server is ready."""
        self._told = self._status()
        self._manager.tell("READY=1", f"STATUS={self._told}")
        step = min(STEP, self._manager.watchdog / 3) if self._manager.watchdog else STEP
        while True:
            self._poke()
            late = await _sleep(step)
            self.look(late=late)
            if late > MOST_LATE:
                self._poke()
                self.look(late=await _sleep(min(step, SOON)))

    def look(self, *, late: float) -> None:
        """Report once. `late`: by how many seconds the event loop is behind."""
        stuck = [name for name, pulse in self._pulses.items() if pulse.beats == self._seen.get(name)]
        if stuck or late > MOST_LATE:
            self._log.error("no sign of life is given", stuck=" ".join(stuck) or "event loop", late=round(late, 1))
        elif self._manager.watchdog:
            self._manager.tell("WATCHDOG=1")
        if self._is_ending():
            self._manager.tell(f"EXTEND_TIMEOUT_USEC={round(EXTENSION * 1_000_000)}")
        status = self._status()
        if status != self._told:
            self._told = status
            self._manager.tell(f"STATUS={status}")

    def _poke(self) -> None:
        for name, pulse in self._pulses.items():
            self._seen[name] = pulse.beats
            pulse.poke()


async def _sleep(seconds: float) -> float:
    """By how many seconds it has lasted longer."""
    due = real_time() + seconds
    await trio.sleep(seconds)
    return real_time() - due
