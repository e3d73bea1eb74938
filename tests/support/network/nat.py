"""A NAT between clients and a server: a UDP relay that gives each client a port of its own.

It stands at an address of its own and on the server's port, so that the server can name it as its public address:

    nat = Nat(("127.0.0.2", port), server=("127.0.0.1", port), outside="127.0.0.1")
    nursery.start_soon(nat.run)
    nat.rebind()        # every client goes on from another port; what comes to its old one is lost

Where no trio runs, `nat_in_thread(nat)` runs it meanwhile.
"""

import contextlib
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Protocol

import trio
from attrs import define, field, frozen

Address = tuple[str, int]

_MAX_DATAGRAM = 2048


def _open(address: Address) -> socket.socket:
    opened = socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, socket.SOCK_DGRAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
    opened.bind(address)
    opened.setblocking(False)
    return opened


@define(eq=False)
class Nat:
    """`inside` is where clients send to, `outside` the host whose ports the server sees.

    A datagram takes `delay` seconds each way, and none passes while the NAT is `cut`.
    """

    inside: Address
    server: Address
    outside: str
    delay: float = 0.0
    cut: bool = False
    mappings: dict[Address, socket.socket] = field(init=False, factory=dict)
    """Client -> the socket that stands for it outside."""
    to_clients: int = field(init=False, default=0)
    """Datagrams of the server that came here."""
    _socket: socket.socket = field(init=False)
    _nursery: trio.Nursery | None = field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        self._socket = _open(self.inside)

    def rebind(self) -> None:
        """Forget every mapping; a client gets a new port when it sends again."""
        for mapped in self.mappings.values():
            trio.lowlevel.notify_closing(mapped)
            mapped.close()
        self.mappings.clear()

    async def run(self) -> None:
        """Relay until cancelled."""
        try:
            async with trio.open_nursery() as self._nursery:
                while True:
                    await trio.lowlevel.wait_readable(self._socket)
                    self._drain_inside()
        finally:
            self._nursery = None
            self._socket.close()
            for mapped in self.mappings.values():
                mapped.close()

    def _drain_inside(self) -> None:
        while True:
            try:
                data, client = self._socket.recvfrom(_MAX_DATAGRAM)
            except BlockingIOError:
                return
            self._pass(self._mapping(client), data, self.server)

    def _mapping(self, client: Address) -> socket.socket:
        mapped = self.mappings.get(client)
        if mapped is None:
            assert self._nursery is not None
            mapped = self.mappings[client] = _open((self.outside, 0))
            self._nursery.start_soon(self._serve, mapped, client)
        return mapped

    async def _serve(self, mapped: socket.socket, client: Address) -> None:
        """What comes back, until the mapping is forgotten."""
        while True:
            try:
                await trio.lowlevel.wait_readable(mapped)
                while True:
                    data = mapped.recv(_MAX_DATAGRAM)
                    self.to_clients += 1
                    self._pass(self._socket, data, client)
            except BlockingIOError:
                continue
            except (trio.ClosedResourceError, OSError):
                return

    def _pass(self, sender: socket.socket, data: bytes, to: Address) -> None:
        if self.cut:
            return
        if not self.delay:
            _send(sender, data, to)
        elif self._nursery is not None:
            self._nursery.start_soon(self._send_later, sender, data, to)

    async def _send_later(self, sender: socket.socket, data: bytes, to: Address) -> None:
        await trio.sleep(self.delay)
        _send(sender, data, to)


def _send(sender: socket.socket, data: bytes, to: Address) -> None:
    with contextlib.suppress(OSError):  # the mapping is gone, or there is no room: it is lost
        sender.sendto(data, to)


@frozen
class RunningNat:
    """A NAT in a thread of its own."""

    nat: Nat
    rebind: Callable[[], None]
    """Gives every client another port; it has them when this returns."""


class PutInBetween(Protocol):
    """Puts a NAT between clients and the server, for as long as a test runs."""

    def __call__(self, address: str, *, delay: float = 0.0) -> RunningNat:
        """`address` is what the clients take for the server's, `delay` is in seconds, each way."""


@contextmanager
def nat_in_thread(nat: Nat) -> Iterator[RunningNat]:
    """Run it in a thread until the end of the block.

    The thread, and so each of its sockets, belongs to the network namespace in which it was started.
    """
    ready, over = Event(), trio.CancelScope()
    tokens: list[trio.lowlevel.TrioToken] = []

    async def run() -> None:
        tokens.append(trio.lowlevel.current_trio_token())
        ready.set()
        with over:
            await nat.run()

    thread = Thread(target=trio.run, args=(run,), name="nat")
    thread.start()
    ready.wait()
    try:
        yield RunningNat(nat, lambda: trio.from_thread.run_sync(nat.rebind, trio_token=tokens[0]))
    finally:
        tokens[0].run_sync_soon(over.cancel)
        thread.join()
