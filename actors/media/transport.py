"""One peer's transport: ICE finds the way, DTLS proves who is there, SRTP carries what the inner end has to say.

    waiting --valid check--> checked --DTLS up--> connected --+--> closed
       |                        |                             |
       +------------------------+--- time over, fault, end ---+

Nothing waits here, and nothing is buffered: a datagram that the socket has no room for is lost, as in any network.
"""

import math
from collections.abc import Callable
from typing import Protocol

from actors.logs import get_logger
from actors.media.facts import Connected, Failed, MediaFact, PeerClosed
from actors.media.network import Network
from protocol.signaling.statuses import StreamInfo
from protocol.webrtc.dtls import DtlsEndpoint, DtlsFailure, DtlsState
from protocol.webrtc.ice import IceExpiry, IceLiteAgent, IcePath, make_credentials
from protocol.webrtc.rtcp import RtcpError, RtcpPacket, parse_compound
from protocol.webrtc.sdp import Offer
from protocol.webrtc.srtp import SrtpError, SrtpKeys, SrtpReceiver, SrtpTransmitter
from protocol.webrtc.stun import Address, StunMessage

Post = Callable[[MediaFact], None]

_DTLS_FAILURES = {
    DtlsFailure.ERROR: StreamInfo.FAILED_BY_DTLS_ERROR,
    DtlsFailure.FINGERPRINT: StreamInfo.FAILED_BY_DTLS_FINGERPRINT_ERROR,
}

log = get_logger("media")


class MediaEnd(Protocol):
    """The inner end of a transport: a publication or a playback."""

    @property
    def deadline(self) -> float:
        """When `on_time` is due, in seconds of the plane's clock; math.inf for never."""

    def on_connected(self, now: float) -> None:
        """SRTP is ready both ways."""

    def on_moved(self) -> None:
        """The peer is reached by another path."""

    def on_rtp(self, data: bytes, now: float) -> None:
        """An encrypted RTP packet from a validated address."""

    def on_rtcp(self, packets: tuple[RtcpPacket, ...], now: float) -> None:
        """An authenticated RTCP packet."""

    def on_time(self, now: float) -> None:
        """The deadline has come."""

    def on_closed(self) -> None:
        """Nothing comes or goes any more. Called once, before the peer is told."""


class _NoEnd:
    """The inner end of a transport that is closed."""

    deadline = math.inf

    def on_connected(self, now: float) -> None: ...
    def on_moved(self) -> None: ...
    def on_rtp(self, data: bytes, now: float) -> None: ...
    def on_rtcp(self, packets: tuple[RtcpPacket, ...], now: float) -> None: ...
    def on_time(self, now: float) -> None: ...
    def on_closed(self) -> None: ...


def unheard(fact: MediaFact) -> None:
    """Where the facts on media go whose owner has been told of their end."""


