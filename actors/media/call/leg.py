"""A phone's end of a call: plain RTP, or SRTP with keys from SDP (SDES), on its own pair of ports.

Towards the phone there is one SSRC with continuous numbers for the whole call, whatever is sent: the page's voice,
digits, or silence while the page holds the call.
"""

import math
from collections.abc import Callable
from typing import Final

from attrs import frozen

from actors.media.call.leg_reader import LegReader
from actors.media.call.port_pairs import PortPair, PortPairs
from actors.media.call.secured_port import SecuredPort
from actors.media.context import MediaContext
from actors.media.events import Failed, Flowing, Post, discard
from protocol.calls.codecs import TELEPHONE_EVENT
from protocol.calls.dtmf import DigitSender, DigitsRefused
from protocol.calls.latching import Latch
from protocol.calls.remote_media import RemoteMedia
from protocol.calls.reports import CallReports
from protocol.calls.rewriting import RtpRewriter
from protocol.calls.silence import SILENCE, SILENCE_INTERVAL
from protocol.common.rate_limit import RateLimit
from protocol.stream.info_texts import StreamInfo
from protocol.webrtc.demux import Datagram, ssrc_of
from protocol.webrtc.rtcp import RtcpError, parse_compound
from protocol.webrtc.rtp import RtpError, RtpHeader, parse_header, payload
from protocol.webrtc.sdp import Codec
from protocol.webrtc.srtp import SrtpError

Address = tuple[str, int]
Sink = Callable[[RtpHeader, bytes, float], None]
"""Takes a packet of voice: its header, its payload, and when it came."""

MAX_PACKET_RATE: Final = 500
"""Packets a second that are read of one side of a call; voice has 50, or 100."""


def no_sink(header: RtpHeader, body: bytes, now: float) -> None:
    """Nobody listens."""


@frozen(kw_only=True)
class LegStatistics:
    """Figures of a phone's end since it began. `stray`: packets that came from elsewhere, or were not authentic."""

    received: int
    sent: int
    lost_here: int
    lost_there: int
    stray: int
    unsent: int
    digits_received: int
    round_trip: float


