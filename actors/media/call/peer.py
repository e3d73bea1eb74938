"""A page's end of a call: one WebRTC peer that sends and is sent voice."""

import math
from collections.abc import Callable, Sequence

from attrs import frozen

from actors.media.call.leg import MAX_PACKET_RATE, Sink, no_sink
from actors.media.events import Post
from actors.media.io.datagrams import Datagrams
from actors.media.peer.transport import Transport, TransportServices
from protocol.calls.reports import CallReports
from protocol.calls.rewriting import RtpRewriter
from protocol.common.rate_limit import RateLimit
from protocol.webrtc.roles import PeerRoles
from protocol.webrtc.rtcp import RtcpPacket
from protocol.webrtc.rtp import RtpError, RtpHeader, parse_header, payload
from protocol.webrtc.sdp import Codec, Offer


@frozen(kw_only=True)
class PageStatistics:
    """Figures of a page's end since it began."""

    received: int
    sent: int
    lost_here: int
    lost_there: int
    dropped: int
    round_trip: float


class CallPeer:
    """See above. `sink` gets the page's voice; `answer` is for the page, empty where the page answers.

    `codecs` are those of the page as agreed, with its payload types, the one it sends first.
    """

    def __init__(
        self,
        services: TransportServices,
        offer: Offer,
        codecs: Sequence[Codec],
        rewriter: RtpRewriter,
        *,
        session_id: str,
        post: Post,
        roles: PeerRoles,
        answer: Callable[[Transport], str],
    ) -> None:
        context = services.context
        self.sink: Sink = no_sink
        self.session_id = session_id
        self._context, self._timers, self._rewriter = context, services.timers, rewriter
        self._codecs = {codec.payload_type: codec for codec in codecs}
        self._clock_rate = codecs[0].clock_rate
        self._reports = CallReports(rewriter, cname=context.entropy(8).hex())
        self._limit = RateLimit(MAX_PACKET_RATE, MAX_PACKET_RATE)
        self._dropped = 0
        self._transport = Transport(services, offer, self, session_id, post, roles)
        self.answer = answer(self._transport)

    # -- for the owner -------------------------------------------------------------------------------------------

    @property
    def closed(self) -> bool:
        return self._transport.closed

    @property
    def is_connected(self) -> bool:
        """The page has had the answer, and its media comes and goes."""
        return self._transport.transmitter is not None

    def send(self, header: RtpHeader, body: bytes, codec: Codec, now: float) -> None:
        """The phone's voice, in a format of the page; lost before the page is connected."""
        transport = self._transport
        if transport.transmitter is None or transport.closed:
            return
        packet = self._rewriter.rewrite(
            header, body, payload_type=codec.payload_type, clock_rate=codec.clock_rate, now=now
        )
        if packet is not None:
            self._clock_rate = codec.clock_rate
            transport.send_rtp(packet)

    def close(self) -> None:
        """End it: DTLS close_notify to the page. Idempotent."""
        self._transport.close()

    def statistics(self) -> PageStatistics:
        reports = self._reports
        return PageStatistics(
            received=reports.received,
            sent=self._rewriter.packets,
            lost_here=reports.lost_here,
            lost_there=reports.lost_there,
            dropped=self._dropped + self._transport.drops.total,
            round_trip=reports.round_trip,
        )

    # -- for the transport ---------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float:
        return self._reports.deadline

    def on_connected(self, now: float) -> None:
        self._reports.start(now)

    def on_moved(self) -> None:
        pass  # the transport is asked for the path each time

    def on_gap(self, now: float) -> None:
        pass  # voice that was dropped is not sent again

    def on_rtp(self, datagrams: Datagrams, indices: Sequence[int]) -> None:
        for index in indices:
            now = datagrams.arrivals[index]
            plain = self._transport.unprotect(datagrams.data(index), now) if self._limit.take(now) else None
            if plain is None:
                self._dropped += 1
            else:
                self._take(plain, now)

    def on_rtcp(self, packets: tuple[RtcpPacket, ...], now: float) -> None:
        self._reports.take(packets, now)

    def on_time(self, now: float) -> None:
        if now >= self._reports.deadline:
            self._transport.send_rtcp(self._reports.build(now, self._clock_rate))

    def on_closed(self) -> None:
        self._reports.deadline = math.inf
        self.sink = no_sink

    # -- inside --------------------------------------------------------------------------------------------------

    def _take(self, plain: bytes, now: float) -> None:
        try:
            header = parse_header(plain)
        except RtpError:
            self._dropped += 1
            return
        codec = self._codecs.get(header.payload_type)
        if codec is None:
            self._dropped += 1
            return
        self._reports.heard(header, codec.clock_rate, now)
        self.sink(header, payload(plain, header), now)
