"""Viewers whose packets the kernel takes in one call: their SRTP sessions, their addresses, and the mmsghdrs over both.

What belongs to a viewer for good is its place in a group; the packets are in buffers that all groups share.

Browsers send the packets of a picture back to back, all of one size or nearly. Such a run goes to each viewer as one
message, which the kernel cuts into its packets as late as it can (UDP_SEGMENT, Linux 4.18): its way through the network
stack, which is most of a packet's cost, is gone once and not for each packet. On the wire nothing is different.

libsrtp is called through the private parts of pylibsrtp (`_binding`, `Session._srtp`), which spares two copies and
three objects a packet. Its version is pinned, and `actors.media.sending.sender_choice` proves at start that this works.
"""

import errno
import importlib
import socket
from collections.abc import Iterator, Sequence
from typing import Any

from actors.media.io.sockets import UdpSocket
from actors.media.sending import kernel
from actors.media.sending.packet_buffers import BUFFERS, PacketBuffers
from actors.media.sending.sender import Losses, Recipient
from protocol.webrtc.srtp import SrtpProfile

GROUP_SIZE = BUFFERS  # one packet for each viewer of a group fills them
_ADDRESS_SIZE = 32  # a sockaddr_in6 has 28 bytes

CData = Any
_protect = importlib.import_module("pylibsrtp._binding").lib.srtp_protect
_memmove = kernel.ffi.memmove


