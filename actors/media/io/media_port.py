"""The media sockets as one port: the candidates that peers are told, and sending one datagram."""

from collections.abc import Sequence

from actors.media.io.sockets import MediaSocket, UdpSocket
from actors.media.statistics import Counters
from protocol.webrtc.answer import candidate_priorities
from protocol.webrtc.paths import IcePath
from protocol.webrtc.stun import Address


class MediaPort:
    """All media sockets of a server. `IcePath.local` counts them in the order in which they are given."""

    def __init__(self, sockets: Sequence[MediaSocket], counters: Counters) -> None:
        self.sockets = tuple(sockets)
        self.candidates: tuple[Address, ...] = tuple(address for entry in sockets for address in entry.advertised)
        self.priorities = _priorities(self.sockets)
        """For each socket the best priority among the candidates that lead to it."""
        self._counters = counters

    @property
    def kernel_drops(self) -> int:
        """Datagrams lost before they were read, since the sockets were opened."""
        return sum(entry.kernel_drops for entry in self.sockets)

    def socket(self, path: IcePath) -> UdpSocket:
        """The socket of a path."""
        return self.sockets[path.local].socket

    def send(self, data: bytes, path: IcePath) -> None:
        """Send one datagram, or lose it: nothing here waits."""
        try:
            self.sockets[path.local].socket.sendto(data, path.remote)
        except OSError:
            self._counters.send_errors += 1

    def close(self) -> None:
        for entry in self.sockets:
            entry.close()


def _priorities(sockets: Sequence[MediaSocket]) -> tuple[int, ...]:
    priorities = iter(candidate_priorities([address for entry in sockets for address in entry.advertised]))
    return tuple(max((next(priorities) for _ in entry.advertised), default=0) for entry in sockets)