class Transport:
    """Everything between the sockets and the inner end, for one peer.

    `post` gets the facts on it. After `close`, or a fact that ends it, nothing of it is alive.
    """

    def __init__(self, network: Network, offer: Offer, end: MediaEnd, session_id: str, post: Post) -> None:
        settings, now = network.settings, network.clock()
        self.ufrag, self.pwd = make_credentials(network.entropy)
        self.network = network
        self.receiver: SrtpReceiver | None = None
        self.transmitter: SrtpTransmitter | None = None
        self.closed = False
        self.session_id = session_id
        self.end: MediaEnd = end
        self._post = post
        self._fingerprints = offer.fingerprints
        self._agent = IceLiteAgent(
            self.ufrag,
            self.pwd,
            offer.ice_ufrag,
            now,
            check_timeout=settings.ice_timeout,
            consent_timeout=settings.ice_keep_alive_timeout,
        )
        self._dtls: DtlsEndpoint | None = None
        self._dtls_until = math.inf
        self._retransmit_at = math.inf
        network.add(self)
        network.schedule(self)

    @property
    def path(self) -> IcePath | None:
        """Where the peer is; None before its first valid check."""
        return self._agent.path

    @property
    def paths(self) -> tuple[IcePath, ...]:
        return self._agent.paths

    @property
    def deadline(self) -> float:
        return min(self._agent.deadline, self._dtls_until, self._retransmit_at, self.end.deadline)

    # -- what arrives --------------------------------------------------------------------------------------------

    def on_stun(self, message: StunMessage, source: Address, local: int, now: float) -> None:
        """A STUN message that names our user fragment; only a valid check has any effect."""
        network = self.network
        if self._dtls is None and len(network.handshakes) >= network.settings.max_handshakes:
            network.counters.stun_ignored += 1  # silence: the browser asks again soon
            return
        effect = self._agent.handle(message, source, now, local=local)
        if effect.response is None:
            network.counters.stun_ignored += 1
            return
        network.counters.stun_checks += 1
        here = IcePath(source, local)
        if effect.became_valid:
            network.route(here, self)
            self._arm_dtls(now)
        network.send(effect.response, here)
        for path in effect.dropped:
            network.unroute(path, self)
        if effect.nominated is not None:
            self.end.on_moved()
        network.schedule(self)

    def on_dtls(self, data: bytes, source: Address, local: int, now: float) -> None:
        """A DTLS datagram from a validated address, at any time of the transport's life."""
        if self._dtls is not None:
            self._dtls.feed(data)
            self._follow_dtls(IcePath(source, local), now)

    def on_srtcp(self, data: bytes, now: float) -> None:
        """An encrypted RTCP packet from a validated address."""
        counters = self.network.counters
        if self.receiver is None:
            counters.unexpected += 1
            return
        try:
            packets = parse_compound(self.receiver.unprotect_rtcp(data))
        except SrtpError:
            counters.srtp_errors += 1
        except RtcpError:
            counters.malformed += 1
        else:
            self._agent.touch(now)
            self.end.on_rtcp(packets, now)

    def on_srtp(self, data: bytes, now: float) -> None:
        """An encrypted RTP packet from a validated address."""
        if self.receiver is None:
            self.network.counters.unexpected += 1
        else:
            self.end.on_rtp(data, now)

    def unprotect(self, data: bytes, now: float) -> bytes | None:
        """Decrypt an RTP packet; a valid one proves that the peer is alive, another is counted."""
        if self.receiver is None:
            return None
        try:
            plain = self.receiver.unprotect(data)
        except SrtpError:
            self.network.counters.srtp_errors += 1
            return None
        self._agent.touch(now)
        return plain

    def on_time(self, now: float) -> None:
        """Some deadline has come."""
        expiry = self._agent.expired(now)
        if expiry is not None:
            no_check = expiry is IceExpiry.NO_CHECK
            self.fail(StreamInfo.FAILED_BY_ICE_TIMEOUT if no_check else StreamInfo.FAILED_BY_KEEP_ALIVE)
        elif now >= self._dtls_until:
            self.fail(StreamInfo.FAILED_BY_DTLS_ERROR, "the handshake took too long")
        else:
            if self._dtls is not None and now >= self._retransmit_at and self.path is not None:
                self._dtls.handle_timeout()
                self._follow_dtls(self.path, now)
            if now >= self.end.deadline:
                self.end.on_time(now)
            self.network.schedule(self)

    # -- what leaves ---------------------------------------------------------------------------------------------

    def send_rtp(self, packet: bytes) -> None:
        """Encrypt and send one RTP packet outside a fan-out."""
        if self.transmitter is not None and self.path is not None:
            try:
                self.network.send(self.transmitter.protect(packet), self.path)
            except SrtpError:
                self.network.counters.send_errors += 1  # a packet from before libsrtp's window

    def send_rtcp(self, packet: bytes) -> None:
        """Encrypt and send a compound RTCP packet."""
        if self.transmitter is not None and self.path is not None:
            self.network.send(self.transmitter.protect_rtcp(packet), self.path)

    # -- the end -------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End it from our side: nothing is sent but a DTLS close_notify, and nothing is taken. Idempotent."""
        self._finish(None)

    def fail(self, info: StreamInfo, detail: str = "") -> None:
        """End it for a fault, and tell the owner; `detail` is for the log."""
        if not self.closed:
            self.network.counters.failed += 1
            log.info("media failed", session=self.session_id, info=info, detail=detail, path=self.path)
        self._finish(Failed(info=info))

    def _finish(self, fact: MediaFact | None) -> None:
        if self.closed:
            return
        self.closed = True
        path, dtls, post, end = self.path, self._dtls, self._post, self.end
        self.network.forget(self)
        # Nothing refers back to the ends any more, so all of this is freed at once and not by a full collection.
        self._post, self.end = unheard, _NoEnd()
        try:
            end.on_closed()
        finally:  # the peer and the owner learn of the end even if the inner end is broken
            self._dtls = self.receiver = self.transmitter = None
            if dtls is not None and path is not None:
                dtls.close()
                self._send_datagrams(dtls, path)
            if fact is not None:
                post(fact)

    # -- DTLS ----------------------------------------------------------------------------------------------------

    def _arm_dtls(self, now: float) -> None:
        """Before the first answer to a check leaves: the browser may send its ClientHello at once."""
        if self._dtls is None:
            self._dtls = DtlsEndpoint(self.network.context, self._fingerprints)
            self._dtls_until = now + self.network.settings.dtls_timeout
            self.network.handshakes.add(self)

    def _follow_dtls(self, reply_to: IcePath, now: float) -> None:
        dtls = self._dtls
        if dtls is None:
            return
        self._send_datagrams(dtls, reply_to)
        timeout = dtls.next_timeout()
        self._retransmit_at = math.inf if timeout is None else now + timeout
        match dtls.state:
            case DtlsState.UP if dtls.keys is not None and self.transmitter is None:
                self._connect(dtls.keys, now)
            case DtlsState.FAILED:
                self.fail(_DTLS_FAILURES[dtls.failure or DtlsFailure.ERROR], dtls.detail)
            case DtlsState.CLOSED:
                self._finish(PeerClosed())
        self.network.schedule(self)

    def _connect(self, keys: SrtpKeys, now: float) -> None:
        self.receiver = SrtpReceiver(keys, max_ssrcs=self.network.settings.max_ssrcs_per_peer)
        self.transmitter = SrtpTransmitter(keys)
        self._dtls_until = math.inf
        self.network.handshakes.discard(self)
        self.end.on_connected(now)
        self._post(Connected())

    def _send_datagrams(self, dtls: DtlsEndpoint, path: IcePath) -> None:
        for datagram in dtls.take_datagrams():
            self.network.send(datagram, path)
