"""Where a phone's media comes from, if not from where its SDP says: symmetric RTP (RFC 4961) with guards.

A phone behind a NAT names an address in its SDP that nobody reaches; its packets show the right one. Anybody who sends
packets to our port could claim the same, and be sent the call ("RTP bleed"). So another source is taken once only for
each SDP, soon after it, and from nowhere but the hosts that signalling knows, unless the address that the SDP names
cannot be reached anyway. After that the source is fixed, and so is the SSRC as long as it is heard.

An address that is not public, named by way of SIP servers that are, is somebody else's network, or ours: it is not
sent to before a packet has come.
"""

import math
from ipaddress import ip_address
from typing import Final

from protocol.calls.media_address import is_hidden

Address = tuple[str, int]

WINDOW: Final = 5.0
"""Seconds after an SDP in which its phone may turn out to be elsewhere."""
SSRC_SILENCE: Final = 0.2
"""Seconds without a packet of one SSRC after which the phone may go on with another."""


class Latch:
    """`target` is where packets are to be sent to. `signalling` are hosts that the call's SIP messages come from."""

    def __init__(self, signalling: frozenset[str] = frozenset()) -> None:
        self.target: Address | None = None
        self.is_hidden = False
        """Whether what the SDP names is not to be sent to."""
        self._signalling = signalling
        self._described: Address | None = None
        self._open_until = -math.inf
        self._ssrc: int | None = None
        self._heard_at = -math.inf

    def describe(self, address: Address, now: float) -> None:
        """An SDP names `address`. One that is named again does not undo what has been learnt."""
        self._open_until = now + WINDOW
        if address != self._described:
            self._described = address
            self.is_hidden = is_hidden(address[0], self._signalling)
            self.target = None if self.is_hidden else address
            self._ssrc = None

    def admits(self, source: Address, ssrc: int, now: float) -> bool:
        """Whether a packet may be the phone's. If it is authentic as well, `take` is to follow."""
        if source == (self.target or self._described):
            return ssrc == self._ssrc or self._ssrc is None or now - self._heard_at > SSRC_SILENCE
        return self._described is not None and now < self._open_until and self._is_plausible(source)

    def take(self, source: Address, ssrc: int, now: float) -> None:
        """A packet is the phone's."""
        self.target = source
        self._open_until = -math.inf  # also where the SDP said: who comes later is not the phone
        self._ssrc, self._heard_at = ssrc, now

    def _is_plausible(self, source: Address) -> bool:
        host = source[0]
        described = self._described[0] if self._described else ""
        return host == described or host in self._signalling or _is_unreachable(described)


def _is_unreachable(host: str) -> bool:
    """Whether an address can be meant for its own network alone."""
    try:
        return not ip_address(host).is_global
    except ValueError:
        return False
