"""The ways to one peer, and the proof that the peer is at the end of one.

A valid check tells that its sender knows the peer's credentials. It does not tell that the peer is where the check says
it came from: a peer can write any source address on its own packets, and so have its media sent to somebody else. Only
an answer to a number that was sent to that address and to nowhere else tells that. So the server sends a check of its
own there, and takes the answer for the proof (RFC 8445 section 7, as RFC 7675 uses it for consent; QUIC calls the same
thing path validation, RFC 9000 section 8.2). Until then an address gets no media, and in all no more than three times
the bytes that came from there (RFC 9000 section 8.1).
"""

import math
from typing import NamedTuple

from attrs import define, field, frozen

from protocol.webrtc.stun import Address

AMPLIFICATION = 3
"""How many bytes an address gets, for each that came from there, before the peer has proved to be there."""

CHECK_WAITS = (0.25, 0.5, 1.0, 2.0)
"""Seconds that an answer to our check has, before it is sent again; after the last one it is given up."""

CHECK_PAUSE = 0.5
"""Seconds at least from one check of a path to the next one with another number."""

_OVERHEAD = 28
"""Bytes that IPv4 and UDP add to a datagram; IPv6 adds more, on both ways."""


class IcePath(NamedTuple):
    """The two ends of a pair of addresses: the peer's, and the number of our socket on which it was heard."""

    remote: Address
    local: int


@frozen(kw_only=True)
class OwnCheck:
    """A datagram that the agent wants sent."""

    path: IcePath
    datagram: bytes


@define(eq=False)
class PeerPath:
    """What is known of one path. Times are -inf for never.

    heard: when something authenticated came from there; used: when media, or a nomination that counted, came.
    priority: the pair's (RFC 8445 section 6.1.2.3). proven: the peer has answered from there.
    """

    path: IcePath
    heard: float = -math.inf
    used: float = -math.inf
    priority: int = 0
    proven: bool = False
    transaction_id: bytes | None = None
    """Of our check that waits for its answer."""
    next_send: float = math.inf
    """When it is to be sent again, or given up."""
    _datagram: bytes = field(default=b"", repr=False)
    _sent: int = 0
    _asked: float = -math.inf
    _room: int = 0

    def hear(self, now: float) -> None:
        """Something authenticated came. Datagrams of different sockets need not come in the order of their times."""
        self.heard = max(self.heard, now)

    def use(self, now: float) -> None:
        """Something came that the peer sends on the path of its choice only."""
        self.heard = max(self.heard, now)
        self.used = max(self.used, now)

    # -- what may be sent there ----------------------------------------------------------------------------------

    def credit(self, size: int) -> None:
        """A datagram of so many bytes came from there."""
        self._room += AMPLIFICATION * (size + _OVERHEAD)

    def allow(self, size: int) -> bool:
        """Tell whether a datagram of so many bytes may be sent there, and count it."""
        if self.proven:
            return True
        if self._room < size + _OVERHEAD:
            return False
        self._room -= size + _OVERHEAD
        return True

    # -- the check of ours ---------------------------------------------------------------------------------------

    def may_ask(self, now: float) -> bool:
        """No check of ours is under way there, and the last one is a while ago."""
        return self.transaction_id is None and now >= self._asked + CHECK_PAUSE

    def ask(self, transaction_id: bytes, datagram: bytes, now: float) -> None:
        """Begin a check of ours; `next_datagram` gives it at once."""
        self.transaction_id, self._datagram = transaction_id, datagram
        self._asked = self.next_send = now
        self._sent = 0

    def next_datagram(self, now: float) -> OwnCheck | None:
        """What is to be sent when `next_send` has come; None: nothing this time, or the check is given up."""
        if self._sent == len(CHECK_WAITS):
            self.settle()
            return None
        self.next_send = now + CHECK_WAITS[self._sent]
        self._sent += 1
        return OwnCheck(path=self.path, datagram=self._datagram) if self.allow(len(self._datagram)) else None

    def settle(self) -> None:
        """The check is answered, or given up."""
        self.transaction_id, self.next_send = None, math.inf


def pair_priority(controlling: int, controlled: int) -> int:
    """Rank a pair by the priorities of its candidates (RFC 8445 section 6.1.2.3)."""
    low, high = min(controlling, controlled), max(controlling, controlled)
    return (low << 32) + 2 * high + (controlling > controlled)
