"""The UDP ports of phones' ends: a pair for each call, opened when it needs them."""

import secrets
import socket
from collections.abc import Sequence
from typing import Final

from attrs import field, frozen

from actors.media.io.sockets import MediaSocket, UdpSocket
from config.settings import Settings
from protocol.calls.ports import PortPool, PortRange

Address = tuple[str, int]

_TRIES: Final = 20


class NoPortFree(Exception):
    """There is no pair of ports for another call."""


@frozen(kw_only=True, eq=False)
class PortPair:
    """Two bound sockets; `told` is the address of the first as phones are told it."""

    rtp: UdpSocket = field(repr=False)
    rtcp: UdpSocket = field(repr=False)
    local: Address
    told: Address

    def close(self) -> None:
        self.rtp.close()
        self.rtcp.close()


class PortPairs:
    """All of them. `sockets` are those of WebRTC: calls have the same addresses, and the ports after theirs."""

    def __init__(self, settings: Settings, sockets: Sequence[MediaSocket]) -> None:
        self._sockets = tuple(sockets)
        first = settings.media_port_from
        self._any_port = first == 0
        self._pool = PortPool(PortRange(first + 1, settings.media_port_to), secrets.randbelow)

    @property
    def size(self) -> int:
        """How many there are; 0: as many as the system has."""
        return 0 if self._any_port else self._pool.size

    @property
    def used(self) -> int:
        """How many calls have, or have had a moment ago."""
        return self._pool.used

    def open(self, towards: str, now: float) -> PortPair:
        """A pair from which `towards`, an IP address, is reached. Raises NoPortFree."""
        own = self._address_towards(towards)
        for _ in range(_TRIES):
            port = 0 if self._any_port else self._pool.take(now)
            if port is None:
                break
            try:
                return _bind_pair(own, port)
            except OSError:
                if port:
                    self._pool.give_back(port, now)
        raise NoPortFree(f"no pair of UDP ports is free on {own.local[0]}")

    def give_back(self, pair: PortPair, now: float) -> None:
        """Close it."""
        pair.close()
        if not self._any_port:
            self._pool.give_back(pair.local[1], now)

    def _address_towards(self, host: str) -> MediaSocket:
        """The socket of WebRTC at the address that the route to `host` begins at, or of its family, or any."""
        family = [entry for entry in self._sockets if (":" in entry.local[0]) == (":" in host)]
        source = _source_towards(host)
        candidates = [entry for entry in family if entry.local[0] == source] or family or list(self._sockets)
        return candidates[0]


def _source_towards(host: str) -> str | None:
    """The address that packets to `host` leave from; nothing is sent."""
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((host, 9))
            return str(probe.getsockname()[0])
    except OSError:
        return None


def _bind_pair(own: MediaSocket, port: int) -> PortPair:
    """Bind an even port and the next; `port`: one of them, or 0 for any. Raises OSError."""
    bound = _bind(own.local[0], port)
    number = bound.getsockname()[1]
    try:
        other = _bind(own.local[0], number ^ 1)
    except OSError:
        bound.close()
        raise
    even = number & ~1
    rtp, rtcp = (bound, other) if number == even else (other, bound)
    return PortPair(rtp=rtp, rtcp=rtcp, local=(own.local[0], even), told=(own.advertised[0][0], even))


def _bind(host: str, port: int) -> UdpSocket:
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    try:
        bound.setblocking(False)
        bound.bind((host, port))
    except OSError:
        bound.close()
        raise
    return bound
