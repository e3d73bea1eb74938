"""The TCP connections at one address, as something that packets are sent to by the peer's address."""

import errno
from collections.abc import Iterator

from actors.media.io.sockets import Address
from actors.media.tcp.connection import TcpConnection


class TcpOutlet:
    """What a UDP socket is to its peers, these connections are together."""

    def __init__(self) -> None:
        self._connections: dict[Address, TcpConnection] = {}

    def __len__(self) -> int:
        return len(self._connections)

    def __iter__(self) -> Iterator[TcpConnection]:
        return iter(self._connections.values())

    def sendto(self, data: bytes, address: Address, /) -> int:
        """Send one packet. Raises BlockingIOError if it is dropped, another OSError if there is no connection."""
        connection = self._connections.get(address)
        if connection is None:
            raise OSError(errno.ENOTCONN, "the peer has no connection")
        if not connection.send(data):
            raise BlockingIOError(errno.EAGAIN, "what waits is too old")
        return len(data)

    def add(self, connection: TcpConnection) -> None:
        """A connection has been accepted. One that it replaces is dead, whatever we know of it."""
        before = self._connections.get(connection.path.remote)
        if before is not None:
            before.close()
        self._connections[connection.path.remote] = connection

    def discard(self, connection: TcpConnection) -> None:
        """It is over."""
        if self._connections.get(connection.path.remote) is connection:
            del self._connections[connection.path.remote]
