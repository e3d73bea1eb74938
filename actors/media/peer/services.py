"""What the media plane gives to the transport of each peer."""

from typing import Generic

from attrs import frozen

from actors.media.context import MediaContext
from actors.media.io.media_port import MediaPort
from actors.media.peer.handshake_starter import HandshakeStarter
from actors.media.peer.peer import P
from actors.media.peer.peer_table import PeerTable
from actors.media.peer.wake_up_times import PeerTimers
from protocol.webrtc.sdp import LocalTransport, Setup


@frozen(eq=False, kw_only=True)
class PeerServices(Generic[P]):
    """The port that peers are reached by, and the tables in which each peer has its place."""

    context: MediaContext
    port: MediaPort
    peers: PeerTable[P]
    timers: PeerTimers[P]
    handshakes: HandshakeStarter[P]

    def local_transport(self, ufrag: str, pwd: str, setup: Setup, *, over_tcp: bool = False) -> LocalTransport:
        """The server's end of a peer's transport, as an answer tells it. `over_tcp`: by TCP alone, where there is any.

        A peer behind a bad NAT would fall back to TCP without being asked, so others are told of it only if
        `ice_tcp_transport` says so.
        """
        port = self.port
        by_tcp = port.tcp_candidates if over_tcp or self.context.settings.ice_tcp_transport else ()
        return LocalTransport(
            ufrag=ufrag,
            pwd=pwd,
            fingerprint=self.handshakes.fingerprint,
            candidates=() if over_tcp and by_tcp else port.candidates,
            setup=setup,
            tcp_candidates=by_tcp,
        )

    def add(self, peer: P) -> None:
        """A peer begins."""
        self.peers.add(peer)
        self.timers.schedule(peer)

    def remove(self, peer: P) -> None:
        """A peer has ended: nothing here refers to it any more. Idempotent."""
        if self.peers.remove(peer):
            self.handshakes.ended(peer)
            self.timers.remove(peer)