class RtpLeg:
    """See above. `sink` gets the phone's voice. `post` is told Flowing and Failed."""

    def __init__(
        self,
        context: MediaContext,
        pairs: PortPairs,
        pair: PortPair,
        reader: LegReader,
        *,
        session_id: str,
        post: Post,
        signalling: frozenset[str],
    ) -> None:
        self.session_id = session_id
        self.sink: Sink = no_sink
        self.closed = False
        self.address = pair.told
        """Where the phone is to send to."""
        self._context, self._pairs, self._pair, self._reader, self._post = context, pairs, pair, reader, post
        self._port = SecuredPort(pair)
        self._latch = Latch(signalling)
        self._rewriter = RtpRewriter(
            ssrc=context.random_number(32), sequence=context.random_number(16), timestamp=context.random_number(32)
        )
        self._reports = CallReports(self._rewriter, cname=context.entropy(8).hex())
        self._digits = DigitSender()
        self._limit = RateLimit(MAX_PACKET_RATE, MAX_PACKET_RATE)
        self._remote: RemoteMedia | None = None
        self._rtcp: Address | None = None
        self._voice: Codec | None = None
        self._events: Codec | None = None
        self._event_timestamp = 0
        self._is_held = self._is_flowing = False
        self._silence_at = self._quiet_at = math.inf
        self._last_event = -1
        self._stray = self._digits_received = 0
        reader.add(self, pair)

    # -- for the owner -------------------------------------------------------------------------------------------

    def describe(self, remote: RemoteMedia, *, voice: Codec, events: Codec | None) -> None:
        """The phone's SDP, the first one or another. `voice` is the format it is sent, `events` that of digits."""
        now = self._context.clock()
        self._remote, self._voice, self._events = remote, voice, events
        self._port.secure(remote.keys)
        if remote.address is not None:
            self._latch.describe(remote.address, now)
            self._rtcp = remote.rtcp
        if remote.holds:
            self._rewriter.pause()
        self._reports.start(now)
        self._expect(now)
        self._reader.schedule(self)

    def hold(self, *, held: bool) -> None:
        """Hold the call, or go on: meanwhile the page is not heard, and the phone gets a silent packet now and then."""
        now = self._context.clock()
        self._is_held = held
        self._silence_at = now if held else math.inf
        self._rewriter.pause()
        self._expect(now)
        self._reader.schedule(self)

    @property
    def takes_events(self) -> bool:
        """Whether the phone takes digits as telephone events."""
        return self._events is not None

    def send_digits(self, digits: str) -> None:
        """Queue digits as telephone events. Raises DigitsRefused."""
        if self._events is None or self.closed:
            raise DigitsRefused("the phone takes no telephone events")
        self._digits.add(digits, self._context.clock())
        self._reader.schedule(self)

    def send(self, header: RtpHeader, body: bytes, codec: Codec, now: float) -> None:
        """The page's voice, in a format of the phone; lost while it is held, or digits are being sent."""
        if self._is_held or self._digits.is_busy or not self._can_send:
            self._rewriter.pause()
            return
        packet = self._rewriter.rewrite(
            header, body, payload_type=codec.payload_type, clock_rate=codec.clock_rate, now=now
        )
        if packet is not None:
            self._send_rtp(packet)

    def close(self) -> None:
        """End it: RTCP BYE, and the ports are closed. Idempotent."""
        if self.closed:
            return
        now = self._context.clock()
        self._send_rtcp(self._reports.build_last(now))
        self.closed = True
        self._reader.remove(self, self._pair)
        self._pairs.give_back(self._pair, now)
        self.sink, self._post = no_sink, discard

    def fail(self, info: StreamInfo) -> None:
        """End it for a fault, and tell the owner."""
        post = self._post
        self.close()
        post(Failed(info=info))

    def statistics(self) -> LegStatistics:
        reports = self._reports
        return LegStatistics(
            received=reports.received,
            sent=self._rewriter.packets,
            lost_here=reports.lost_here,
            lost_there=reports.lost_there,
            stray=self._stray,
            unsent=self._port.unsent,
            digits_received=self._digits_received,
            round_trip=reports.round_trip,
        )

    # -- for the reader ------------------------------------------------------------------------------------------

    @property
    def deadline(self) -> float:
        if self.closed:
            return math.inf
        return min(self._reports.deadline, self._digits.deadline, self._silence_at, self._quiet_at)

    def on_rtp(self, data: bytes, source: Address, now: float) -> None:
        kind = Datagram.of(data)
        if kind is Datagram.RTCP:
            self.on_rtcp(data, source, now)
        elif self._remote is None or kind is not Datagram.RTP:
            self._stray += 1
        else:
            self._take_rtp(data, source, now)

    def on_rtcp(self, data: bytes, source: Address, now: float) -> None:
        host = None if self._latch.target is None else self._latch.target[0]
        if source[0] not in (host, self._rtcp[0] if self._rtcp else None) or not self._limit.take(now):
            self._stray += 1
            return
        try:
            self._reports.take(parse_compound(self._port.unprotect_rtcp(data)), now)
        except (SrtpError, RtcpError):
            self._stray += 1

    def on_time(self, now: float) -> None:
        self._quiet_at = max(self._quiet_at, self._context.excused_until)
        if now >= self._quiet_at:
            self.fail(StreamInfo.FAILED_BY_RTP_ACTIVITY)
            return
        self._send_event(now)
        if now >= self._silence_at:
            self._silence_at = now + SILENCE_INTERVAL
            self._send_silence(now)
        if now >= self._reports.deadline:
            self._send_rtcp(self._reports.build(now, self._voice.clock_rate if self._voice else 8_000))

    # -- inside --------------------------------------------------------------------------------------------------

    @property
    def _can_send(self) -> bool:
        return self._remote is not None and not self._remote.holds

    def _take_rtp(self, data: bytes, source: Address, now: float) -> None:
        ssrc = ssrc_of(Datagram.RTP, data)
        if ssrc is None or not self._latch.admits(source, ssrc, now) or not self._limit.take(now):
            self._stray += 1  # strangers are turned away first: they use up nothing of what the phone may send
            return
        try:
            plain = self._port.unprotect(data)
            header = parse_header(plain)
        except (SrtpError, RtpError):
            self._stray += 1
            return
        self._latch.take(source, ssrc, now)
        self._expect(now)
        if not self._is_flowing:
            self._is_flowing = True
            self._post(Flowing())
        codec = self._codec(header.payload_type)
        if codec is None:
            self._stray += 1
        elif codec.name == TELEPHONE_EVENT:
            self._count_event(header)
        else:
            self._reports.heard(header, codec.clock_rate, now)
            self.sink(header, payload(plain, header), now)

    def _codec(self, payload_type: int) -> Codec | None:
        codecs = self._remote.codecs if self._remote else ()
        return next((codec for codec in codecs if codec.payload_type == payload_type), None)

    def _count_event(self, header: RtpHeader) -> None:
        """Which digit it is may be a secret, and is nobody's business here."""
        if header.timestamp != self._last_event:
            self._last_event = header.timestamp
            self._digits_received += 1

    def _expect(self, now: float) -> None:
        """The phone is to send within the time for it; a call that is on hold may be quiet."""
        is_on = not self._is_held and self._remote is not None and not self._remote.holds
        self._quiet_at = now + self._context.settings.rtp_activity_detecting if is_on else math.inf

    def _send_event(self, now: float) -> None:
        events = self._events
        packet = None if events is None else self._digits.packet(now, events.clock_rate)
        if packet is None or events is None:
            return
        if packet.begins:
            self._event_timestamp = self._rewriter.timestamp_at(now, events.clock_rate)
        self._send_own(packet.payload, events, now, marker=packet.begins, timestamp=self._event_timestamp)

    def _send_silence(self, now: float) -> None:
        voice = self._voice
        if voice is not None and voice.name in SILENCE and self._can_send:
            timestamp = self._rewriter.timestamp_at(now, voice.clock_rate)
            self._send_own(SILENCE[voice.name], voice, now, marker=True, timestamp=timestamp)

    def _send_own(self, body: bytes, codec: Codec, now: float, *, marker: bool, timestamp: int) -> None:
        packet = self._rewriter.insert(
            body,
            payload_type=codec.payload_type,
            clock_rate=codec.clock_rate,
            marker=marker,
            timestamp=timestamp,
            now=now,
        )
        self._send_rtp(packet)

    def _send_rtp(self, packet: bytes) -> None:
        if self._latch.target is not None:
            self._port.send(packet, self._latch.target)

    def _send_rtcp(self, packet: bytes) -> None:
        remote, target = self._remote, self._latch.target
        if remote is None or target is None:
            return
        if remote.rtcp_mux:
            self._port.send_rtcp(packet, target, muxed=True)
        elif self._rtcp is not None and not self._latch.is_hidden:
            self._port.send_rtcp(packet, self._rtcp, muxed=False)
