"""What every attacker is, and where it finds the server."""

import itertools
import json
import socket
from pathlib import Path
from typing import ClassVar

import trio
from attrs import asdict, define, field, frozen

from tests.bench.endurance.chaos import wire


@frozen(kw_only=True)
class Target:
    """Where the server listens. `udp` is a media port, `operator` the Unix socket of its operator."""

    ws: int
    wss: int
    http: int
    https: int
    udp: int
    operator: Path = field(converter=Path)
    folder: Path = field(converter=Path)

    def to_json(self) -> str:
        return json.dumps(asdict(self), default=str)


@define(eq=False)
class Attacker:
    """`prepare` once, then `step`, `rate` times a second. `door` says what it comes through."""

    target: Target
    nursery: trio.Nursery
    backend: str = field(init=False, default="")
    """Address of a backend that it serves; the bench makes it the one of the application `APP`."""

    door: ClassVar[str]
    rate: ClassVar[float]
    what: ClassVar[str]

    async def prepare(self) -> None:
        """What an attacker has before it begins."""

    def rest(self) -> None:
        """It stops for a while."""

    async def step(self) -> None:
        """Once more. OSError: the server did not want it."""
        raise NotImplementedError


@define(eq=False)
class Holding(Attacker):
    """Opens connections and leaves them open, up to `most`; those that the server closes are replaced."""

    _held: list[socket.socket] = field(init=False, factory=list)
    _steps: "itertools.count[int]" = field(init=False, factory=itertools.count)
    most: ClassVar[int] = 1500

    async def step(self) -> None:
        if next(self._steps) % 100 == 99:
            self._held = list(wire.readable(self._held))
        if len(self._held) < self.most:
            self._held.append(self.open())

    def rest(self) -> None:
        while self._held:
            self._held.pop().close()

    def open(self) -> socket.socket:
        """One more."""
        raise NotImplementedError
