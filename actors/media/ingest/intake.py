"""From a publisher's encrypted packets to packets of its tracks. What is not accepted is counted by reason."""

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import Protocol

from actors.media.context import MediaContext
from actors.media.drops import Drop, Drops
from actors.media.ingest.publisher_feedback import PublisherFeedback
from actors.media.ingest.ssrc_table import Source, SsrcTable
from actors.media.io.datagrams import STRIDE, Datagrams
from actors.media.tracks.published_track import PublishedTrack
from actors.runtime.logs import get_logger
from protocol.common.rate_limit import RateLimit
from protocol.sfu.incoming_track import MediaPacket
from protocol.webrtc.rtp import HEADER_SIZE, ONE_BYTE, STOP_ID, RtpError, RtpHeader, parse_header, payload, peek_ssrc
from protocol.webrtc.srtp import MAX_PACKET, SrtpReceiver, fault, unprotect_in_place

_PLAIN, _EXTENDED = 0x80, 0x90  # first bytes: version 2 and nothing else, or with a header extension
_HEADER = Struct("!BBHII")
_EXTENSION = Struct("!HHBH")  # profile, words, and the first element, if it has two bytes
_UNUSUAL = -2
_MAX_TRAILER = 16  # bytes of the longest authentication tag
_LONG_WAY = 0, -1

log = get_logger("media")


Taken = tuple[PublishedTrack, MediaPacket | None, float]
"""A packet of a track has come at this time; None: nothing of it is to be forwarded."""


class Secured(Protocol):
    """What decrypts a publisher's packets: its transport."""

    @property
    def receiver(self) -> SrtpReceiver | None: ...
    @property
    def drops(self) -> Drops: ...
    @property
    def session_id(self) -> str: ...
    def unprotect(self, data: bytes, now: float) -> bytes | None: ...
    def hear(self, now: float) -> None: ...


