"""A bad network between clients and a server on this machine: a UDP relay that loses, delays, reorders and repeats.

It stands at an address of its own and on the server's port, so that the server can name it as its public address. What
it does to which datagram is decided by a seeded random number for each, one series for each direction.
"""

import heapq
import itertools
import math
import random
import select
import socket
import threading
import time
from types import TracebackType
from typing import Self

from attrs import define, field, frozen

Address = tuple[str, int]

_MAX_DATAGRAM = 2048
REORDERING = 0.015  # seconds
QUEUE = 0.3  # seconds
_IDLE = 0.05  # seconds after which the relay looks whether it is to end


@frozen(kw_only=True)
class Network:
    """What one direction does to datagrams: shares from 0 to 1, times in seconds.

    Each is `delay` late, and up to `jitter` more, but they stay in order, as in a queue. The `reordered` ones alone are
    overtaken, by `REORDERING`.
    """

    loss: float = 0.0
    repeats: float = 0.0
    reordered: float = 0.0
    delay: float = 0.0
    jitter: float = 0.0
    capacity: float = math.inf
    """Bits a second; what would wait for longer than `QUEUE` is lost."""


@define(eq=False)
class Direction:
    """One direction: `network` may be changed at any time. Counts datagrams."""

    seed: int
    network: Network = field(factory=Network)
    lost_once: set[bytes] = field(factory=set)
    """Beginnings: the first datagram that has one of them is lost, whatever chance says."""
    passed: int = 0
    lost: int = 0
    repeated: int = 0
    reordered: int = 0
    _random: random.Random = field(init=False)
    _last: float = field(init=False, default=0.0)
    _free_at: float = field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def fate(self, data: bytes, now: float) -> list[float]:
        """When each copy of a datagram that comes now leaves again."""
        network = self.network
        lost, jitter, repeated, reordered = (self._random.random() for _ in range(4))  # whatever is done with them
        meant = [start for start in self.lost_once if data.startswith(start)]
        self.lost_once.difference_update(meant)
        if meant or lost < network.loss or self._free_at - now > QUEUE:
            self.lost += 1
            return []
        self.passed += 1
        self._free_at = max(now, self._free_at) + len(data) * 8 / network.capacity
        when = self._free_at + network.delay + jitter * network.jitter
        if reordered < network.reordered:
            self.reordered += 1
            return [when + REORDERING]
        self._last = when = max(self._last, when)
        if repeated < network.repeats:
            self.repeated += 1
            return [when, when]
        return [when]


class LossyRelay:
    """Use it as a context manager. `up` is towards the server, `down` towards the clients."""

    def __init__(self, public: Address, server: Address, *, seed: int) -> None:
        self.up, self.down = Direction(seed), Direction(seed + 1)
        self._server = server
        self._public = _open(public)
        self._poll = select.poll()
        self._poll.register(self._public, select.POLLIN)
        self._inner: dict[Address, socket.socket] = {}  # by client: what the server sees as its address
        self._clients: dict[int, Address] = {}  # by descriptor of the same
        self._late: list[tuple[float, int, socket.socket, bytes, Address]] = []
        self._number = itertools.count()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="relay")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._thread.join()
        for opened in (self._public, *self._inner.values()):
            opened.close()

    def _run(self) -> None:
        while not self._ending.is_set():
            pause = min(self._late[0][0] - time.monotonic(), _IDLE) if self._late else _IDLE
            for descriptor, _ in self._poll.poll(max(pause, 0.0) * 1000):
                self._read(descriptor)
            while self._late and self._late[0][0] <= time.monotonic():
                _, _, out, data, target = heapq.heappop(self._late)
                out.sendto(data, target)

    def _read(self, descriptor: int) -> None:
        client = self._clients.get(descriptor)
        if client is None:
            data, source = self._public.recvfrom(_MAX_DATAGRAM)
            self._pass(self.up, self._inner_of(source), data, self._server)
        else:
            data = self._inner[client].recv(_MAX_DATAGRAM)
            self._pass(self.down, self._public, data, client)

    def _pass(self, direction: Direction, out: socket.socket, data: bytes, target: Address) -> None:
        for when in direction.fate(data, time.monotonic()):
            heapq.heappush(self._late, (when, next(self._number), out, data, target))

    def _inner_of(self, client: Address) -> socket.socket:
        if client not in self._inner:
            inner = self._inner[client] = _open((self._server[0], 0))
            self._clients[inner.fileno()] = client
            self._poll.register(inner, select.POLLIN)
        return self._inner[client]


def _open(address: Address) -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
    opened.bind(address)
    return opened
