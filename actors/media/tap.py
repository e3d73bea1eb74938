"""Hands a publication's packets to a worker process, through a Unix socket. It never waits.

What came in one wake-up of the plane leaves as one message (`protocol.taps`). When the socket is full, the worker is
behind: the message is dropped and counted, and video goes on at the next key frame, which is asked for. A worker that
is gone is noticed at the next message.
"""

import socket
from collections.abc import Callable

from actors.media.context import MediaContext
from actors.media.publication import Publication
from actors.media.tracks.packet_sink import PacketSink
from actors.media.tracks.published_track import PublishedTrack
from protocol.sfu.incoming_track import MediaPacket
from protocol.sfu.packet_history import SHORT_REPLAY
from protocol.taps import (
    MAX_BODY,
    MAX_MESSAGE,
    TrackFormat,
    end_record,
    info_record,
    report_record,
    rtp_record,
)
from protocol.webrtc.rtcp import SenderReport
from protocol.webrtc.sdp import MediaKind


class Tap:
    """The tap of one worker. It takes over the socket, one end of a pair of SOCK_SEQPACKET.

    `on_end` is called once, when the publication has ended, or the worker is gone.
    """

    def __init__(
        self, publication: Publication, context: MediaContext, channel: socket.socket, on_end: Callable[[], None]
    ) -> None:
        self.packets = self.dropped = self.messages = 0
        """Packets sent, packets dropped because the worker is behind, messages sent."""
        channel.setblocking(False)
        self._context = context
        self._channel: socket.socket | None = channel
        self._on_end = on_end
        self._records: list[bytes] = []
        self._size = 0
        self._is_due = False
        tracks = [publication.tracks[kind] for kind in MediaKind if kind in publication.tracks]
        self._tracks = [_TapTrack(self, number, track) for number, track in enumerate(tracks)]
        now = context.clock()
        self.add(info_record([_format(track) for track in tracks], now))
        for track in self._tracks:
            track.begin(now)
        self._send()  # the next wake-up may be a long time coming

    @property
    def closed(self) -> bool:
        return self._channel is None

    def request_key_frame(self) -> None:
        """The worker cannot go on without one."""
        if not self.closed:
            self._ask_for_key_frames()

    def close(self) -> None:
        """Nothing more is sent; the worker reads the end of the socket. Idempotent."""
        channel, self._channel = self._channel, None
        if channel is not None:
            for track in self._tracks:
                track.track.detach(track)
            channel.close()

    # -- for its tracks and the plane ----------------------------------------------------------------------------

    def add(self, record: bytes) -> None:
        """A record for the next message."""
        if self.closed:
            return
        if self._size + len(record) > MAX_MESSAGE:
            self._send()
        self._records.append(record)
        self._size += len(record)
        if not self._is_due:
            self._is_due = True
            self._context.flushes.append(self.flush)

    def flush(self) -> None:
        """Send what came in this wake-up."""
        self._is_due = False
        self._send()

    def track_ended(self) -> None:
        """A track has ended, and with it all of them."""
        if self.closed:
            return
        self.add(end_record(self._context.clock()))
        self._send()
        self._end()

    # -- inside --------------------------------------------------------------------------------------------------

    def _send(self) -> None:
        records, self._records, self._size = self._records, [], 0
        if self._channel is None or not records:
            return
        try:
            self._channel.send(b"".join(records))
        except BlockingIOError:
            self._fall_behind(len(records))
        except OSError:
            self._end()
        else:
            self.messages += 1
            self.packets += len(records)

    def _fall_behind(self, records: int) -> None:
        self.dropped += records
        for track in self._tracks:
            track.close_gate()
        self._ask_for_key_frames()

    def _ask_for_key_frames(self) -> None:
        now = self._context.clock()
        for track in self._tracks:
            if track.track.is_video:
                track.track.request_key_frame(now)

    def _end(self) -> None:
        on_end, self._on_end = self._on_end, _nobody
        self.close()
        on_end()


class _TapTrack(PacketSink):
    """One track of a tap."""

    def __init__(self, tap: Tap, number: int, track: PublishedTrack) -> None:
        self.track = track
        self._tap = tap
        self._number = number
        self._passes_from = -1 if track.is_video else 0
        """The number from which packets are passed; -1: from the next key frame on."""

    def begin(self, now: float) -> None:
        """Join: the last sender report, and the packets since the last key frame, if these are few."""
        track = self.track
        if track.last_report is not None:
            self._tap.add(report_record(self._number, track.last_report_at, track.last_report))
        if track.is_video:
            # A picture or a recording is of now: rather than begin with the past, it waits where one can ask.
            replay = track.incoming.replay(now, SHORT_REPLAY if track.heeds_requests else None)
            if replay is None:
                track.request_key_frame(now)
            else:
                self._passes_from = replay.start
                for sequence, packet in enumerate(replay.packets, replay.start):
                    if self._passes_from >= 0:  # else even these were too much at once
                        self._tap.add(rtp_record(self._number, sequence, now, packet))
        track.attach(self)

    def close_gate(self) -> None:
        """Packets were dropped: video goes on at a key frame, sound at once."""
        if self.track.is_video:
            self._passes_from = -1

    def take(self, packet: MediaPacket, now: float) -> None:
        if self._passes_from < 0 and packet.key_frame is not None:
            self._passes_from = packet.sequence
        if 0 <= self._passes_from <= packet.sequence and len(packet.data) <= MAX_BODY:
            self._tap.add(rtp_record(self._number, packet.sequence, now, packet.data))

    def take_report(self, report: SenderReport, now: float) -> None:
        self._tap.add(report_record(self._number, now, report))

    def end(self) -> None:
        self._tap.track_ended()


def _format(track: PublishedTrack) -> TrackFormat:
    codec = track.source.codec
    return TrackFormat(codec.name, codec.clock_rate, codec.channels)


def _nobody() -> None:
    """Who was told already."""
