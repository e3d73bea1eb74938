"""What packets are sent through to a peer's address: a UDP socket, or the TCP connections at one address."""

from typing import Protocol

from protocol.webrtc.stun import Address


class Outlet(Protocol):
    """Sends one packet at once, or loses it. Raises BlockingIOError where there is no room, another OSError else."""

    def sendto(self, data: bytes, address: Address, /) -> int: ...
