"""The fast packet sender: libsrtp on permanent memory, one system call for many viewers, one message for many packets.

It sends what `PortableSender` sends, byte for byte, for a fraction of the cost (docs/performance.md).

    FastSender      the fan-outs of all publications, and their common buffers (`packet_buffers`)
    _FastFanOut     one publication's viewers, in batches (`recipient_batch`), each one call of the kernel (`kernel`)
"""

from collections.abc import Sequence

from actors.media.io.outlet import Outlet
from actors.media.io.sockets import UdpSocket
from actors.media.sending.joined_messages import JoinedMessages
from actors.media.sending.mixed_messages import MOST_VIEWERS, MixedMessages
from actors.media.sending.packet_buffers import PacketBuffers
from actors.media.sending.recipient_batch import RecipientBatch
from actors.media.sending.sender import FanOut, Losses, Recipient
from protocol.webrtc.rtp import PADDING, size_without_padding
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
        self._mixed, self._joined = MixedMessages(self.losses), JoinedMessages(self.losses)
        self._queued: list[_FastFanOut] = []

    @property
    def gathers(self) -> bool:
        return self._buffers.longest_burst > 1

    def open(self, *, for_node: bool = False) -> FanOut:
        leaves_by = self._joined if for_node else self._mixed
        return _FastFanOut(self._buffers, leaves_by, self.losses, self._queued)

    def flush(self) -> None:
        """An error in one fan-out keeps nothing back of the others; the first one is raised when all have left."""
        failure = None
        for fan_out in self._queued:
            try:
                fan_out.hand_over()
            except Exception as error:  # noqa: BLE001 - what is not handed over now would never be
                failure = failure or error
        self._queued.clear()
        try:
            self._mixed.submit()
        finally:
            self._joined.submit()
        if failure is not None:
            raise failure


class _FastFanOut:
    """Viewers in batches by socket and SRTP profile; all batches of a kind are full but the last.

    Bursts are queued: packets of one size, of which the last one may be shorter. They leave before any viewer is added,
    removed or readdressed, and before any other packet. A second burst waits for the first only where both leave in one
    call (`MixedMessages`).
    """

    def __init__(
        self, buffers: PacketBuffers, mixed: MixedMessages | JoinedMessages, losses: Losses, queued: "list[_FastFanOut]"
    ) -> None:
        self.packets = 0
        self.octets = 0
        self._buffers = buffers
        self._losses = losses
        self._queued = queued
        self._mixed = mixed
        self._burst: list[bytes] = []
        self._bursts: list[list[bytes]] = []  # the last one is `_burst`
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

    def readdress(self, recipient: Recipient, socket: Outlet, address: Address) -> None:
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

    def queue(self, packets: Sequence[bytes], sequence: int) -> None:
        sizes = list(map(len, packets))
        if sequence < self._newest_start or max(sizes) > MAX_IN_BURST:
            for number, packet in enumerate(packets, sequence):
                self.send(packet, number)
            return
        burst, longest = self._burst, self._buffers.longest_burst
        first, last, room = (len(burst[0]), len(burst[-1]), longest - len(burst)) if burst else (0, 0, 0)
        for packet, size in zip(packets, sizes, strict=True):
            if size <= last == first and room:
                burst.append(packet)
                last, room = size, room - 1
            else:
                burst = self._begin_burst(packet)
                first = last = size
                room = longest - 1
        self.packets += len(packets)
        self.octets += sum(sizes) - sum([packet[-1] for packet in packets if packet[0] & PADDING])

    def flush(self) -> None:
        """Send what is queued here."""
        if self._bursts:
            self.hand_over()
            self._mixed.submit()

    def hand_over(self) -> None:
        """The same, but what is mixed with others may wait until that is submitted."""
        bursts, mixed = self._bursts, self._mixed
        self._bursts, self._burst = [], []
        for burst in bursts:
            for batches in self._batches.values():
                for batch in batches:
                    if mixed.takes(batch, burst):
                        mixed.add(batch, burst)
                    else:
                        mixed.submit()  # nothing overtakes what was queued before
                        batch.send(burst[0]) if len(burst) == 1 else batch.send_burst(burst)

    def _begin_burst(self, packet: bytes) -> list[bytes]:
        if self._burst and len(self._places) > MOST_VIEWERS:
            self.flush()
        if not self._bursts:
            self._queued.append(self)
        self._burst = burst = [packet]
        self._bursts.append(burst)
        return burst

    def _send(self, packet: bytes) -> None:
        for batches in self._batches.values():
            for batch in batches:
                batch.send(packet)

    def _count(self, packet: bytes) -> None:
        self.packets += 1
        self.octets += size_without_padding(packet)

    def _place(self, recipient: Recipient) -> None:
        udp = recipient.socket
        if not isinstance(udp, UdpSocket):
            raise TypeError("the fast sender is for UDP alone")
        kind = udp, recipient.transmitter.profile
        batches = self._batches.setdefault(kind, [])
        if not batches or batches[-1].is_full:
            batches.append(RecipientBatch(self._buffers, kind, self._losses))
        self._places[recipient] = batches[-1], batches[-1].append(recipient)
