"""From a publisher's encrypted packets to packets of its tracks. What is not accepted is counted by reason."""

import math
from collections.abc import Sequence
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
from protocol.sfu.incoming_track import MediaPacket, MediaRun, Opened
from protocol.webrtc.rtp import (
    HEADER_SIZE,
    ONE_BYTE,
    PADDING,
    STOP_ID,
    RtpError,
    RtpHeader,
    parse_header,
    payload,
    peek_ssrc,
)
from protocol.webrtc.srtp import MAX_PACKET, SrtpReceiver, fault, unprotect_in_place

_PLAIN, _EXTENDED = 0x80, 0x90  # first bytes: version 2 and nothing else, or with a header extension
_SOURCE = Struct("!xB6xII")  # payload type, SSRC, and the extension's profile and length
_read_header = Struct(
    "!BBHIIIBH"
).unpack_from  # with the same, and the extension's first element, if that has two bytes
_EXTENSION = Struct("!HH")
_ELEMENTS = HEADER_SIZE + 4  # where those of a header extension begin
_UNUSUAL = -2
_MAX_TRAILER = 16  # bytes of the longest authentication tag
_LONG_WAY = 0, -1

log = get_logger("media")


class Taker(Protocol):
    """What gets a publisher's packets: its publication."""

    def take(self, track: PublishedTrack, packet: MediaPacket | None, now: float) -> None: ...
    def take_run(self, track: PublishedTrack, run: MediaRun) -> None: ...


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
    sources, with a header extension in the one-byte form or none. Such packets are decrypted and made canonical where
    they lie, and what they need together is done once: limits, the proof that the peer lives, arrivals, and handing
    over to the taker. All others go the long way, in their turn.

    `allowance`: how many times the limits of a publisher it may have.
    """

    def __init__(
        self,
        context: MediaContext,
        transport: Secured,
        sources: SsrcTable,
        feedback: PublisherFeedback,
        taker: Taker,
        *,
        allowance: int = 1,
    ) -> None:
        packets = context.settings.max_publisher_packet_rate * allowance
        octets = context.settings.max_publisher_bitrate * 125 * allowance  # a second
        self._packet_rate = RateLimit(packets, packets)
        self._bitrate = RateLimit(octets, octets)
        self._context = context
        self._transport = transport
        self._sources = sources
        self._feedback = feedback
        self._taker = taker
        self._direct: dict[tuple[int, int], PublishedTrack] = {}
        """Whose media may go the short way, by payload type and SSRC."""
        self._newest = -math.inf

    def take(self, datagrams: Datagrams, indices: Sequence[int]) -> float:
        """Take encrypted packets, in their order; when the last one of a track came, -inf if there was none."""
        sizes, arrivals, receiver = datagrams.sizes, datagrams.arrivals, self._transport.receiver
        self._newest, at = -math.inf, 0
        if not self._admits(len(indices), sum([sizes[index] for index in indices]), arrivals[indices[0]]):
            for index in indices:
                self.take_single(datagrams.data(index), arrivals[index])
            return self._newest
        while at < len(indices) and receiver is not None and receiver is self._transport.receiver:  # it is not closed
            count, odd = self._take_next(datagrams, indices[at:] if at else indices, receiver)
            if not count:
                self._take_admitted(datagrams.data(indices[at]), arrivals[indices[at]])
            at += count or 1
            if odd:
                self._take_decrypted(odd, arrivals[indices[at - 1]])
        return self._newest

    def take_single(self, data: bytes, now: float) -> None:
        """Take an encrypted packet that came at `now`."""
        drop = self._refusal(data, now)
        if drop is not None:
            self._drop(drop, bytes=len(data))
        else:
            self._take_admitted(data, now)

    def _take_next(self, datagrams: Datagrams, indices: Sequence[int], receiver: SrtpReceiver) -> tuple[int, bytes]:
        """Go the short way with as many as can, from the first on; how many these are.

        The last of them is given back, decrypted, if it proves to be unusual.
        """
        memory, sizes, arrivals, lengths = datagrams.memory, datagrams.sizes, datagrams.arrivals, datagrams.lengths
        second, ssrc, shape = _SOURCE.unpack_from(memory, indices[0] * STRIDE)
        kind = second & 0x7F
        track = self._direct.get((kind, ssrc))
        if track is None:
            return 0, b""
        tag, fresh_from, expected = self._feedback.tag, self._context.fresh_from, track.incoming.next_number
        usual, opened, numbered, others, odd = _usual(shape, tag), list[Opened](), list[tuple[int, float]](), 0, b""
        packets, pointers, handle = datagrams.pointers, datagrams.length_pointers, receiver.handle
        for index in indices:
            begin, size, now = index * STRIDE, sizes[index], arrivals[index]
            first, second, sequence, timestamp, sender, extension, element, number = _read_header(memory, begin)
            if sequence != expected or sender != ssrc or second & 0x7F != kind or now < fresh_from:
                break
            start = usual if element == tag and extension == shape and first == _EXTENDED else 0
            if not start:
                start, number = _look(memory, first & ~PADDING, begin, size, tag)
            if not 0 < start < size - _MAX_TRAILER or size > MAX_PACKET:
                break
            if error := unprotect_in_place(handle, packets[index], pointers[index]):
                self._transport.drops.count_undecrypted(fault(error))
                others += 1
                continue
            expected, end = expected + 1 & 0xFFFF, begin + lengths[index]
            end = _before_padding(memory, begin + start, end) if first & PADDING else end
            if not end:
                others, odd = others + 1, bytes(memory[begin : begin + lengths[index]])
                break
            opened.append((begin + start, end, timestamp, second & 0x80, now))
            if number >= 0:
                numbered.append((number, now))
        if opened:
            self._hand_over(track, memory, opened, numbered)
        return len(opened) + others, odd

    def _hand_over(
        self, track: PublishedTrack, memory: memoryview, opened: Sequence[Opened], numbered: Sequence[tuple[int, float]]
    ) -> None:
        self._newest = opened[-1][4]
        self._transport.hear(self._newest)
        if numbered:
            self._feedback.record_arrivals(numbered)
        for run in track.incoming.take_runs(memory, opened):
            self._taker.take_run(track, run)

    def _admits(self, count: int, octets: int, now: float) -> bool:
        """Whether the limits have room for all of a run at the time of its first packet."""
        if not self._packet_rate.take(now, count):
            return False
        if self._bitrate.take(now, octets):
            return True
        self._packet_rate.give_back(count)
        return False

    def _take_admitted(self, data: bytes, now: float) -> None:
        """Take a packet that is within the limits."""
        if len(data) < HEADER_SIZE:
            self._drop(Drop.MALFORMED, bytes=len(data))
            return
        ssrc = peek_ssrc(data)
        source = self._sources.find(ssrc, data, now)
        if source is None:
            self._drop(Drop.UNKNOWN_SOURCE, ssrc=ssrc, payload_type=data[1] & 0x7F)
            return
        plain = self._transport.unprotect(data, now)
        if plain is not None:
            self._take_plain(ssrc, source, plain, now)

    def _take_decrypted(self, plain: bytes, now: float) -> None:
        """Take a packet of a known SSRC that the short way has decrypted, but no more."""
        if self._transport.receiver is not None:
            ssrc = peek_ssrc(plain)
            self._transport.hear(now)
            self._take_plain(ssrc, self._sources.known(ssrc), plain, now)

    def _take_plain(self, ssrc: int, source: Source, plain: bytes, now: float) -> None:
        """Take a packet that has proved authentic."""
        try:
            is_media, packet = self._open(ssrc, source, plain, now)
        except RtpError:
            self._drop(Drop.MALFORMED, bytes=len(plain))
            return
        if is_media:
            self._newest = now
            self._taker.take(source.track, packet, now)

    def _refusal(self, data: bytes, now: float) -> Drop | None:
        """Why a packet is refused before it is decrypted."""
        if not self._packet_rate.take(now):
            return Drop.PACKET_RATE
        if not self._bitrate.take(now, len(data)):
            return Drop.BITRATE
        return None

    def _open(self, ssrc: int, source: Source, plain: bytes, now: float) -> tuple[bool, MediaPacket | None]:
        """Whether a packet is the source's, and what of it is to be forwarded."""
        header = parse_header(plain)
        number = self._feedback.number(plain, header)
        if number is not None:
            self._feedback.record_arrivals([(number, now)])
        body = payload(plain, header)
        drop = _fault(source, header, body)
        if drop is not None:
            self._drop(drop, bytes=len(plain), payload_type=header.payload_type)
            return False, None
        if ssrc not in self._sources:
            self._direct.clear()
            if self._sources.bind(ssrc, source):
                log.info("a track has another SSRC", session=self._transport.session_id, ssrc=ssrc, mid=source.mid)
        if not source.is_rtx:
            self._direct[source.payload_type, ssrc] = source.track
        return True, self._receive(source, header, body, now)

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


