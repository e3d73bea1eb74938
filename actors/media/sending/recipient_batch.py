"""Viewers whose packets the kernel takes in one call: their SRTP sessions, their addresses, and the mmsghdrs over both.

A viewer keeps its session and address in its batch; the packets are in buffers that all batches share.

Browsers send the packets of a picture back to back, all of one size or nearly. Such a burst goes to each viewer as one
message, which the kernel cuts into its packets as late as it can (UDP_SEGMENT, Linux 4.18). The way through the network
stack, most of a packet's cost, is then paid once for a burst. On the wire nothing is different.

libsrtp is called through the private parts of pylibsrtp (`_binding`, `Session._srtp`), which spares two copies and
three objects a packet. Its version is pinned, and `sender_choice` proves at start that this works.
"""

import errno
import importlib
import socket
from collections.abc import Iterator, Sequence
from typing import Any

from actors.media.io.sockets import UdpSocket
from actors.media.sending import sendmmsg
from actors.media.sending.packet_buffers import BUFFERS, PacketBuffers
from actors.media.sending.sender import Losses, Recipient
from protocol.webrtc.srtp import SrtpProfile

BATCH_SIZE = BUFFERS  # one packet for each viewer of a batch fills them
_ADDRESS_SIZE = 32  # a sockaddr_in6 has 28 bytes

CData = Any
protect = importlib.import_module("pylibsrtp._binding").lib.srtp_protect
_memmove = sendmmsg.ffi.memmove


