"""The messages by which the media plane hands a publication's packets to a worker process.

A message is a run of records, sent as one packet of a Unix socket (SOCK_SEQPACKET). All numbers are big-endian:

    kind 8 bits | track 8 | length of the body 16 | sequence 64 | time 64 | body

`track` counts from 0 in the order of the tracks in INFO. `sequence` is the packet's extended number (RFC 3550 A.1),
`time` the plane's monotonic clock in microseconds. INFO comes first, and again after a change of the tracks.
"""

import json
from collections.abc import Iterator, Sequence
from enum import IntEnum
from struct import Struct
from typing import Final, NamedTuple

from protocol.common.errors import ProtocolError
from protocol.webrtc.rtcp import SenderReport

MAX_MESSAGE: Final = 96 << 10
"""Bytes of one message; the smallest send buffer that systems give is larger."""
MAX_TRACKS: Final = 8

_HEADER: Final = Struct("!BBHQQ")
_REPORT: Final = Struct("!QI")
HEADER_SIZE: Final = _HEADER.size
MAX_BODY: Final = 0xFFFF
VIDEO_CODECS: Final = frozenset({"VP8", "VP9", "H264", "AV1"})
_CODECS: Final = VIDEO_CODECS | {"OPUS", "PCMU", "PCMA"}


class TapError(ProtocolError):
    """The bytes are no message of a tap."""


class RecordKind(IntEnum):
    """What a record's body is."""

    RTP = 1
    """A canonical packet: 12 bytes of header, no extension, perhaps padding."""
    REPORT = 2
    """NTP time (64 bits) and RTP timestamp (32) of the publisher's sender report."""
    INFO = 3
    """The tracks, as JSON."""
    END = 4
    """Nothing more comes."""


class TapRecord(NamedTuple):
    """One record; `time` in seconds of the plane's clock."""

    kind: RecordKind
    track: int
    sequence: int
    time: float
    body: bytes


class TrackFormat(NamedTuple):
    """What a track carries. `codec` is the canonical name (VP8, OPUS), `clock_rate` in Hz."""

    codec: str
    clock_rate: int
    channels: int = 1

    @property
    def is_video(self) -> bool:
        return self.codec in VIDEO_CODECS


# -- writing ---------------------------------------------------------------------------------------------------------


def rtp_record(track: int, sequence: int, now: float, packet: bytes) -> bytes:
    """A packet that came at `now`."""
    return _HEADER.pack(RecordKind.RTP, track, len(packet), sequence, int(now * 1_000_000)) + packet


def report_record(track: int, now: float, report: SenderReport) -> bytes:
    """The publisher's clock at a timestamp of the track, told at `now`."""
    body = _REPORT.pack(report.ntp_timestamp, report.rtp_timestamp)
    return _HEADER.pack(RecordKind.REPORT, track, len(body), 0, int(now * 1_000_000)) + body


def info_record(tracks: Sequence[TrackFormat], now: float) -> bytes:
    """What the tracks are from here on."""
    body = json.dumps([track._asdict() for track in tracks]).encode()
    return _HEADER.pack(RecordKind.INFO, 0, len(body), 0, int(now * 1_000_000)) + body


def end_record(now: float) -> bytes:
    """Nothing more comes."""
    return _HEADER.pack(RecordKind.END, 0, 0, 0, int(now * 1_000_000))


# -- reading ---------------------------------------------------------------------------------------------------------


def read_message(message: memoryview) -> Iterator[TapRecord]:
    """The records of a message. Raises TapError at the first that cannot be one; those before it were whole."""
    at = 0
    while at < len(message):
        if at + HEADER_SIZE > len(message):
            raise TapError("a record's header is cut short")
        kind, track, length, sequence, time = _HEADER.unpack_from(message, at)
        at += HEADER_SIZE
        if at + length > len(message):
            raise TapError("a record is cut short")
        if kind not in _KINDS or track >= MAX_TRACKS:
            raise TapError("a record of an unknown kind or track")
        yield TapRecord(_KINDS[kind], track, sequence, time / 1_000_000, bytes(message[at : at + length]))
        at += length


def read_report(body: bytes) -> tuple[int, int]:
    """NTP time (64 bits) and RTP timestamp of a REPORT. Raises TapError."""
    if len(body) != _REPORT.size:
        raise TapError("a report of another length")
    ntp, timestamp = _REPORT.unpack(body)
    return ntp, timestamp


def read_info(body: bytes) -> tuple[TrackFormat, ...]:
    """The tracks of an INFO. Raises TapError."""
    try:
        tracks = json.loads(body)
    except (ValueError, RecursionError):
        raise TapError("INFO is no JSON") from None
    if not isinstance(tracks, list) or not 0 < len(tracks) <= MAX_TRACKS:
        raise TapError("INFO names no tracks, or too many")
    return tuple(map(_track_format, tracks))


def _track_format(fields: object) -> TrackFormat:
    if not isinstance(fields, dict) or set(fields) != set(TrackFormat._fields):
        raise TapError("INFO describes a track by other fields")
    codec, rate, channels = fields["codec"], fields["clock_rate"], fields["channels"]
    if codec not in _CODECS or not _is_count(rate, 192_000) or not _is_count(channels, 8):
        raise TapError("INFO describes a track that cannot be")
    return TrackFormat(codec, rate, channels)


def _is_count(value: object, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= most


_KINDS: Final = {int(kind): kind for kind in RecordKind}
