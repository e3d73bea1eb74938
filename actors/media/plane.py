"""The media plane: it owns the UDP sockets, all peers and all their timers.

It is a service, not an actor. Others call its plain methods, which never wait. A stream's owner learns what happens to
its media through the `post` that it gave. Media itself never leaves this package: a publisher's packet is decrypted,
then encrypted and sent for every viewer, within a few milliseconds.

    a task for each socket   wait until it is readable; when packets are many, a few milliseconds in any case
                             -> read up to MAX_DRAIN datagrams and handle each, no await in between
                             -> when a picture is not complete, wait for the rest, a few milliseconds at most
                             -> send what is queued, look for receiver reports
    a task for each socket of receiver reports    (`report_reader`)
    a task for viewers that catch up              (`catch_up`)
    a task for the sockets of phones              (`call.leg_reader`)
    a task for all timers    wait for the earliest deadline -> handle the peers whose deadline has come
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import trio

from actors.media.call.call_media import CallMedia
from actors.media.context import MediaContext
from actors.media.datagram_router import DatagramRouter
from actors.media.drops import LossWatch
from actors.media.events import MediaRefused, Post
from actors.media.guard import PeerGuard
from actors.media.ingest.feed_reader import Feeds
from actors.media.ingest.webrtc_ingest import WebRtcIngest
from actors.media.io.datagrams import Datagrams
from actors.media.io.frame_hold import FrameHold
from actors.media.io.joined_datagrams import JoinedDatagrams, join
from actors.media.io.media_port import MediaPort
from actors.media.io.receiver import Receiver
from actors.media.io.report_reader import ReportReader
from actors.media.io.sockets import MediaSocket, UdpSocket
from actors.media.peer.handshake_starter import HandshakeStarter
from actors.media.peer.peer_table import PeerTable
from actors.media.peer.services import PeerServices
from actors.media.peer.time_keeper import TimeKeeper
from actors.media.peer.transport import Transport, TransportServices
from actors.media.playback import Playback
from actors.media.publication import Publication
from actors.media.relay_legs import RelayLegs
from actors.media.sending.sender import PacketSender, PortableSender
from actors.media.statistics import MediaStatistics
from actors.media.tcp.listeners import MediaListener
from actors.media.tcp.outlet import TcpOutlet
from actors.media.tcp.service import TcpMedia
from actors.runtime.logs import get_logger
from actors.runtime.loop_clock import run_clock
from config.settings import Settings
from protocol.metrics.handshake_counts import HandshakeCounts
from protocol.metrics.media_quality import MediaQuality
from protocol.stream.info_texts import StreamInfo
from protocol.webrtc.dtls import DtlsContext
from protocol.webrtc.negotiation import negotiate_play, negotiate_publish
from protocol.webrtc.offer import parse_offer
from protocol.webrtc.roles import ANSWERER, PeerRoles
from protocol.webrtc.sdp import NoCommonCodecs, Offer, SdpError
from protocol.webrtc.stun import Address

STALE_AFTER = 1.0  # seconds that a packet may have waited here to be read, and still be forwarded

log = get_logger("media")


class MediaPlane:
    """See above. It takes over the sockets, and closes them at the end of `run`."""

    _ended = False

    def __init__(
        self,
        sockets: Sequence[MediaSocket],
        settings: Settings,
        *,
        sender: PacketSender | None = None,
        listeners: Sequence[MediaListener] = (),
    ) -> None:
        self.context = self._context = context = MediaContext(
            settings=settings,
            sender=sender or PortableSender(),
            clock=run_clock().real_time,
            entropy=secrets.token_bytes,
        )
        outlets = [TcpOutlet() for _ in listeners]
        by_tcp = [(outlet, entry.advertised) for outlet, entry in zip(outlets, listeners, strict=True)]
        self._guard = PeerGuard(context.counters)
        self.time = TimeKeeper[Transport](context, self._on_time, self._look_at_losses)
        self._peers: PeerTable[Transport] = PeerTable(len(sockets) + len(outlets))
        self._services: TransportServices = PeerServices(
            context=context,
            port=MediaPort(sockets, context.counters, by_tcp),
            peers=self._peers,
            timers=self.time.timers,
            handshakes=HandshakeStarter(context, DtlsContext.create()),
        )
        self._datagrams = Datagrams()  # of whichever socket is being read
        self._receivers = [self._receiver(local, entry.socket) for local, entry in enumerate(sockets)]
        self._reports = list(_report_readers(sockets, self._receiver, context))
        self._tcp = TcpMedia(self._services, self._guard, listeners, outlets, after=self._end_pass)
        self.relays = RelayLegs(self._services, partial(self._receiver, is_shared=True), self._receive)
        self.feeds = Feeds(context, self._guard.run, self._end_pass)
        self.calls = CallMedia(self._services, self._guard, self._end_pass)
        self._losses = LossWatch(self._lost, log)

    @property
    def addresses(self) -> tuple[Address, ...]:
        """The addresses that the sockets are bound to."""
        return tuple(entry.local for entry in self._services.port.sockets)

    def statistics(self) -> MediaStatistics:
        receiving = _receiver_figures([*self._receivers, *self.relays.receivers], self._context.clock())
        return MediaStatistics(**{**receiving, **_peer_figures(self._services), **self.drops})

    @property
    def quality(self) -> MediaQuality:
        return self._context.quality

    @property
    def handshake_counts(self) -> HandshakeCounts:
        return self._services.handshakes.counts

    @property
    def socket_buffers(self) -> tuple[int, int]:
        """Bytes for what has come and for what is to leave, of the media socket that has the least."""
        return self._services.port.socket_buffers

    @property
    def drops(self) -> Mapping[str, int]:
        """Packets dropped since the start, by the names of their counters."""
        return {**self._tcp.figures(), **self._lost(), **self._context.counters.snapshot()}

    def _lost(self) -> dict[str, int]:
        losses = self._context.sender.losses
        return {
            "forward_dropped": losses.dropped,
            "forward_failed": losses.failed,
            "kernel_drops": self._services.port.kernel_drops,
            "queue_drops": sum(receiver.queue.drops for receiver in (*self._receivers, *self.relays.receivers)),
        }

    def _on_time(self, transport: Transport, now: float) -> None:
        self._guard.run(transport.on_time, now, peer=transport)

    def _look_at_losses(self, now: float) -> None:
        self._losses.look(now)

    # -- for streams ---------------------------------------------------------------------------------------------

    def publish(
        self,
        offer: str,
        *,
        session_id: str,
        post: Post,
        roles: PeerRoles = ANSWERER,
        over_tcp: bool = False,
        first_codec: str | None = None,
    ) -> WebRtcIngest:
        """Take a publisher. Raises MediaRefused; `post` is not called before this returns.

        `over_tcp`: the answer has candidates of TCP alone, if there are any. `first_codec`: preferred to the others of
        the setting `codecs`, if it is among them.
        """
        parsed = self._admit(offer, session_id)
        codecs = sorted(self._context.settings.codecs, key=lambda codec: codec != first_codec)
        try:
            plans = negotiate_publish(parsed, codecs)
        except SdpError as error:
            raise _refusal(error) from None
        towards = roles.towards(parsed.setup)
        return WebRtcIngest(self._services, parsed, plans, session_id, post, towards, over_tcp=over_tcp)

    def play(
        self,
        offer: str,
        publication: Publication,
        *,
        session_id: str,
        post: Post,
        roles: PeerRoles = ANSWERER,
        over_tcp: bool = False,
    ) -> Playback:
        """Take a player of `publication`. Raises MediaRefused; `post` is not called before this returns."""
        parsed = self._admit(offer, session_id)
        try:
            plans = negotiate_play(parsed, publication.sources)
        except SdpError as error:
            raise _refusal(error) from None
        towards = roles.towards(parsed.setup)
        return Playback(
            self._services,
            parsed,
            plans,
            publication,
            session_id=session_id,
            post=post,
            roles=towards,
            over_tcp=over_tcp,
        )

    def _admit(self, offer: str, session_id: str) -> Offer:
        if self._ended:
            raise MediaRefused(StreamInfo.FAILED_TO_ADD_STREAM_TO_PROXY, "the media plane has ended")
        if self._peers.streams[session_id] >= self._context.settings.max_streams_per_session:
            raise MediaRefused(StreamInfo.FAILED_TO_ADD_STREAM_TO_PROXY, "the session has too many streams")
        try:
            return parse_offer(offer)
        except SdpError as error:
            raise _refusal(error) from None

    # -- the tasks -----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve until cancelled; then every peer gets a DTLS close_notify and the sockets are closed."""
        try:
            async with trio.open_nursery() as nursery:
                for receiver in self._receivers:
                    nursery.start_soon(self._receive, receiver)
                for reports in self._reports:
                    nursery.start_soon(reports.run)
                nursery.start_soon(self._tcp.run)
                nursery.start_soon(self.calls.run)
                nursery.start_soon(self.relays.run)
                nursery.start_soon(self.time.run)
                nursery.start_soon(self._catch_up)
        finally:
            self._shut_down()

    async def _receive(self, receiver: Receiver) -> None:
        context, hold = self._context, FrameHold()
        while True:
            await receiver.wait()
            self._drain(receiver)
            if context.in_picture and context.sender.gathers and not receiver.coalescer.interval:
                await self._await_picture(receiver, hold)
            self._end_pass()

    def _end_pass(self) -> None:
        """Packets have been handled: send what is queued, and do what is due."""
        context = self._context
        self._guard.run(context.flush)
        now = context.clock()
        context.quality.forward_delay.sent(now, context.counters.forwarded)
        for reports in self._reports:
            reports.look(now)
        self._guard.run(self._services.timers.settle)
        self.time.look(now)

    async def _await_picture(self, receiver: Receiver, hold: FrameHold) -> None:
        """Wait a moment for the rest of a picture."""
        context, now = self._context, self._context.clock()
        until, before = hold.until(now), context.counters.forwarded
        if until > now:
            with trio.move_on_at(context.loop_time(until)):
                while context.in_picture:
                    await receiver.wait()
                    self._drain(receiver)
            hold.waited(context.clock(), came=context.counters.forwarded > before)
        context.in_picture = False

    def _drain(self, receiver: Receiver) -> None:
        context, now = self._context, self._context.clock()
        context.counters.wake_ups += 1
        context.fresh_from = now - STALE_AFTER
        try:
            receiver.drain(now)
        except OSError:
            context.counters.receive_errors += 1
        context.quality.forward_delay.came(receiver.oldest)

    def _receiver(self, local: int, udp: UdpSocket, *, is_shared: bool = False) -> Receiver:
        router = DatagramRouter(self._services, self._guard, local, is_shared=is_shared)
        datagrams = JoinedDatagrams() if is_shared and join(udp) else self._datagrams
        return Receiver(udp, self._context.clock, router.take, datagrams)

    async def _catch_up(self) -> None:
        catch_ups = self._context.catch_ups
        while True:
            await catch_ups.until_wanted()
            self._guard.run(catch_ups.go_on)
            self._end_pass()

    def _shut_down(self) -> None:
        self._ended = True
        for transport in list(self._peers.by_ufrag.values()):
            self._guard.run(transport.close, peer=transport)
        self._services.port.close()
        self.relays.close()
        for receiver in self._receivers:
            receiver.close()


