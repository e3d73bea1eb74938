"""One track of a tap: packets in, whole frames out. Video goes on at a key frame after anything that is missing."""

from typing import Final, NamedTuple

from protocol.containers.depayloaders import Frame, MalformedPayload, depayloader
from protocol.containers.frames import MAX_FRAME
from protocol.containers.reorder import Ordered, Reorder
from protocol.sfu.keyframe_detection import key_frame
from protocol.taps import TapRecord, TrackFormat
from protocol.webrtc.rtp import RtpError, parse_header, payload

_NONE: Final = -1
_PACKET: Final = 256
"""Bytes that a packet counts for, beside its payload: a frame of very many empty ones is too large as well."""


class TimedFrame(NamedTuple):
    """A frame of a track, its RTP timestamp, and when its last packet came, in seconds."""

    track: int
    frame: Frame
    timestamp: int
    arrival: float


class _Packet(NamedTuple):
    timestamp: int
    marker: bool
    payload: bytes
    arrival: float


class TrackReader:
    """See above. `index` is the track's place in INFO."""

    def __init__(self, index: int, track: TrackFormat) -> None:
        self.wants_key_frame = False
        """Set when only a key frame can go on; the reader's owner asks for one and resets it."""
        self.packets = 0
        self.malformed = 0
        self.dropped_frames = 0
        """Whole frames left out because something before them is missing."""
        self._index = index
        self._format = track
        self._order: Reorder[_Packet] = Reorder()
        self._depayloader = depayloader(track.codec)
        self._timestamp = _NONE
        """Of the frame whose packets are being gathered."""
        self._broken = _NONE
        """Timestamp of a frame that misses a part."""
        self._size = 0
        self._needs_key = track.is_video

    @property
    def lost(self) -> int:
        """Packets that never came."""
        return self._order.lost

    def take(self, record: TapRecord) -> list[TimedFrame]:
        """A packet came; the frames that are whole now."""
        self.packets += 1
        try:
            header = parse_header(record.body)
        except RtpError:
            self.malformed += 1
            return []
        packet = _Packet(header.timestamp, header.marker, payload(record.body, header), record.time)
        return self._frames(self._order.put(record.sequence, packet, record.time))

    def due(self, now: float) -> list[TimedFrame]:
        """The frames that go on because what is missing has been waited for long enough."""
        return self._frames(self._order.due(now))

    def rest(self) -> list[TimedFrame]:
        """All that is left, at the end."""
        return self._frames(self._order.rest())

    def _frames(self, packets: list[Ordered[_Packet]]) -> list[TimedFrame]:
        frames: list[TimedFrame] = []
        for packet, after_hole in packets:
            if after_hole:
                self._miss(packet)
            if packet.payload and packet.timestamp != self._broken:
                frames += self._add(packet)
        return frames

    def _add(self, packet: _Packet) -> list[TimedFrame]:
        frames = []
        if packet.timestamp != self._timestamp and self._size:
            frames += self._finish(packet.arrival)  # its last packet had no marker
        self._timestamp = packet.timestamp
        self._size += len(packet.payload) + _PACKET
        try:
            if self._size > MAX_FRAME:
                raise MalformedPayload("a frame is too large")
            self._depayloader.add(packet.payload)
        except MalformedPayload:
            self._drop_malformed(packet.timestamp)
            return frames
        if packet.marker or not self._format.is_video:
            frames += self._finish(packet.arrival)
        return frames

    def _finish(self, arrival: float) -> list[TimedFrame]:
        self._size = 0
        try:
            frame = self._depayloader.finish()
        except MalformedPayload:
            self._drop_malformed(self._timestamp)
            return []
        if frame is None:
            return []
        if self._needs_key and not frame.is_key:
            self.dropped_frames += 1
            return []
        self._needs_key = False
        return [TimedFrame(self._index, frame, self._timestamp, arrival)]

    def _drop_malformed(self, timestamp: int) -> None:
        self.malformed += 1
        self._break(timestamp)

    def _miss(self, following: _Packet) -> None:
        """Packets are missing before this one."""
        begins = not self._format.is_video or key_frame(self._format.codec, following.payload) is not None
        self._break(_NONE if begins else following.timestamp)

    def _break(self, timestamp: int) -> None:
        self._depayloader.reset()
        self._size, self._broken = 0, timestamp
        if self._format.is_video:
            self._needs_key = self.wants_key_frame = True
