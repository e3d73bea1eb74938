"""A track to feed with packets."""

from protocol.sfu.incoming_track import IncomingTrack
from protocol.sfu.packet_history import VIDEO_AGE, VIDEO_BYTES, PacketHistory
from protocol.sfu.rtt import RttEstimator

KEY = b"\x10\x10\x00\x00\x9d\x01\x2a\x80\x02\xe0\x01"
DELTA = b"\x10\x11\x00\x00"
BASE = 1 << 16


def make_track(codec: str = "VP8", *, nack: bool = True, round_trip: RttEstimator | None = None) -> IncomingTrack:
    return IncomingTrack(
        codec=codec,
        clock_rate=90_000,
        ssrc=0xCAFE,
        nack=nack,
        ring=PacketHistory(max_age=VIDEO_AGE, max_bytes=VIDEO_BYTES),
        round_trip=round_trip or RttEstimator(),
    )


def feed(track: IncomingTrack, *sequences: int, now: float = 0.0) -> list[int]:
    """The sequence numbers that were forwarded."""
    packets = [track.receive(sequence & 0xFFFF, 0, False, DELTA, now) for sequence in sequences]
    return [packet.sequence - BASE for packet in packets if packet]


def needs_key_frame(track: IncomingTrack) -> bool:
    return track.key_frame_needed
