"""Media over TCP: accepts connections, reads packets from them, and closes those that belong to no peer.

A connection is a path like any other, with a socket number behind those of UDP. The first packet must be a check for a
living peer; from then on packets go the way of datagrams (`actors.media.datagram_router`). Two tasks serve each
connection: one reads, one writes what had to wait.
"""

import socket
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import trio

from actors.media.datagram_router import DatagramRouter
from actors.media.guard import PeerGuard
from actors.media.io.datagrams import SLOTS, Datagrams
from actors.media.io.messages import address_of, socket_address
from actors.media.peer.transport import TransportServices
from actors.media.tcp.admission import TcpAdmission
from actors.media.tcp.connection import TcpConnection
from actors.media.tcp.listeners import UNSENT, MediaListener
from actors.media.tcp.outlet import TcpOutlet
from actors.net.accept import Reserve, accept_connections
from actors.runtime.logs import RateLimitedLog, get_logger
from protocol.common.memory_budget import Allowance
from protocol.common.rate_limit import RateLimit
from protocol.webrtc.demux import Datagram
from protocol.webrtc.framing import FramingError, PacketReader
from protocol.webrtc.paths import IcePath

LONELY: Final = 5.0
"""Seconds that a connection may belong to no peer: before its first valid check, and after its peer's end."""
MAX_UNCLAIMED: Final = 8192
"""Bytes that may come before the first valid check."""
TOTAL_WAITING: Final = 64 << 20
"""Bytes that may wait to be written, on all connections together."""
_READ: Final = 65536
_LOOK_INTERVAL: Final = 1.0

log = get_logger("media")


