"""The stream that is published: 25 frames a second of five RTP packets each, 125 packets/s, 1 Mbit/s.

The packets of a frame have one size, or the last ones are larger by a byte, and they leave back to back: so Chromium
sends them. (Measured at its VP8 and H264 of 0.2 Mbit/s: 0.05 ms apart, 783 and 784 bytes, or 1166 five times.) A slow
path draws them apart, which makes more work; the bench does so on demand.

No encoder stands behind it. The VP8 payload descriptors (RFC 7741, with picture ids as browsers send them), frame tags
and key frame headers are real, for that is all of a stream that a forwarding server reads; the rest is noise of a fixed
size, so that a key frame costs as much as any other and the rate is the same whoever asks for how many. The last eight
bytes of every payload are the packet's index, by which a viewer knows when it was sent.
"""

import random

PACKETS_PER_FRAME = 5
FRAMES_PER_SECOND = 25
PACKETS_PER_SECOND = PACKETS_PER_FRAME * FRAMES_PER_SECOND
PAYLOAD_SIZE = 1000
"""Bytes; the last packets of most frames have one more."""
CLOCK_RATE = 90_000
WIDTH, HEIGHT = 640, 480

_INDEX_SIZE = 8
_KEY_TAG = b"\x10\x00\x00" + b"\x9d\x01\x2a" + WIDTH.to_bytes(2, "little") + HEIGHT.to_bytes(2, "little")
_DELTA_TAG = b"\x11\x00\x00"
_NOISE = random.Random(1).randbytes(PAYLOAD_SIZE + 1)


def begins_frame(index: int) -> bool:
    """Is this the first packet of a frame?"""
    return index % PACKETS_PER_FRAME == 0


def ends_frame(index: int) -> bool:
    """Is this the last packet of a frame, which carries the marker?"""
    return index % PACKETS_PER_FRAME == PACKETS_PER_FRAME - 1


def rtp_timestamp(index: int) -> int:
    return index // PACKETS_PER_FRAME * (CLOCK_RATE // FRAMES_PER_SECOND) & 0xFFFFFFFF


def payload(index: int, *, key: bool) -> bytes:
    """The payload of packet `index`; `key`: it belongs to a key frame."""
    picture_id = (0x8000 | index // PACKETS_PER_FRAME & 0x7FFF).to_bytes(2, "big")
    head = (b"\x90\x80" if begins_frame(index) else b"\x80\x80") + picture_id
    if begins_frame(index):
        head += _KEY_TAG if key else _DELTA_TAG
    frame, place = divmod(index, PACKETS_PER_FRAME)
    size = PAYLOAD_SIZE + (place + frame % PACKETS_PER_FRAME >= PACKETS_PER_FRAME)
    return head + _NOISE[len(head) : size - _INDEX_SIZE] + index.to_bytes(_INDEX_SIZE, "big")


def index_of(received: bytes) -> int:
    """The index that a payload carries."""
    return int.from_bytes(received[-_INDEX_SIZE:], "big")
