"""The fast packet sender: libsrtp on permanent memory, one system call for many viewers, one message for many packets.

It sends what `PortableSender` sends, byte for byte, for a fraction of the cost (docs/performance.md).

    FastSender      the fan-outs of all publications, and their common buffers (`packet_buffers`)
    _FastFanOut     one publication's viewers, in batches (`recipient_batch`), each one call of the kernel (`kernel`)
"""

from actors.media.io.sockets import UdpSocket
from actors.media.sending.packet_buffers import PacketBuffers
from actors.media.sending.recipient_batch import RecipientBatch
from actors.media.sending.sender import FanOut, Losses, Recipient
from protocol.webrtc.rtp import size_without_padding
from protocol.webrtc.srtp import MAX_PACKET, SrtpProfile
from protocol.webrtc.stun import Address

MAX_IN_BURST = 1356
"""Bytes; larger packets are sent one by one: a path of 1,500, or a tunnel on it, could not carry such a burst whole."""


class FastSender:
    """See above. `choose_sender` makes it, after a proof that it works on this machine. For one thread only."""

    name = "fast"

    def __init__(self, reason: str = "") -> None:
        self.reason = reason
        self.losses = Losses()
        self._buffers = PacketBuffers()
        self._queued: list[_FastFanOut] = []

    @property
    def gathers(self) -> bool:
        return self._buffers.longest_burst > 1

    def open(self) -> FanOut:
        return _FastFanOut(self._buffers, self.losses, self._queued)

    def flush(self) -> None:
        for fan_out in self._queued:
            fan_out.flush()
        self._queued.clear()


class _FastFanOut:
    """Viewers in batches by socket and SRTP profile; all batches of a kind are full but the last.

    A burst is queued: packets of one size, of which the last one may be shorter. It leaves before any viewer is added,
    removed or readdressed, and before any other packet.
    """

    def __init__(self, buffers: PacketBuffers, losses: Losses, queued: "list[_FastFanOut]") -> None:
        self.packets = 0
        self.octets = 0
        self._buffers = buffers
        self._losses = losses
        self._queued = queued
        self._burst: list[bytes] = []
        self._batches: dict[tuple[UdpSocket, SrtpProfile], list[RecipientBatch]] = {}
        self._places: dict[Recipient, tuple[RecipientBatch, int]] = {}
        self._newest_start = -1

    def __len__(self) -> int:
        return len(self._places)

    def add(self, recipient: Recipient) -> None:
        self.flush()
        self._newest_start = max(self._newest_start, recipient.start)
        self._place(recipient)

    def remove(self, recipient: Recipient) -> None:
        self.flush()
        place = self._places.pop(recipient, None)
        if place is None:
            return
        batch, index = place
        batches = self._batches[batch.kind]
        last = batches[-1].pop()
        if last is not recipient:
            batch.replace(index, last)
            self._places[last] = place
        if not batches[-1].recipients:
            batches.pop()
        if not batches:
            del self._batches[batch.kind]

    def readdress(self, recipient: Recipient, socket: UdpSocket, address: Address) -> None:
        self.flush()  # the batch knows only the old socket
        recipient.socket, recipient.address = socket, address
        if recipient not in self._places:
            return
        batch, index = self._places[recipient]
        if batch.socket is socket:
            batch.readdress(index)
        else:
            self.remove(recipient)
            self._place(recipient)

    def send(self, packet: bytes, sequence: int) -> None:
        self.flush()
        self._count(packet)
        if len(packet) > MAX_PACKET:
            for recipient in self._places:
                self._losses.fail(recipient)
        elif sequence < self._newest_start:  # older than a viewer's first packet, so its SRTP would refuse it
            for recipient, (batch, index) in self._places.items():
                if sequence >= recipient.start:
                    batch.send_to(index, packet)
        else:
            self._send(packet)

    def queue(self, packet: bytes, sequence: int) -> None:
        if sequence < self._newest_start or len(packet) > MAX_IN_BURST:
            self.send(packet, sequence)
            return
        burst = self._burst
        if burst and not (len(packet) <= len(burst[-1]) == len(burst[0]) and len(burst) < self._buffers.longest_burst):
            self.flush()
        if not burst:
            self._queued.append(self)
        burst.append(packet)
        self._count(packet)

    def flush(self) -> None:
        """Send what is queued here."""
        burst = self._burst
        if not burst:
            return
        try:
            self._send(burst[0]) if len(burst) == 1 else self._send_burst(burst)
        finally:
            burst.clear()

    def _send(self, packet: bytes) -> None:
        for batches in self._batches.values():
            for batch in batches:
                batch.send(packet)

    def _send_burst(self, burst: list[bytes]) -> None:
        for batches in self._batches.values():
            for batch in batches:
                batch.send_burst(burst)

    def _count(self, packet: bytes) -> None:
        self.packets += 1
        self.octets += size_without_padding(packet)

    def _place(self, recipient: Recipient) -> None:
        kind = recipient.socket, recipient.transmitter.profile
        batches = self._batches.setdefault(kind, [])
        if not batches or batches[-1].is_full:
            batches.append(RecipientBatch(self._buffers, kind, self._losses))
        self._places[recipient] = batches[-1], batches[-1].append(recipient)
