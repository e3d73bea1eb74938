"""A peer's paths on real sockets: what its ICE agent decides is sent, and kept in step with the table of peers."""

from collections.abc import Iterable
from typing import Generic

from actors.media.peer.peer import P
from actors.media.peer.services import PeerServices
from protocol.common.rate_limit import RateLimit
from protocol.webrtc.ice import IceLiteAgent
from protocol.webrtc.paths import IcePath
from protocol.webrtc.shared_address import SharedAddress
from protocol.webrtc.srtp import SrtpReceiver
from protocol.webrtc.stun import TRANSACTION_ID_SIZE, StunMessage

CHECK_RATE, CHECK_BURST = 50, 100
"""STUN messages a second that are read from the path in use, and as many from all others.

A browser sends at most 50 a second, while it looks for a path, and less than one a second later.
"""

STRAY_RATE, STRAY_BURST = 10, 20
"""Packets a second from unknown addresses that are tried with a peer's keys because they bear its SSRC."""

_SHARED_SSRC = 1
"""Every viewer in Chromium reports under this SSRC, so it tells nobody apart."""


class PeerPaths(Generic[P]):
    """The paths of one transport, `owner`. It is passed in and not kept: nothing is to refer back to what has ended."""

    def __init__(self, services: PeerServices[P], agent: IceLiteAgent, shares: SharedAddress | None) -> None:
        self._peers = services.peers
        self._port = services.port
        self._counters = services.context.counters
        self._agent = agent
        self._shares, self._entropy = shares, services.context.entropy
        self._own_checks = RateLimit(CHECK_RATE, CHECK_BURST)
        self._other_checks = RateLimit(CHECK_RATE, CHECK_BURST)
        self._strays = RateLimit(STRAY_RATE, STRAY_BURST)
        self._heard: IcePath | None = None
        self._told_ssrcs = 0

    # -- STUN ----------------------------------------------------------------------------------------------------

    def admits_stun(self, here: IcePath, now: float) -> bool:
        """Whether one more STUN message from there is read."""
        return (self._own_checks if here == self._agent.path else self._other_checks).take(now)

    def take_check(self, owner: P, message: StunMessage, here: IcePath, size: int, now: float) -> bool:
        """Answer a check of the peer. False, and silence, if it is none."""
        agent = self._agent
        effect = agent.handle(message, here.remote, now, size=size, local=here.local)
        if effect.response is None:
            return False
        if effect.valid and not self._peers.claim(here, owner, now):
            agent.ask(here, now)
        self.send_checks()  # first, so that their answers are here before the handshake
        self._port.send(effect.response, here)
        self._forget(owner, effect.dropped)
        return True

    def take_answer(self, owner: P, message: StunMessage, here: IcePath, now: float) -> bool:
        """Take the answer to a check of ours: the path is proved, and the peer's. False if it is no such answer."""
        proven = self._agent.handle_response(message, here.remote, now, local=here.local)
        if proven is not None:
            self._peers.route(proven, owner)
        return proven is not None

    def send_checks(self) -> None:
        """Send what the agent wants to be sent."""
        for check in self._agent.take_checks():
            self._port.send(check.datagram, check.path)

    # -- DTLS ----------------------------------------------------------------------------------------------------

    def send(self, datagrams: Iterable[bytes], path: IcePath) -> None:
        """Send DTLS there, as far as a path that is not proved may get it."""
        for datagram in datagrams:
            sent = datagram if self._shares is None else self._shares.wrap(datagram, self._entropy(TRANSACTION_ID_SIZE))
            if self._agent.allow(path, len(sent)):
                self._port.send(sent, path)
            else:
                self._counters.withheld += 1  # the timer of either side brings it again

    # -- authenticated packets -----------------------------------------------------------------------------------

    def touch(self, owner: P, receiver: SrtpReceiver, here: IcePath, now: float) -> bool:
        """One came from there. Tells whether the agent has sent a check."""
        self._heard = here
        if len(receiver.ssrcs) != self._told_ssrcs:
            self._told_ssrcs = len(receiver.ssrcs)
            for ssrc in receiver.ssrcs - {_SHARED_SSRC}:
                self._peers.by_ssrc.setdefault(ssrc, owner)
        asks = self._agent.touch(here, now)
        if asks:
            self.send_checks()
        return asks

    def admits_stray(self, now: float) -> bool:
        """Whether a packet from an unknown address is tried with the peer's keys."""
        self._heard = None
        return self._strays.take(now)

    def meet(self, owner: P, here: IcePath, size: int, now: float) -> None:
        """The stray has been tried. If it was authentic, the peer is said to be there."""
        if self._heard == here:
            self._peers.claim(here, owner, now)
            dropped = self._agent.meet(here, now, size=size)
            self.send_checks()
            self._forget(owner, dropped)

    def _forget(self, owner: P, dropped: tuple[IcePath, ...]) -> None:
        for path in dropped:
            self._peers.unroute(path, owner)
