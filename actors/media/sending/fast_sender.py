"""The fast packet sender: libsrtp on permanent memory, one system call for many viewers, one message for many packets.

It does what `PortableSender` does, byte for byte, for a fraction of its cost (docs/performance.md).

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

MAX_IN_RUN = 1356
"""Bytes; the kernel cuts no message into packets that a path of 1,500, or a tunnel on it, cannot carry in one piece."""


class FastSender:
    """See above. Make it by `choose_sender`, which proves that it works on this machine. For one thread only."""

    name = "fast"

    def __init__(self, reason: str = "") -> None:
        self.reason = reason
        self.losses = Losses()
        self._buffers = PacketBuffers()
        self._queued: list[_FastFanOut] = []

    @property
    def gathers(self) -> bool:
        return self._buffers.longest_run > 1

    def open(self) -> FanOut:
        return _FastFanOut(self._buffers, self.losses, self._queued)

    def flush(self) -> None:
        for fan_out in self._queued:
            fan_out.flush()
        self._queued.clear()


class _FastFanOut:
    """Viewers in groups by socket and SRTP profile; all groups of a kind are full but the last.

    What is queued is a run: packets of one size, of which the last one may be shorter. It leaves before anything
    changes, and before any other packet.
    """

    def __init__(self, buffers: PacketBuffers, losses: Losses, queued: "list[_FastFanOut]") -> None:
        self.packets = 0
        self.octets = 0
        self._buffers = buffers
        self._losses = losses
        self._queued = queued
        self._run: list[bytes] = []
        self._groups: dict[tuple[UdpSocket, SrtpProfile], list[RecipientBatch]] = {}
        self._places: dict[Recipient, tuple[RecipientBatch, int]] = {}
        self._newest_start = -1

    def __len__(self) -> int:
        return len(self._places)

    def add(self, slot: Recipient) -> None:
        self.flush()
        self._newest_start = max(self._newest_start, slot.start)
        self._place(slot)

    def remove(self, slot: Recipient) -> None:
        self.flush()
        place = self._places.pop(slot, None)
        if place is None:
            return
        group, index = place
        groups = self._groups[group.kind]
        last = groups[-1].pop()
        if last is not slot:
            group.replace(index, last)
            self._places[last] = place
        if not groups[-1].slots:
            groups.pop()
        if not groups:
            del self._groups[group.kind]

    def readdress(self, slot: Recipient, socket: UdpSocket, address: Address) -> None:
        self.flush()  # its group knows the old socket only
        slot.socket, slot.address = socket, address
        if slot not in self._places:
            return
        group, index = self._places[slot]
        if group.socket is socket:
            group.readdress(index)
        else:
            self.remove(slot)
            self._place(slot)

    def send(self, packet: bytes, sequence: int) -> None:
        self.flush()
        self._count(packet)
        if len(packet) > MAX_PACKET:
            for slot in self._places:
                self._losses.fail(slot)
        elif sequence < self._newest_start:  # older than somebody's first packet, whose SRTP would not bear it
            for slot, (group, index) in self._places.items():
                if sequence >= slot.start:
                    group.send_to(index, packet)
        else:
            self._send(packet)

    def queue(self, packet: bytes, sequence: int) -> None:
        if sequence < self._newest_start or len(packet) > MAX_IN_RUN:
            self.send(packet, sequence)
            return
        run = self._run
        if run and not (len(packet) <= len(run[-1]) == len(run[0]) and len(run) < self._buffers.longest_run):
            self.flush()
        if not run:
            self._queued.append(self)
        run.append(packet)
        self._count(packet)

    def flush(self) -> None:
        """Send what is queued here."""
        run = self._run
        if not run:
            return
        try:
            self._send(run[0]) if len(run) == 1 else self._send_run(run)
        finally:
            run.clear()

    def _send(self, packet: bytes) -> None:
        for groups in self._groups.values():
            for group in groups:
                group.send(packet)

    def _send_run(self, run: list[bytes]) -> None:
        for groups in self._groups.values():
            for group in groups:
                group.send_run(run)

    def _count(self, packet: bytes) -> None:
        self.packets += 1
        self.octets += size_without_padding(packet)

    def _place(self, slot: Recipient) -> None:
        kind = slot.socket, slot.transmitter.profile
        groups = self._groups.setdefault(kind, [])
        if not groups or groups[-1].is_full:
            groups.append(RecipientBatch(self._buffers, kind, self._losses))
        self._places[slot] = groups[-1], groups[-1].append(slot)
