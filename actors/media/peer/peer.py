"""A peer as the tables and timers of the media plane know it. `transport.Transport` is one."""

from collections.abc import Hashable
from typing import Protocol, TypeVar

from protocol.webrtc.ice import IceLiteAgent
from protocol.webrtc.shared_address import SharedAddress
from protocol.webrtc.srtp import SrtpReceiver


class Peer(Hashable, Protocol):
    """One remote end. `ufrag` is the user fragment that the server chose for it."""

    @property
    def ufrag(self) -> str: ...
    @property
    def session_id(self) -> str: ...
    @property
    def agent(self) -> IceLiteAgent: ...
    @property
    def receiver(self) -> SrtpReceiver | None:
        """None before the handshake has ended, and after the end."""

    @property
    def end(self) -> object:
        """What it serves: always of one kind, from the beginning until it is removed from the tables."""

    @property
    def shares(self) -> SharedAddress | None:
        """What tells it from others at its address; None where there are none."""

    @property
    def closed(self) -> bool: ...
    @property
    def deadline(self) -> float:
        """When the peer wants to be woken, in seconds of the plane's clock; math.inf for never."""


P = TypeVar("P", bound=Peer)
