"""One peer's transport: ICE finds the path, DTLS authenticates the peer, SRTP carries its handler's media and RTCP.

`protocol/webrtc/transport_state.py` has the state table.

Nothing waits here, and nothing is buffered: a datagram that the socket has no room for is lost, as in any network.
"""

import math
from collections.abc import Sequence
from typing import Protocol

from actors.media.drops import ControlRate, Drops
from actors.media.events import Connected, Failed, MediaEvent, PeerClosed, Post, discard
from actors.media.io.datagrams import Datagrams
from actors.media.peer.handshake_limits import Handshake
from actors.media.peer.peer_paths import PeerPaths
from actors.media.peer.services import PeerServices
from actors.media.peer.silence import silence_of
from actors.media.statistics import Counters
from actors.runtime.logs import get_logger
from protocol.stream.info_texts import StreamInfo
from protocol.webrtc.demux import Datagram
from protocol.webrtc.dtls import DtlsFailure
from protocol.webrtc.dtls_state import DtlsState
from protocol.webrtc.ice import IceLiteAgent, make_credentials
from protocol.webrtc.ice_caller import IceCaller
from protocol.webrtc.paths import IcePath
from protocol.webrtc.roles import PeerRoles
from protocol.webrtc.rtcp import RtcpError, RtcpPacket, parse_compound
from protocol.webrtc.sdp import Offer
from protocol.webrtc.srtp import SrtpError, SrtpReceiver, SrtpTransmitter
from protocol.webrtc.stun import StunClass, StunMessage
from protocol.webrtc.transport_state import TRANSITIONS, TransportEvent, TransportState

_DTLS_FAILURES = {
    DtlsFailure.ERROR: StreamInfo.FAILED_BY_DTLS_ERROR,
    DtlsFailure.FINGERPRINT: StreamInfo.FAILED_BY_DTLS_FINGERPRINT_ERROR,
}

log = get_logger("media")


class TransportHandler(Protocol):
    """What a transport serves: an ingest, a playback, or the page's end of a call."""

    @property
    def deadline(self) -> float:
        """When `on_time` is due, in seconds of the plane's clock; math.inf for never."""

    def on_connected(self, now: float) -> None:
        """SRTP is ready both ways."""

    def on_moved(self) -> None:
        """The peer is reached by another path."""

    def on_gap(self, now: float) -> None:
        """Media to the peer was dropped because its TCP connection was too slow, which is free again."""

    def on_rtp(self, datagrams: Datagrams, indices: Sequence[int]) -> None:
        """Encrypted RTP packets, at least one, from a validated address."""

    def on_rtcp(self, packets: tuple[RtcpPacket, ...], now: float) -> None:
        """An authenticated RTCP packet."""

    def on_time(self, now: float) -> None:
        """The deadline has come."""

    def on_closed(self) -> None:
        """Nothing comes or goes any more. Called once, before the peer is told."""


class _ClosedHandler:
    """The handler of a transport that is closed."""

    deadline = math.inf

    def on_connected(self, now: float) -> None: ...
    def on_moved(self) -> None: ...
    def on_gap(self, now: float) -> None: ...
    def on_rtp(self, datagrams: Datagrams, indices: Sequence[int]) -> None: ...
    def on_rtcp(self, packets: tuple[RtcpPacket, ...], now: float) -> None: ...
    def on_time(self, now: float) -> None: ...
    def on_closed(self) -> None: ...


