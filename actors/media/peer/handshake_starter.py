"""Starting DTLS handshakes, as long as there is room for one more."""

from collections.abc import Sequence
from typing import Generic

from actors.media.context import MediaContext
from actors.media.peer.handshake_limits import Handshake, Handshakes
from actors.media.peer.peer import P
from actors.runtime.logs import RateLimitedLog, get_logger
from config.live import follow
from config.settings import Settings
from protocol.metrics.handshake_counts import HandshakeCounts
from protocol.webrtc.dtls import DtlsContext, DtlsEndpoint
from protocol.webrtc.paths import IcePath
from protocol.webrtc.roles import PeerRoles
from protocol.webrtc.sdp import Fingerprint

log = get_logger("media")


class HandshakeStarter(Generic[P]):
    """The handshakes that have been started and have not ended. `dtls` has the server's certificate."""

    def __init__(self, context: MediaContext, dtls: DtlsContext) -> None:
        self._context = context
        self._dtls = dtls
        self._under_way: Handshakes[P] = Handshakes(context.settings.max_handshakes)
        follow(context.settings, self._adopt)
        self._refusals = RateLimitedLog(log, clock=context.clock)
        self._began: dict[P, float] = {}
        self.counts = HandshakeCounts()

    def __len__(self) -> int:
        return len(self._under_way)

    def _adopt(self, settings: Settings) -> None:
        self._under_way.limit = settings.max_handshakes

    @property
    def fingerprint(self) -> Fingerprint:
        """Of the server's certificate."""
        return self._dtls.fingerprint

    def admits(self, session_id: str, path: IcePath) -> bool:
        """Whether there is room for one more; if not, a line in the log says what is used up."""
        share = self._under_way.refusal(session_id, path.remote[0])
        if share is not None:
            self._refusals.warning(
                "handshake put off", session=session_id, address=path.remote[0], limit="max_handshakes", share=share
            )
        return share is None

    def start(self, peer: P, fingerprints: Sequence[Fingerprint], address: str, roles: PeerRoles) -> Handshake:
        """Start a handshake that `admits` has allowed, with a peer that has a certificate of these fingerprints."""
        self._under_way.add(peer, peer.session_id, address)
        now = self._began[peer] = self._context.clock()
        until = now + self._context.settings.dtls_timeout
        return Handshake(DtlsEndpoint(self._dtls, fingerprints, roles.dtls), until)

    def done(self, peer: P) -> None:
        """The peer's handshake was successful."""
        self.counts.done(self._context.clock() - self._began.pop(peer))
        self._under_way.discard(peer)

    def ended(self, peer: P) -> None:
        """The peer has ended, and its handshake with it, if one was under way."""
        if self._began.pop(peer, None) is not None:
            self.counts.given_up()
        self._under_way.discard(peer)