class TcpMedia:
    """See above. `after` is called when packets have been handled. It takes over the listeners."""

    def __init__(
        self,
        services: TransportServices,
        guard: PeerGuard,
        listeners: Sequence[MediaListener],
        outlets: Sequence[TcpOutlet],
        *,
        after: Callable[[], None],
    ) -> None:
        self._restarts = 0
        self._services = services
        self._context = services.context
        self._guard = guard
        self._listeners = listeners
        self._outlets = outlets
        self._after = after
        self._log = RateLimitedLog(log, clock=services.context.clock)
        self._admission = TcpAdmission(services.context.settings, self._log)
        self._budget = Allowance(TOTAL_WAITING)
        self._datagrams = Datagrams()
        first = len(services.port.sockets)
        self._routers = [DatagramRouter(services, guard, first + index) for index in range(len(listeners))]
        self._first = first
        self._arrived = trio.lowlevel.ParkingLot()

    def __len__(self) -> int:
        return len(self._admission)

    def figures(self) -> dict[str, int]:
        """See `MediaStatistics`."""
        losses = self._context.tcp_sender.losses
        return {
            "tcp_connections": len(self),
            "tcp_waiting": int(self._budget.used),
            "tcp_refused": self._admission.refused,
            "tcp_restarts": self._restarts,
            "tcp_dropped": losses.dropped + losses.failed,
        }

    async def run(self) -> None:
        """Serve until cancelled; then everything is closed."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._look_after_lonely)
            for index, entry in enumerate(self._listeners):
                listener = trio.SocketListener(trio.socket.from_stdlib_socket(entry.listener))
                serve = partial(self._serve, index)
                nursery.start_soon(
                    partial(accept_connections, listener, serve, nursery, reserve=Reserve.SESSIONS, log=self._log)
                )

    # -- one connection ------------------------------------------------------------------------------------------

    async def _serve(self, index: int, stream: trio.SocketStream) -> None:
        opened = socket.socket(fileno=stream.socket.detach())
        with opened:
            try:
                opened.setblocking(False)
                opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT)  # trio has set its own
                connection = self._make(index, opened)
            except OSError:  # it is over already
                return
            if self._admission.enter(connection):
                await self._live(index, connection)

    def _make(self, index: int, opened: socket.socket) -> TcpConnection:
        family = int(opened.family)
        name = socket_address(family, opened.getpeername())
        path = IcePath(address_of(family, name), self._first + index)
        return TcpConnection(opened, path, name, clock=self._context.clock, budget=self._budget)

    async def _live(self, index: int, connection: TcpConnection) -> None:
        self._outlets[index].add(connection)
        self._arrived.unpark_all()
        try:
            with connection.life:
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(self._write, connection)
                    await self._read(index, connection)
                    connection.close()
        finally:
            trio.lowlevel.notify_closing(connection.socket)
            connection.queue.clear()
            self._outlets[index].discard(connection)
            self._admission.leave(connection)
            self._lose(connection)

    def _lose(self, connection: TcpConnection) -> None:
        """Its path leads nowhere any more: the peer may come by another one, or be given up in time."""
        route = self._services.peers.routes[connection.path.local].get(connection.path.remote)
        if route is not None:
            route.peer.agent.yield_path(connection.path)

    # -- reading -------------------------------------------------------------------------------------------------

    async def _read(self, index: int, connection: TcpConnection) -> None:
        """Until the peer closes, or is not to be listened to any longer."""
        reader, pace = PacketReader(), self._pace()
        while True:
            await trio.lowlevel.wait_readable(connection.socket)
            try:
                data = connection.socket.recv(_READ)
            except BlockingIOError:
                continue
            except OSError:
                return
            if not data:
                return
            reader.feed(data)
            if not await self._take_all(index, connection, reader, pace):
                return

    async def _take_all(self, index: int, connection: TcpConnection, reader: PacketReader, pace: RateLimit) -> bool:
        """Handle the packets that are complete; false if the connection is to be closed."""
        while reader.is_ready:
            try:
                packets = reader.take(SLOTS if connection.was_claimed else 1)
            except FramingError as error:
                self._refuse(connection, error.message)
                return False
            if packets and not self._take(index, connection, packets):
                return False
            await trio.sleep(pace.charge(self._context.clock(), len(packets) or SLOTS))
        return True

    def _take(self, index: int, connection: TcpConnection, packets: Sequence[bytes]) -> bool:
        path, routes = connection.path, self._services.peers.routes[connection.path.local]
        if path.remote not in routes and not self._hears_stranger(connection, packets):
            return connection.was_claimed
        self._datagrams.load(packets, int(connection.socket.family), connection.name, self._context.clock())
        self._routers[index].take(self._datagrams)
        connection.was_claimed = connection.was_claimed or path.remote in routes
        self._after()
        return True

    def _hears_stranger(self, connection: TcpConnection, packets: Sequence[bytes]) -> bool:
        """Whether packets of nobody's connection are looked at: only checks, before the first one that is valid."""
        if connection.was_claimed:
            return False  # its peer has ended: what still comes is of no interest
        connection.unclaimed_bytes += sum(map(len, packets))
        if connection.unclaimed_bytes > MAX_UNCLAIMED:
            self._refuse(connection, "no valid check among much else")
            return False
        if any(Datagram.of(packet) is not Datagram.STUN for packet in packets):
            self._refuse(connection, "it does not begin with a check")
            return False
        return True

    def _refuse(self, connection: TcpConnection, reason: str) -> None:
        self._admission.refused += 1
        self._log.warning("media connection closed", reason=reason, client=connection.path.remote[0])

    def _pace(self) -> RateLimit:
        """Packets that are read of one connection; beyond that it is read more slowly, and its peer has to wait."""
        settings = self._context.settings
        rate = settings.max_publisher_packet_rate + settings.max_control_rate
        return RateLimit(rate, rate)

    # -- writing -------------------------------------------------------------------------------------------------

    async def _write(self, connection: TcpConnection) -> None:
        while True:
            await connection.until_writable()
            try:
                connection.flush()
            except OSError:
                return
            if connection.queue.has_gap and not len(connection.queue):
                self._guard.run(self._resume, connection)
                self._after()

    def _resume(self, connection: TcpConnection) -> None:
        """The link is free again: the viewer goes on with what is current."""
        connection.queue.resume()
        route = self._services.peers.routes[connection.path.local].get(connection.path.remote)
        if route is not None and route.peer.path == connection.path:
            self._guard.current = route.peer
            self._restarts += 1
            route.peer.end.on_gap(self._context.clock())

    # -- connections of nobody -----------------------------------------------------------------------------------

    async def _look_after_lonely(self) -> None:
        while True:
            while not len(self):
                await self._arrived.park()
            await trio.sleep(_LOOK_INTERVAL)
            self._look_at_all(trio.current_time())

    def _look_at_all(self, now: float) -> None:
        for outlet in self._outlets:
            for connection in outlet:
                self._look(connection, now)

    def _look(self, connection: TcpConnection, now: float) -> None:
        path = connection.path
        if path.remote in self._services.peers.routes[path.local]:
            connection.alone_since = None
        elif connection.alone_since is None:
            connection.alone_since = now
        elif now - connection.alone_since >= LONELY:
            if not connection.was_claimed:
                self._refuse(connection, "no valid check in time")
            connection.close()