class RecipientBatch:
    """Up to 64 viewers that are reached through one socket, without gaps. Their order means nothing.

    All have one SRTP profile: their packets grow by the same. Whoever cannot be served is skipped, and counted in
    `losses`; the others still get the packet.
    """

    def __init__(self, buffers: PacketBuffers, kind: tuple[UdpSocket, SrtpProfile], losses: Losses) -> None:
        self.kind = kind
        self.socket = kind[0]
        self.slots: list[Recipient] = []
        self._sessions: list[CData] = []
        self._buffers = buffers
        self._losses = losses
        self._addresses = kernel.ffi.new("char[]", GROUP_SIZE * _ADDRESS_SIZE)
        self._messages = self._new_messages(1)
        self._run_messages: dict[int, CData] = {}  # by the length of the run
        self._control = kernel.ffi.from_buffer(bytearray(kernel.SEGMENT_MESSAGE))
        self._segment_size = memoryview(kernel.ffi.buffer(self._control)).cast("B")[kernel.SEGMENT_SIZE].cast("H")

    # -- who is in -----------------------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        return len(self.slots) == GROUP_SIZE

    def append(self, slot: Recipient) -> int:
        """Take a viewer in; its place."""
        index = len(self.slots)
        self._sessions.append(_session(slot))
        self.slots.append(slot)
        self.readdress(index)
        return index

    def replace(self, index: int, slot: Recipient) -> None:
        """Give a place to another viewer."""
        self._sessions[index] = _session(slot)
        self.slots[index] = slot
        self.readdress(index)

    def pop(self) -> Recipient:
        """Take out the last viewer."""
        self._sessions.pop()
        return self.slots.pop()

    def readdress(self, index: int) -> None:
        """The address in a viewer's slot has changed."""
        name = kernel.socket_address(self.socket.family, self.slots[index].address)
        _memmove(self._addresses + _ADDRESS_SIZE * index, name, len(name))

    # -- sending -------------------------------------------------------------------------------------------------

    def send(self, packet: bytes) -> None:
        """Encrypt and send a packet of at most MAX_PACKET bytes to every viewer."""
        count = len(self.slots)
        if count == 1:
            self.send_to(0, packet)  # measured: a batch pays from two on
            return
        buffers = self._buffers
        buffers.fill(packet, count)
        # The hot loop of the server is this `map`: one call of libsrtp for each viewer, and no Python code between
        # two of them. A call gives 0, or the number of an error.
        if sum(map(_protect, self._sessions, buffers.packets, buffers.length_pointers)):
            self._deliver_sound(len(packet))
        else:
            self._deliver(0, count)

    def send_run(self, run: Sequence[bytes]) -> None:
        """Encrypt and send two or more packets to every viewer. All have one size; the last may be shorter."""
        buffers, length = self._buffers, len(run)
        layout = buffers.layout(length)
        for first in range(0, len(self.slots), layout.viewers):
            end = min(first + layout.viewers, len(self.slots))
            sessions = self._sessions[first:end]
            buffers.fill_run(run, end - first)
            failed = 0
            for packets, lengths in layout.columns:
                failed += sum(map(_protect, sessions, packets, lengths))
            if failed:
                for index in range(first, end):
                    self._send_apart(index, run)
            else:
                self._deliver_runs(first, end, run)

    def send_to(self, index: int, packet: bytes) -> None:
        """Encrypt and send a packet of at most MAX_PACKET bytes to one viewer."""
        buffers, slot = self._buffers, self.slots[index]
        buffers.fill_first(packet)
        if _protect(self._sessions[index], buffers.packets[0], buffers.length_pointers[0]):
            self._losses.fail(slot)
        else:
            self._send_buffer(0, slot)

    def _send_buffer(self, place: int, slot: Recipient) -> None:
        buffers = self._buffers
        try:
            self.socket.sendto(buffers.views[place][: buffers.lengths[place]], slot.address)
        except BlockingIOError:
            self._losses.drop(slot)
        except OSError:
            self._losses.fail(slot)

    def _send_apart(self, index: int, run: Sequence[bytes]) -> None:
        """Send what could be encrypted of a viewer's run, each packet by itself."""
        slot = self.slots[index]
        start = index % self._buffers.layout(len(run)).viewers * len(run)
        for place, packet in enumerate(run, start):
            if self._buffers.lengths[place] <= len(packet):
                self._losses.fail(slot)
            else:
                self._send_buffer(place, slot)

    def _deliver_sound(self, size: int) -> None:
        """Some packet could not be encrypted, and so has not grown: send what is before, between and after such."""
        first = 0
        for index, slot in enumerate(self.slots):
            if self._buffers.lengths[index] <= size:
                self._losses.fail(slot)
                self._deliver(first, index)
                first = index + 1
        self._deliver(first, len(self.slots))

    def _deliver(self, first: int, end: int) -> None:
        """Hand the packets of some viewers to the kernel."""
        for index, error in self._hand_over(self._messages, first, end):
            if error == errno.EAGAIN:
                self._losses.drop(self.slots[index])
            else:
                self._losses.fail(self.slots[index])

    def _deliver_runs(self, first: int, end: int, run: Sequence[bytes]) -> None:
        """Hand the runs of some viewers to the kernel; to whom it cannot send a run, it may still send packets."""
        self._segment_size[0] = self._buffers.lengths[0]
        length = len(run)
        if length not in self._run_messages:
            self._run_messages[length] = self._new_messages(length)
        for index, error in self._hand_over(self._run_messages[length], first, end):
            if error == errno.EAGAIN:
                for _ in run:
                    self._losses.drop(self.slots[index])
            else:
                if error == errno.EIO:
                    self._buffers.give_up_runs()
                self._send_apart(index, run)

    def _hand_over(self, messages: CData, first: int, end: int) -> Iterator[tuple[int, int]]:
        """Give messages to the kernel; tell which it does not take, and why (errno).

        It stops before an entry that it cannot send, and says why when the next call begins there.
        """
        descriptor = self.socket.fileno()
        while first < end:
            sent = kernel.sendmmsg(descriptor, messages + first, end - first, socket.MSG_DONTWAIT)
            if sent > 0:
                first += sent
            elif kernel.ffi.errno == errno.EAGAIN:
                yield from ((index, errno.EAGAIN) for index in range(first, end))
                return
            else:
                yield first, kernel.ffi.errno
                first += 1

    def _new_messages(self, length: int) -> CData:
        """The messages for runs of so many packets."""
        messages = kernel.ffi.new("struct mmsghdr[]", GROUP_SIZE)
        viewers = GROUP_SIZE // length
        for index in range(GROUP_SIZE):
            header = messages[index].msg_hdr
            header.msg_name = self._addresses + _ADDRESS_SIZE * index
            header.msg_namelen = kernel.ADDRESS_SIZES[self.socket.family]
            header.msg_iov = self._buffers.iovecs[index % viewers * length]
            header.msg_iovlen = length
            if length > 1:
                header.msg_control = self._control
                header.msg_controllen = len(kernel.SEGMENT_MESSAGE)
        return messages


def _session(slot: Recipient) -> CData:
    """The srtp_t of a viewer; alive as long as its slot is."""
    return slot.transmitter.session._srtp[0]