def _report_readers(
    sockets: Sequence[MediaSocket], receiver: Callable[[int, UdpSocket], Receiver], context: MediaContext
) -> Iterator[ReportReader]:
    for local, entry in enumerate(sockets):
        if entry.reports is not None:
            read = receiver(local, entry.reports)
            yield ReportReader(read, context.clock, context.counters, is_urgent=context.wants_reports)


def _receiver_figures(receivers: Sequence[Receiver], now: float) -> dict[str, Any]:
    coalescers = [receiver.coalescer for receiver in receivers]
    for coalescer in coalescers:
        coalescer.took(0, now, is_all=True)  # so that the rate falls even if nothing comes
    return {
        "rests": sum(receiver.rests for receiver in receivers),
        "packets_per_second": round(sum(coalescer.rate for coalescer in coalescers)),
        "wake_up_interval_us": round(max(coalescer.interval for coalescer in coalescers) * 1_000_000),
    }


def _peer_figures(services: TransportServices) -> dict[str, Any]:
    sender, peers = services.context.sender, services.peers
    return {
        "sender": sender.name,
        "sender_reason": sender.reason,
        "publishers": peers.kinds[WebRtcIngest],
        "players": peers.kinds[Playback],
        "handshakes": len(services.handshakes),
        "addresses": sum(map(len, peers.routes)),
    }


def _refusal(error: SdpError) -> MediaRefused:
    no_codec = isinstance(error, NoCommonCodecs)
    info = StreamInfo.NO_COMMON_CODECS if no_codec else StreamInfo.FAILED_TO_ADD_STREAM_TO_PROXY
    return MediaRefused(info, error.message)