def _usual(extension: int, tag: int) -> int:
    """Where payloads begin after a header extension of this profile and length whose first element has `tag`.

    0: that needs a look.
    """
    words = extension & 0xFFFF
    return _ELEMENTS + 4 * words if tag > 0 < words and extension >> 16 == ONE_BYTE else 0


def _before_padding(memory: memoryview, start: int, end: int) -> int:
    """Where the payload that begins at `start` ends; 0 if there is nothing but padding, or not even that."""
    padding = memory[end - 1]
    return end - padding if 0 < padding < end - start else 0


def _look(memory: memoryview, first: int, begin: int, size: int, tag: int) -> tuple[int, int]:
    """Where in an encrypted packet the payload begins, and its transport-wide number, or -1.

    `first` is its first byte without the bit for padding. `tag` is how the header extension with that number begins, 0:
    none is wanted. `_LONG_WAY` for an unusual packet.
    """
    start, number = HEADER_SIZE, -1
    if first == _EXTENDED:
        profile, words = _EXTENSION.unpack_from(memory, begin + start)
        start = _ELEMENTS + 4 * words
        if profile != ONE_BYTE or start >= size or tag < 0:
            return _LONG_WAY
        number = _find_number(memory, begin + _ELEMENTS, begin + start, tag) if tag else -1
        if number == _UNUSUAL:
            return _LONG_WAY
    elif first != _PLAIN:
        return _LONG_WAY
    return start, number


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
