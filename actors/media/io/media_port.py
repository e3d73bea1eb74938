"""The media sockets as one port: the candidates that peers are told, and sending one packet."""

from collections.abc import Sequence

from actors.media.io.outlet import Outlet
from actors.media.io.sockets import MediaSocket
from actors.media.statistics import Counters
from protocol.webrtc.answer import candidate_priorities, tcp_candidate_priorities
from protocol.webrtc.paths import IcePath
from protocol.webrtc.stun import Address

NO_TCP: Sequence[tuple[Outlet, Sequence[Address]]] = ()


class MediaPort:
    """All media sockets of a server. `IcePath.local` counts them in the order in which they are given.

    `tcp` has the connections at each address, with the candidates that lead to it; they are counted behind the sockets.
    """

    def __init__(
        self,
        sockets: Sequence[MediaSocket],
        counters: Counters,
        tcp: Sequence[tuple[Outlet, Sequence[Address]]] = NO_TCP,
    ) -> None:
        self.sockets = tuple(sockets)
        self.candidates: tuple[Address, ...] = tuple(address for entry in sockets for address in entry.advertised)
        self.tcp_candidates: tuple[Address, ...] = tuple(address for _, told in tcp for address in told)
        self.priorities = (
            *_best(candidate_priorities(self.candidates), [entry.advertised for entry in sockets]),
            *_best(tcp_candidate_priorities(self.tcp_candidates), [told for _, told in tcp]),
        )
        """For each socket the best priority among the candidates that lead to it."""
        self._outlets: list[Outlet] = [*(entry.socket for entry in sockets), *(outlet for outlet, _ in tcp)]
        self._fixed, self._added = len(self._outlets), list[MediaSocket]()
        sizes = [entry.buffer_sizes for entry in self.sockets]
        self.socket_buffers = min((size for size, _ in sizes), default=0), min((size for _, size in sizes), default=0)
        """Bytes for what has come and for what is to leave, of the socket that has the least."""
        self._counters = counters

    @property
    def kernel_drops(self) -> int:
        """Datagrams lost before they were read, since the sockets were opened."""
        return sum(entry.kernel_drops for entry in (*self.sockets, *self._added))

    def outlet(self, path: IcePath) -> Outlet:
        """Where a path begins."""
        return self._outlets[path.local]

    def is_tcp(self, path: IcePath) -> bool:
        """Whether a path is a TCP connection."""
        return len(self.sockets) <= path.local < self._fixed

    def send(self, data: bytes, path: IcePath) -> None:
        """Send one packet, or lose it: nothing here waits."""
        try:
            self.outlet(path).sendto(data, path.remote)
        except OSError:
            self._counters.send_errors += 1

    def add(self, entry: MediaSocket) -> int:
        """One more socket, which browsers are not told of; its number."""
        self._added.append(entry)
        self._outlets.append(entry.socket)
        return len(self._outlets) - 1

    def close(self) -> None:
        """Close the sockets of UDP."""
        for entry in (*self.sockets, *self._added):
            entry.close()


def _best(priorities: Sequence[int], advertised: Sequence[Sequence[Address]]) -> tuple[int, ...]:
    remaining = iter(priorities)
    return tuple(max((next(remaining) for _ in told), default=0) for told in advertised)
