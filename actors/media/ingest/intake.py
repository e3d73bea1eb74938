"""From a publisher's encrypted packets to packets of its tracks. What is not accepted is counted by reason."""

from typing import NamedTuple

from actors.media.context import MediaContext
from actors.media.drops import Drop
from actors.media.ingest.publisher_feedback import PublisherFeedback
from actors.media.ingest.ssrc_table import Source, SsrcTable
from actors.media.peer.transport import Transport
from actors.media.tracks.published_track import PublishedTrack
from actors.runtime.logs import get_logger
from protocol.common.rate_limit import RateLimit
from protocol.sfu.incoming_track import MediaPacket
from protocol.webrtc.rtp import HEADER_SIZE, RtpError, RtpHeader, parse_header, payload, peek_ssrc
from protocol.webrtc.srtp import MAX_PACKET

log = get_logger("media")


class Taken(NamedTuple):
    """A packet of a track has come; `packet` is None when nothing of it is to be forwarded."""

    track: PublishedTrack
    packet: MediaPacket | None


class Intake:
    """The packets of one publisher."""

    def __init__(
        self, context: MediaContext, transport: Transport, sources: SsrcTable, feedback: PublisherFeedback
    ) -> None:
        settings = context.settings
        octets = settings.max_publisher_bitrate * 125  # a second
        self._packet_rate = RateLimit(settings.max_publisher_packet_rate, settings.max_publisher_packet_rate)
        self._bitrate = RateLimit(octets, octets)
        self._context = context
        self._transport = transport
        self._sources = sources
        self._feedback = feedback

    def take(self, data: bytes, now: float) -> Taken | None:
        """Take an encrypted packet that came at `now`; None when it is dropped."""
        drop = self._refusal(data, now)
        if drop is not None:
            self._drop(drop, bytes=len(data))
            return None
        ssrc = peek_ssrc(data)
        source = self._sources.find(ssrc, data, now)
        if source is None:
            self._drop(Drop.UNKNOWN_SOURCE, ssrc=ssrc, payload_type=data[1] & 0x7F)
            return None
        plain = self._transport.unprotect(data, now)
        if plain is None:
            return None
        try:
            return self._open(ssrc, source, plain, now)
        except RtpError:
            self._drop(Drop.MALFORMED, bytes=len(data))
            return None

    def _refusal(self, data: bytes, now: float) -> Drop | None:
        """Why a packet is refused before it is decrypted."""
        if not self._packet_rate.take(now):
            return Drop.PACKET_RATE
        if not self._bitrate.take(now, len(data)):
            return Drop.BITRATE
        return Drop.MALFORMED if len(data) < HEADER_SIZE else None

    def _open(self, ssrc: int, source: Source, plain: bytes, now: float) -> Taken | None:
        header = parse_header(plain)
        self._feedback.record_arrival(plain, header, now)
        body = payload(plain, header)
        drop = _fault(source, header, body)
        if drop is not None:
            self._drop(drop, bytes=len(plain), payload_type=header.payload_type)
            return None
        if ssrc not in self._sources and self._sources.bind(ssrc, source):
            log.info("a track has another SSRC", session=self._transport.session_id, ssrc=ssrc, mid=source.mid)
        return Taken(source.track, self._receive(source, header, body, now))

    def _receive(self, source: Source, header: RtpHeader, body: bytes, now: float) -> MediaPacket | None:
        incoming, is_stale = source.track.incoming, now < self._context.fresh_from
        if is_stale:
            self._drop(Drop.STALE)
        if source.is_rtx:
            return None if is_stale else incoming.receive_rtx(header.timestamp, header.marker, body, now)
        if is_stale:
            incoming.leave_out(header.sequence, header.timestamp, now)
            return None
        packet = incoming.receive(header.sequence, header.timestamp, header.marker, body, now)
        if packet is None and incoming.is_apart:
            self._drop(Drop.NO_KEY_FRAME)
        return packet

    def _drop(self, drop: Drop, **fields: object) -> None:
        self._transport.drops.count(drop, **fields)


def _fault(source: Source, header: RtpHeader, body: bytes) -> Drop | None:
    """Why an authentic packet cannot be forwarded."""
    if header.payload_type != source.payload_type:
        return Drop.UNKNOWN_FORMAT
    return Drop.TOO_LARGE if HEADER_SIZE + len(body) > MAX_PACKET else None