class Intake:
    """The packets of one publisher, in runs of those that were read together.

    Two ways lead to the same result. `take_single` is the whole of it: it copies one packet out of the memory that it
    came in, and asks every question. `take` goes the short way with packets that need few answers, which the clear
    header tells (RFC 3711 section 3.1): the next one of a known SSRC, of the right payload type, without contributing
    sources and padding, with a header extension in the one-byte form or none. Such a packet is decrypted and made
    canonical where it lies. What a run needs once is done once: limits, the proof that the peer lives, and arrivals.
    All others go the long way, in their turn.
    """

    def __init__(
        self, context: MediaContext, transport: Secured, sources: SsrcTable, feedback: PublisherFeedback
    ) -> None:
        settings = context.settings
        octets = settings.max_publisher_bitrate * 125  # a second
        self._packet_rate = RateLimit(settings.max_publisher_packet_rate, settings.max_publisher_packet_rate)
        self._bitrate = RateLimit(octets, octets)
        self._context = context
        self._transport = transport
        self._sources = sources
        self._feedback = feedback
        self._direct: dict[int, PublishedTrack] = {}  # whose media may go the short way: by SSRC and payload type

    def take(self, datagrams: Datagrams, indices: Sequence[int]) -> Iterator[Taken]:
        """Take encrypted packets, in their order; those that are dropped give nothing."""
        sizes, arrivals = datagrams.sizes, datagrams.arrivals
        if self._admits(len(indices), sum([sizes[index] for index in indices]), arrivals[indices[0]]):
            yield from self._take_run(datagrams, indices)
            return
        for index in indices:
            taken = self.take_single(datagrams.data(index), arrivals[index])
            if taken is not None:
                yield taken

    def take_single(self, data: bytes, now: float) -> Taken | None:
        """Take an encrypted packet that came at `now`; None when it is dropped."""
        drop = self._refusal(data, now)
        if drop is not None:
            self._drop(drop, bytes=len(data))
            return None
        return self._take_admitted(data, now)

    def _take_run(self, datagrams: Datagrams, indices: Sequence[int]) -> Iterator[Taken]:
        transport, receiver = self._transport, self._transport.receiver
        if receiver is None:
            return
        memory, sizes, arrivals, lengths = datagrams.memory, datagrams.sizes, datagrams.arrivals, datagrams.lengths
        fresh_from, tag, heard, noted = self._context.fresh_from, self._feedback.tag, -1.0, list[tuple[int, float]]()
        for index in indices:
            begin, end, now = index * STRIDE, index * STRIDE + sizes[index], arrivals[index]
            first, second, sequence, timestamp, ssrc = _HEADER.unpack_from(memory, begin)
            track = self._direct.get(ssrc << 8 | second & 0x7F)
            start, number = 0, -1
            if track is not None and now >= fresh_from and track.incoming.continues(sequence):
                start, number = _look(memory, first, begin, end, tag)
            if track is None or not start:
                self._settle(heard, noted)  # arrivals are told in their order
                noted.clear()
                taken = self._take_admitted(datagrams.data(index), now)
                if taken is not None:
                    yield taken
            elif error := unprotect_in_place(
                receiver.handle, datagrams.pointers[index], datagrams.length_pointers[index]
            ):
                transport.drops.count_undecrypted(fault(error))
            else:
                heard = now
                if number >= 0:
                    noted.append((number, now))
                end = begin + lengths[index]
                yield track, track.incoming.take_next(memory, start, end, timestamp, second & 0x80, now), now
            if transport.receiver is not receiver:
                return  # it was closed
        self._settle(heard, noted)

    def _settle(self, heard: float, noted: Sequence[tuple[int, float]]) -> None:
        """What can wait for the end of a run, or of a part of it."""
        if heard >= 0:
            self._transport.hear(heard)
        if noted:
            self._feedback.record_arrivals(noted)

    def _admits(self, count: int, octets: int, now: float) -> bool:
        """Whether the limits have room for all of a run at the time of its first packet."""
        if not self._packet_rate.take(now, count):
            return False
        if self._bitrate.take(now, octets):
            return True
        self._packet_rate.give_back(count)
        return False

    def _take_admitted(self, data: bytes, now: float) -> Taken | None:
        """Take a packet that is within the limits."""
        if len(data) < HEADER_SIZE:
            self._drop(Drop.MALFORMED, bytes=len(data))
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
        return None

    def _open(self, ssrc: int, source: Source, plain: bytes, now: float) -> Taken | None:
        header = parse_header(plain)
        number = self._feedback.number(plain, header)
        if number is not None:
            self._feedback.record_arrivals([(number, now)])
        body = payload(plain, header)
        drop = _fault(source, header, body)
        if drop is not None:
            self._drop(drop, bytes=len(plain), payload_type=header.payload_type)
            return None
        if ssrc not in self._sources:
            self._direct.clear()
            if self._sources.bind(ssrc, source):
                log.info("a track has another SSRC", session=self._transport.session_id, ssrc=ssrc, mid=source.mid)
        if not source.is_rtx:
            self._direct[ssrc << 8 | source.payload_type] = source.track
        return source.track, self._receive(source, header, body, now), now

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


def _look(memory: memoryview, first: int, begin: int, end: int, tag: int) -> tuple[int, int]:
    """Where the payload of an encrypted packet begins, and its transport-wide number, or -1.

    `tag` is how the header extension with that number begins, 0: none is wanted. `_LONG_WAY` for an unusual packet.
    """
    start, number = begin + HEADER_SIZE, -1
    if first == _EXTENDED:
        profile, words, element, number = _EXTENSION.unpack_from(memory, start)
        place, start = start + 4, start + 4 + 4 * words
        if profile != ONE_BYTE or start >= end or tag < 0:
            return _LONG_WAY
        if element != tag or not words:  # it does not come first
            number = _find_number(memory, place, start, tag) if tag else -1
            if number == _UNUSUAL:
                return _LONG_WAY
    elif first != _PLAIN:
        return _LONG_WAY
    return (start, number) if start + _MAX_TRAILER < end <= begin + MAX_PACKET else _LONG_WAY


def _find_number(memory: memoryview, place: int, end: int, tag: int) -> int:
    """The number that begins with `tag` among the elements of a header extension; -1 without one, or `_UNUSUAL`."""
    while place < end:
        element = memory[place]
        if element == tag:
            return memory[place + 1] << 8 | memory[place + 2] if place + 3 <= end else _UNUSUAL
        if element >> 4 in (tag >> 4, STOP_ID):
            return _UNUSUAL
        place += (element & 0x0F) + 2 if element else 1
    return -1 if place == end else _UNUSUAL
