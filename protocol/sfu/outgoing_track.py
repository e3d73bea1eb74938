"""One track as one viewer gets it: payload type, sequence offset, retransmissions.

**The sequence offset.** An SRTP receiver counts rollovers from the first packet that it *sees*. If the server started
just below 65536 and those packets were lost, sender and viewer would disagree about the rollover counter forever, and
the viewer could decrypt nothing. So a viewer's first packet always has a number below 32768. Flipping the highest bit
is enough for that, and leaves only two copies of a packet per payload type, shared by all viewers: no packet is
rewritten for a single viewer.
"""

from collections.abc import Sequence
from struct import Struct
from typing import Final, NamedTuple

from protocol.sfu.nack import ResendBudget
from protocol.sfu.rtt import RttEstimator
from protocol.webrtc.rtp import PADDING, without_padding, wrap_rtx

HALF = 0x8000
NODE_PADDING: Final = 64
"""Bytes of which packets for other nodes are a multiple."""
NODE_PADDED_UP_TO: Final = 1216
"""Bytes; larger ones might not fit the path."""

_HEADER = Struct("!BBH")
_PADDINGS = (b"", *(bytes(count - 1) + bytes((count,)) for count in range(1, NODE_PADDING)))


class Variant(NamedTuple):
    """What differs between viewers' copies of a track: the payload type, and what the sequence number is XORed with.

    Viewers who are reached `by_tcp` are apart, too: nothing is sent to them together with others. And so are other
    nodes (`for_node`): their packets are padded, so that those of many streams have few sizes, which leave together.
    """

    payload_type: int
    flip: int
    by_tcp: bool = False
    for_node: bool = False

    def render(self, packet: bytes) -> bytes:
        """The copy of a canonical packet for the viewers of this variant."""
        return self.render_all((packet,))[0]

    def render_all(self, packets: Sequence[bytes]) -> list[bytes]:
        """The same for several."""
        pack, payload_type, flip = _HEADER.pack, self.payload_type, self.flip
        if self.for_node:
            return [_padded(packet, payload_type, flip) for packet in packets]
        return [
            pack(packet[0], packet[1] | payload_type, (packet[2] << 8 | packet[3]) ^ flip) + packet[4:]
            for packet in packets
        ]


def _padded(packet: bytes, payload_type: int, flip: int) -> bytes:
    plain = without_padding(packet) if packet[0] & PADDING else packet
    missing = -len(plain) % NODE_PADDING if len(plain) < NODE_PADDED_UP_TO else 0
    first = plain[0] | PADDING if missing else plain[0]
    header = _HEADER.pack(first, plain[1] | payload_type, (plain[2] << 8 | plain[3]) ^ flip)
    return b"".join((header, plain[4:], _PADDINGS[missing]))


class OutgoingTrack:
    """The state of one track towards one viewer.

    `rtx_payload_type` and `rtx_ssrc` are None when the viewer did not negotiate RTX: lost packets are then resent
    unchanged. `rtx_sequence` is where the retransmission stream begins, a random number below 32768.
    `by_tcp` says how it is reached now, `for_node` whether it is another node. `round_trip` is the viewer's; it sets
    the minimum interval between resends of one packet.
    """

    def __init__(
        self,
        *,
        payload_type: int,
        rtx_payload_type: int | None,
        rtx_ssrc: int | None,
        rtx_sequence: int,
        round_trip: RttEstimator,
        now: float,
        by_tcp: bool = False,
        for_node: bool = False,
    ) -> None:
        self.by_tcp, self._for_node = by_tcp, for_node
        self.variant = Variant(payload_type, 0, by_tcp, for_node)
        self.start = -1  # extended sequence number of the first packet; -1 while it waits for a key frame
        self.budget = ResendBudget(round_trip, now)
        self._payload_type = payload_type
        self._flip: int | None = None
        self._rtx = (rtx_payload_type, rtx_ssrc) if rtx_payload_type is not None and rtx_ssrc is not None else None
        self._rtx_sequence = rtx_sequence & (HALF - 1)

    def begin(self, sequence: int) -> None:
        """The viewer's first packet is the one with this extended sequence number.

        One that begins again, further on, keeps its offset: to its SRTP this is a gap.
        """
        self.start = sequence
        if self._flip is None:
            self._flip = sequence & HALF
        self.variant = Variant(self._payload_type, self._flip, self.by_tcp, self._for_node)

    def source_sequence(self, wanted: int, highest: int) -> int | None:
        """The extended sequence number behind the 16-bit one in a viewer's NACK; None if it was never sent to it."""
        if self.start < 0:
            return None
        sequence = highest - ((highest - (wanted ^ self.variant.flip)) & 0xFFFF)
        return sequence if sequence >= self.start else None

    def resend(self, packet: bytes) -> bytes:
        """A canonical packet as it is resent to this viewer: by RTX (RFC 4588), or byte for byte as before.

        A sequence number must never carry different bytes under the same key: AES-GCM would lose its secrecy.
        """
        if self._rtx is None:
            return self.variant.render(packet)
        payload_type, ssrc = self._rtx
        original = (packet[2] << 8 | packet[3]) ^ self.variant.flip
        self._rtx_sequence = (self._rtx_sequence + 1) & 0xFFFF
        return wrap_rtx(packet, payload_type=payload_type, sequence=self._rtx_sequence, ssrc=ssrc, original=original)