class RecipientBatch:
    """Up to 64 viewers that are reached through one socket, without gaps. Their order means nothing.

    All have one SRTP profile, so encryption makes their packets longer by the same number. A viewer that cannot be
    served is skipped and counted in `losses`; the others still get the packet.
    """

    def __init__(self, buffers: PacketBuffers, kind: tuple[UdpSocket, SrtpProfile], losses: Losses) -> None:
        self.kind = kind
        self.socket = kind[0]
        self.recipients: list[Recipient] = []
        self.sessions: list[CData] = []
        self._buffers = buffers
        self._losses = losses
        self._addresses = sendmmsg.ffi.new("char[]", BATCH_SIZE * _ADDRESS_SIZE)
        self.names: list[int] = []
        """Where the address of each recipient lies, for a struct msghdr."""
        self.name_size = sendmmsg.ADDRESS_SIZES[self.socket.family]
        self._messages = self._new_messages(1)
        self._burst_messages: dict[int, CData] = {}  # by the length of the burst
        self._control = sendmmsg.ffi.from_buffer(bytearray(sendmmsg.SEGMENT_MESSAGE))
        self._segment_size = memoryview(sendmmsg.ffi.buffer(self._control)).cast("B")[sendmmsg.SEGMENT_SIZE].cast("H")

    # -- membership ----------------------------------------------------------------------------------------------

    @property
    def is_full(self) -> bool:
        return len(self.recipients) == BATCH_SIZE

    def append(self, recipient: Recipient) -> int:
        """Add a viewer; returns its place."""
        index = len(self.recipients)
        self.sessions.append(_session(recipient))
        self.recipients.append(recipient)
        self.names.append(int(sendmmsg.ffi.cast("uintptr_t", self._addresses + _ADDRESS_SIZE * index)))
        self.readdress(index)
        return index

    def replace(self, index: int, recipient: Recipient) -> None:
        """Give a place to another viewer."""
        self.sessions[index] = _session(recipient)
        self.recipients[index] = recipient
        self.readdress(index)

    def pop(self) -> Recipient:
        """Take out the last viewer."""
        self.sessions.pop()
        self.names.pop()
        return self.recipients.pop()

    def readdress(self, index: int) -> None:
        """A recipient's address has changed."""
        name = sendmmsg.socket_address(self.socket.family, self.recipients[index].address)
        _memmove(self._addresses + _ADDRESS_SIZE * index, name, len(name))

    def give_up_bursts(self) -> None:
        """The network interface cannot cut bursts into packets."""
        self._buffers.give_up_bursts()

    # -- sending -------------------------------------------------------------------------------------------------

    def send(self, packet: bytes) -> None:
        """Encrypt and send a packet of at most MAX_PACKET bytes to every viewer."""
        count = len(self.recipients)
        if count == 1:
            self.send_to(0, packet)  # measured: a batch pays from two viewers on
            return
        buffers = self._buffers
        buffers.fill(packet, count)
        # The hot loop of the server is this `map`: one call of libsrtp for each viewer, and no Python code between
        # two of them. A call gives 0, or the number of an error.
        if sum(map(protect, self.sessions, buffers.packets, buffers.length_pointers)):
            self._deliver_sound(len(packet))
        else:
            self._deliver(0, count)

    def send_burst(self, burst: Sequence[bytes]) -> None:
        """Encrypt and send two or more packets to every viewer. All have one size; the last may be shorter."""
        buffers, length = self._buffers, len(burst)
        layout = buffers.layout(length)
        for first in range(0, len(self.recipients), layout.viewers):
            end = min(first + layout.viewers, len(self.recipients))
            sessions = self.sessions[first:end]
            buffers.fill_burst(burst, end - first)
            failed = 0
            for packets, lengths in layout.columns:
                failed += sum(map(protect, sessions, packets, lengths))
            if failed:
                for index in range(first, end):
                    self._send_apart(index, burst)
            else:
                self._deliver_bursts(first, end, burst)

    def send_to(self, index: int, packet: bytes) -> None:
        """Encrypt and send a packet of at most MAX_PACKET bytes to one viewer."""
        buffers, recipient = self._buffers, self.recipients[index]
        buffers.fill_first(packet)
        if protect(self.sessions[index], buffers.packets[0], buffers.length_pointers[0]):
            self._losses.fail(recipient)
        else:
            self._send_buffer(0, recipient)

    def _send_buffer(self, place: int, recipient: Recipient) -> None:
        buffers = self._buffers
        try:
            self.socket.sendto(buffers.views[place][: buffers.lengths[place]], recipient.address)
        except BlockingIOError:
            self._losses.drop(recipient)
        except OSError:
            self._losses.fail(recipient)

    def _send_apart(self, index: int, burst: Sequence[bytes]) -> None:
        """Send what could be encrypted of a viewer's burst, each packet by itself."""
        recipient = self.recipients[index]
        start = index % self._buffers.layout(len(burst)).viewers * len(burst)
        for place, packet in enumerate(burst, start):
            if self._buffers.lengths[place] <= len(packet):
                self._losses.fail(recipient)
            else:
                self._send_buffer(place, recipient)

    def _deliver_sound(self, size: int) -> None:
        """Some packet could not be encrypted, which its length shows: send the others."""
        first = 0
        for index, recipient in enumerate(self.recipients):
            if self._buffers.lengths[index] <= size:
                self._losses.fail(recipient)
                self._deliver(first, index)
                first = index + 1
        self._deliver(first, len(self.recipients))

    def _deliver(self, first: int, end: int) -> None:
        """Hand the packets of some viewers to the sendmmsg."""
        for index, error in self._hand_over(self._messages, first, end):
            if error == errno.EAGAIN:
                self._losses.drop(self.recipients[index])
            else:
                self._losses.fail(self.recipients[index])

    def _deliver_bursts(self, first: int, end: int, burst: Sequence[bytes]) -> None:
        """Hand the bursts of some viewers to the sendmmsg. Where it refuses a burst, send the packets one by one."""
        self._segment_size[0] = self._buffers.lengths[0]
        length = len(burst)
        if length not in self._burst_messages:
            self._burst_messages[length] = self._new_messages(length)
        for index, error in self._hand_over(self._burst_messages[length], first, end):
            if error == errno.EAGAIN:
                for _ in burst:
                    self._losses.drop(self.recipients[index])
            else:
                if error == errno.EIO:
                    self.give_up_bursts()
                self._send_apart(index, burst)

    def _hand_over(self, messages: CData, first: int, end: int) -> Iterator[tuple[int, int]]:
        """Give messages to the kernel; yields those that it refuses, with the errno.

        It stops before a message that it cannot send; the next call, which begins there, tells why.
        """
        descriptor = self.socket.fileno()
        while first < end:
            sent = sendmmsg.sendmmsg(descriptor, messages + first, end - first, socket.MSG_DONTWAIT)
            if sent > 0:
                first += sent
            elif sendmmsg.ffi.errno == errno.EAGAIN:
                yield from ((index, errno.EAGAIN) for index in range(first, end))
                return
            else:
                yield first, sendmmsg.ffi.errno
                first += 1

    def _new_messages(self, length: int) -> CData:
        """The messages for bursts of `length` packets."""
        messages = sendmmsg.ffi.new("struct mmsghdr[]", BATCH_SIZE)
        viewers = BATCH_SIZE // length
        for index in range(BATCH_SIZE):
            header = messages[index].msg_hdr
            header.msg_name = self._addresses + _ADDRESS_SIZE * index
            header.msg_namelen = self.name_size
            header.msg_iov = self._buffers.iovecs[index % viewers * length]
            header.msg_iovlen = length
            if length > 1:
                header.msg_control = self._control
                header.msg_controllen = len(sendmmsg.SEGMENT_MESSAGE)
        return messages


def _session(recipient: Recipient) -> CData:
    """The srtp_t of a viewer; alive as long as the recipient is."""
    return recipient.transmitter.session._srtp[0]