class Transport:
    """Everything between the sockets and the handler, for one peer.

    `post` gets its events. After `close`, or an event that ends it, it neither sends nor takes anything.
    """

    def __init__(
        self,
        services: "TransportServices",
        offer: Offer,
        end: TransportHandler,
        session_id: str,
        post: Post,
        roles: PeerRoles,
    ) -> None:
        context = services.context
        self.ufrag, self.pwd = roles.credentials or make_credentials(context.entropy)
        self._context, self._services, self._timers = context, services, services.timers
        self.receiver: SrtpReceiver | None = None
        self.transmitter: SrtpTransmitter | None = None
        self._state = TRANSITIONS.initial
        self.session_id = session_id
        self.drops = Drops(context.counters, context.drop_log, session_id)
        self._control = ControlRate(context.settings.max_control_rate, self.drops)
        self.end: TransportHandler = end
        self._post = post
        self._fingerprints, self._roles, self.shares = offer.fingerprints, roles, roles.shares
        self.agent = _make_agent(self.ufrag, self.pwd, offer, services, roles)
        self._paths = PeerPaths(services, self.agent, roles.shares)
        self._from: IcePath | None = None  # the path of the packet being handled
        self._handshake: Handshake | None = None
        services.add(self)

    @property
    def closed(self) -> bool:
        """Nothing comes or goes any more."""
        return self._state is TransportState.CLOSED

    @property
    def path(self) -> IcePath | None:
        """Where media goes; None until a path is proven."""
        return self.agent.path

    @property
    def deadline(self) -> float:
        handshake = math.inf if self._handshake is None else self._handshake.deadline
        return min(self.agent.deadline, handshake, self.end.deadline)

    # -- what arrives --------------------------------------------------------------------------------------------

    def on_stun(self, message: StunMessage, here: IcePath, size: int, now: float) -> None:
        """A STUN message of `size` bytes for our user fragment; only a valid one has any effect."""
        is_admitted = self._paths.admits_stun(here, now) and (
            self._state is not TransportState.NEW or self._services.handshakes.admits(self.session_id, here)
        )  # no room is silence: the browser asks again soon
        take = self._take_check if message.kind is StunClass.REQUEST else self._take_answer
        if not (is_admitted and take(message, here, size, now)):
            self._context.counters.stun_ignored += 1

    def _take_check(self, message: StunMessage, here: IcePath, size: int, now: float) -> bool:
        if not self._paths.take_check(self, message, here, size, now):
            return False
        self._context.counters.stun_checks += 1
        self._begin_handshake(here)  # the browser may send its ClientHello at once
        self._timers.schedule(self)
        return True

    def _take_answer(self, message: StunMessage, here: IcePath, _: int, now: float) -> bool:
        before = self.path
        if not self._paths.take_answer(self, message, here, now):
            return False
        self._begin_handshake(here)  # we have called the peer, and may hear its check later
        self._follow_path(before, now)
        return True

    def _begin_handshake(self, here: IcePath) -> None:
        if self._state is TransportState.NEW and self.agent.paths:
            self._handshake = self._services.handshakes.start(self, self._fingerprints, here.remote[0], self._roles)
            self._enter(TransportEvent.CHECK)

    def on_dtls(self, data: bytes, here: IcePath, now: float) -> None:
        """A DTLS datagram from a checked address, at any time of the transport's life."""
        handshake = self._handshake
        if handshake is not None and self._control.allows(now):
            if self._state is TransportState.CHECKED:
                self._enter(TransportEvent.DATAGRAM)
            self.agent.credit(here, len(data))
            handshake.feed(data, here, now)
            self._follow_handshake(handshake, now)

    def on_srtcp(self, data: bytes, here: IcePath, now: float) -> None:
        """An encrypted RTCP packet from a checked address."""
        if self.receiver is None:
            self._context.counters.unexpected += 1
        elif self._control.allows(now):
            packets = _read_control(self.receiver, data, self._context.counters)
            if packets is not None:
                self._from = here
                self.hear(now)
                self.end.on_rtcp(packets, now)

    def on_srtp(self, datagrams: Datagrams, indices: Sequence[int], here: IcePath) -> None:
        """Encrypted RTP packets from a checked address."""
        if self.receiver is None:
            self._context.counters.unexpected += len(indices)
        else:
            self._from = here
            self.end.on_rtp(datagrams, indices)

    def on_stray(self, kind: Datagram, datagrams: Datagrams, index: int, here: IcePath) -> None:
        """An encrypted packet that bears our peer's SSRC, from an unknown address; without effect if not authentic."""
        now = datagrams.arrivals[index]
        if self._paths.admits_stray(now):
            is_media, data = kind is Datagram.RTP, datagrams.data(index)
            self.on_srtp(datagrams, [index], here) if is_media else self.on_srtcp(data, here, now)
            if not self.closed:
                self._paths.meet(self, here, datagrams.sizes[index], now)
            self._timers.schedule(self)

    def unprotect(self, data: bytes, now: float) -> bytes | None:
        """Decrypt an RTP packet; a valid one proves that the peer is alive, another is counted."""
        try:
            plain = None if self.receiver is None else self.receiver.unprotect(data)
        except SrtpError as error:
            self.drops.count_undecrypted(error)
            return None
        self.hear(now)
        return plain

    def hear(self, now: float) -> None:
        """A packet has proved authentic."""
        receiver, here = self.receiver, self._from
        if here and receiver and self._paths.touch(self, receiver, here, now):
            self._timers.schedule(self)

    def on_time(self, now: float) -> None:
        """Some deadline has come."""
        fault = silence_of(self.agent, self._handshake, now, excused_until=self._context.excused_until)
        if fault is not None:
            self.fail(*fault)
        else:
            self.agent.on_time(now)
            self._paths.send_checks()
            if self._handshake is not None and self._handshake.on_time(now):
                self._follow_handshake(self._handshake, now)
            if now >= self.end.deadline:
                self.end.on_time(now)
            self._timers.schedule(self)

    # -- what leaves ---------------------------------------------------------------------------------------------

    def send_rtp(self, packet: bytes) -> None:
        """Encrypt and send one RTP packet outside a fan-out."""
        if self.transmitter is not None and self.path is not None:
            try:
                self._services.port.send(self.transmitter.protect(packet), self.path)
            except SrtpError:
                self._context.counters.send_errors += 1  # a packet from before libsrtp's window

    def send_rtcp(self, packet: bytes) -> None:
        """Encrypt and send a compound RTCP packet."""
        if self.transmitter is not None and self.path is not None:
            self._services.port.send(self.transmitter.protect_rtcp(packet), self.path)

    def _follow_path(self, before: IcePath | None, now: float) -> None:
        """Something was proved: the path in use may be another one than before."""
        if self.path != before:
            if before is not None:
                self._context.counters.moved += 1
                log.debug("media moved", session=self.session_id, before=before, path=self.path)
            self.end.on_moved()
        if self._handshake is not None and self.path is not None:
            self._paths.send(self._handshake.first_flight(self.path, now), self.path)
            self._connect(self._handshake, now)
        self._timers.schedule(self)

    def _enter(self, event: TransportEvent) -> None:
        self._state = TRANSITIONS.after(self._state, event)

    # -- the end -------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """End it from our side: nothing is sent but a DTLS close_notify, and nothing is taken. Idempotent."""
        self._finish(TransportEvent.CLOSE, None)

    def fail(self, info: StreamInfo, detail: str = "") -> None:
        """End it for a fault, and tell the owner; `detail` is for the log."""
        if not self.closed:
            self._context.counters.failed += 1
            log.info("media failed", session=self.session_id, info=info, detail=detail, path=self.path)
        self._finish(TransportEvent.FAULT, Failed(info=info))

    def _finish(self, event: TransportEvent, told: MediaEvent | None) -> None:
        if self.closed:
            return
        self._enter(event)
        path, handshake, post, end = self.path, self._handshake, self._post, self.end
        self._services.remove(self)
        # Nothing refers back to the handler any more, so all of it is freed at once and not by a full collection.
        self._post, self.end = discard, _ClosedHandler()
        try:
            end.on_closed()
        finally:  # the peer and the owner learn of the end even if the handler is broken
            self._handshake = self.receiver = self.transmitter = None
            if handshake is not None and path is not None:
                handshake.dtls.close()
                self._paths.send(handshake.dtls.take_datagrams(), path)
            if told is not None:
                post(told)

    # -- DTLS ----------------------------------------------------------------------------------------------------

    def _follow_handshake(self, handshake: Handshake, now: float) -> None:
        dtls = handshake.dtls
        if handshake.path is not None:
            self._paths.send(dtls.take_datagrams(), handshake.path)
        match dtls.state:
            case DtlsState.UP if self._state is not TransportState.CONNECTED:
                self._end_handshake(handshake, now)
            case DtlsState.FAILED:
                self.fail(_DTLS_FAILURES[dtls.failure or DtlsFailure.ERROR], dtls.detail)
            case DtlsState.CLOSED:
                self._finish(TransportEvent.CLOSE_NOTIFY, PeerClosed())
        self._timers.schedule(self)

    def _end_handshake(self, handshake: Handshake, now: float) -> None:
        """Keys are there. Only a peer that received all our flights gets this far, which proves a single path."""
        if self._state is TransportState.HANDSHAKING:
            self._enter(TransportEvent.KEYS)
        before = self.path
        if handshake.path is not None and handshake.is_single_path:
            self.agent.shook_hands(handshake.path, now)
        self._follow_path(before, now)

    def _connect(self, handshake: Handshake, now: float) -> None:
        """As soon as there are keys, and a path to use them on."""
        keys = handshake.dtls.keys
        if keys is None or self._state is not TransportState.KEYED:
            return
        self._enter(TransportEvent.PATH)
        self.receiver = SrtpReceiver(keys, max_ssrcs=self._context.settings.max_ssrcs_per_peer)
        self.transmitter = SrtpTransmitter(keys)
        handshake.until = math.inf
        self._services.handshakes.done(self)
        self.end.on_connected(now)
        self._post(Connected())


TransportServices = PeerServices[Transport]


def _read_control(receiver: SrtpReceiver, data: bytes, counters: Counters) -> tuple[RtcpPacket, ...] | None:
    try:
        return parse_compound(receiver.unprotect_rtcp(data))
    except SrtpError:
        counters.srtp_errors += 1
    except RtcpError:
        counters.malformed += 1
    return None


def _make_agent(ufrag: str, pwd: str, offer: Offer, services: TransportServices, roles: PeerRoles) -> IceLiteAgent:
    settings = services.context.settings
    if roles.calls is not None:
        now, entropy = services.context.clock(), services.context.entropy
        return IceCaller(ufrag, pwd, offer.ice_ufrag, offer.ice_pwd, now, entropy=entropy, path=roles.calls)
    return IceLiteAgent(
        ufrag,
        pwd,
        offer.ice_ufrag,
        offer.ice_pwd,
        services.context.clock(),
        entropy=services.context.entropy,
        preferences=services.port.priorities,
        controlling=roles.controlling,
        check_timeout=settings.ice_timeout,
        consent_timeout=settings.ice_keep_alive_timeout,
    )
