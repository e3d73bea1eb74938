"""The paths to one peer, and the proof that the peer is at the end of one.

A valid check proves that its sender knows the peer's credentials. It does not prove that the peer is at the source
address: a peer can forge the source address of its packets, and so direct its media at a victim. Only the answer to a
random number that was sent to that address alone proves it. So the server sends its own check there, and the answer is
the proof (RFC 8445 section 7, as RFC 7675 uses it for consent; QUIC calls this path validation, RFC 9000 section 8.2).
Until then an address gets no media, and in total no more than three times the bytes received from it (RFC 9000
section 8.1).
"""

import math
from typing import NamedTuple

from attrs import define, field, frozen

from protocol.webrtc.stun import Address

AMPLIFICATION = 3
"""How many bytes an unproven address may be sent for each byte received from it."""

CHECK_WAITS = (0.25, 0.5, 1.0, 2.0)
"""Seconds to wait for an answer to our check before each repetition; after the last one the check is given up."""

CHECK_PAUSE = 0.5
"""Minimum seconds between two checks of a path with different numbers."""

_OVERHEAD = 28
"""Bytes that IPv4 and UDP add to a datagram; IPv6 adds more, in both directions."""


class IcePath(NamedTuple):
    """A pair of addresses: the peer's, and the number of our socket on which it was heard."""

    remote: Address
    local: int


@frozen(kw_only=True)
class OwnCheck:
    """A check that the agent wants to send."""

    path: IcePath
    datagram: bytes


@define(eq=False)
class PeerPath:
    """What is known of one path. Times are -inf for never.

    heard: when something authenticated last came from there; used: when media, or a nomination that counted, last came.
    priority: the pair's (RFC 8445 section 6.1.2.3). proven: the peer has answered from there.
    """

    path: IcePath
    heard: float = -math.inf
    used: float = -math.inf
    priority: int = 0
    proven: bool = False
    transaction_id: bytes | None = None
    """Of our check that is waiting for an answer."""
    next_send: float = math.inf
    """When to repeat it, or give it up."""
    _datagram: bytes = field(default=b"", repr=False)
    _sent: int = 0
    _asked: float = -math.inf
    _room: int = 0

    def hear(self, now: float) -> None:
        """Something authenticated came. Datagrams of different sockets may be handled out of order."""
        self.heard = max(self.heard, now)

    def use(self, now: float) -> None:
        """Something came that the peer sends only on the path of its choice."""
        self.heard = max(self.heard, now)
        self.used = max(self.used, now)

    # -- what may be sent there ----------------------------------------------------------------------------------

    def credit(self, size: int) -> None:
        """A datagram of `size` bytes came from there."""
        self._room += AMPLIFICATION * (size + _OVERHEAD)

    def allow(self, size: int) -> bool:
        """Whether a datagram of `size` bytes may be sent there; if so, it is counted."""
        if self.proven:
            return True
        if self._room < size + _OVERHEAD:
            return False
        self._room -= size + _OVERHEAD
        return True

    # -- the check of ours ---------------------------------------------------------------------------------------

    def may_ask(self, now: float) -> bool:
        """Whether no check of ours is pending there, and the last one was a while ago."""
        return self.transaction_id is None and now >= self._asked + CHECK_PAUSE

    def ask(self, transaction_id: bytes, datagram: bytes, now: float) -> None:
        """Begin a check of ours; `next_datagram` returns it at once."""
        self.transaction_id, self._datagram = transaction_id, datagram
        self._asked = self.next_send = now
        self._sent = 0

    def next_datagram(self, now: float) -> OwnCheck | None:
        """What to send at `next_send`; None: nothing this time, or the check is given up."""
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
