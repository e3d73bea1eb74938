"""Messages for other nodes, each of which gets many streams at one address.

What they get in a wake-up is encrypted side by side, and leaves in as few messages as can be: packets of one size are
one message, whichever stream they are of, and the kernel cuts it as late as it can (UDP_SEGMENT) - not at all where the
other node is on this machine, and reads them joined (`actors.media.io.joined_datagrams`).
"""

import errno
import socket
from collections.abc import Sequence
from itertools import repeat
from struct import Struct
from typing import Any, Final

from attrs import define, field

from actors.media.io.sockets import UdpSocket
from actors.media.sending import sendmmsg
from actors.media.sending.packet_buffers import BUFFERS, PacketBuffers
from actors.media.sending.recipient_batch import RecipientBatch, protect
from actors.media.sending.sender import Losses
from protocol.webrtc.stun import Address

MOST_OCTETS: Final = 65_000
"""Of a message: what a UDP datagram may have, less some spare. The kernel takes at least 64 packets in one."""

_ROW = Struct("@PIPPPP")  # the fields of a struct msghdr up to msg_controllen
_MESSAGE = sendmmsg.ffi.sizeof("struct mmsghdr")
_IOVEC = sendmmsg.ffi.sizeof("struct iovec")
_CONTROL = len(sendmmsg.SEGMENT_MESSAGE)

CData = Any
_Burst = tuple[RecipientBatch, int, Sequence[bytes], int]
"""Packets in a row for one recipient of a batch, and the buffer of the first, encrypted."""


@define(eq=False)
class _Message:
    """Packets for one address: all of one size but the last, which may be shorter. `number` is its place among all."""

    number: int
    size: int
    octets: int = 0
    count: int = 0
    bursts: list[_Burst] = field(factory=list)

    def append(self, burst: _Burst, octets: int) -> None:
        self.octets += octets
        self.count += len(burst[2])
        self.bursts.append(burst)


class JoinedMessages:
    """Up to 64 packets, encrypted, in messages of one or more; `submit` sends them.

    What goes to one recipient keeps its order. Streams may overtake each other.
    """

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._buffers = PacketBuffers()
        self._rows_in_c = sendmmsg.ffi.new("struct mmsghdr[]", BUFFERS)
        self._rows = memoryview(sendmmsg.ffi.buffer(self._rows_in_c)).cast("B")
        self._controls = sendmmsg.ffi.from_buffer(bytearray(sendmmsg.SEGMENT_MESSAGE * BUFFERS))
        sizes = memoryview(sendmmsg.ffi.buffer(self._controls)).cast("B").cast("H")
        self._segment_sizes = sizes[sendmmsg.SEGMENT_SIZE.start // 2 :: _CONTROL // 2]
        self._control_at = int(sendmmsg.ffi.cast("uintptr_t", self._controls))
        self._gathered = _Gathered(self._buffers.iovecs[0])
        self._socket: UdpSocket | None = None
        self._used = 0
        self._messages: list[_Message] = []
        self._open: dict[tuple[Address, int], _Message] = {}  # by the size of packets that may follow
        self._newest: dict[tuple[RecipientBatch, int], int] = {}  # message of each recipient, by its number

    def takes(self, batch: RecipientBatch, burst: Sequence[bytes]) -> bool:
        """Whether a burst for this batch is to be sent this way."""
        return True

    def add(self, batch: RecipientBatch, burst: Sequence[bytes]) -> None:
        """Encrypt packets for each recipient of the batch. All have one size; the last may be shorter."""
        for index in range(len(batch.recipients)):
            self._add(batch, index, burst)

    def submit(self) -> None:
        """Send all. What the kernel refuses is counted, or sent packet by packet where only bursts are refused."""
        messages, self._messages = self._messages, []
        self._open.clear()
        self._newest.clear()
        self._gathered.clear()
        self._used = 0
        self._send_all(messages)

    def _send_all(self, messages: list[_Message]) -> None:
        done, udp = 0, self._socket
        for message in messages:
            self._write(message)
        while done < len(messages) and udp is not None:
            sent = sendmmsg.sendmmsg(udp.fileno(), self._rows_in_c + done, len(messages) - done, socket.MSG_DONTWAIT)
            if sent > 0:
                done += sent
            elif sendmmsg.ffi.errno == errno.EAGAIN:
                for message in messages[done:]:
                    self._drop(message)
                break
            else:
                self._refused(messages[done], sendmmsg.ffi.errno)
                done += 1

    def _add(self, batch: RecipientBatch, index: int, burst: Sequence[bytes]) -> None:
        buffers, length = self._buffers, len(burst)
        if batch.socket is not self._socket or self._used + length > BUFFERS:
            self.submit()
            self._socket = batch.socket
        first, end = self._used, self._used + length
        buffers.fill_burst(burst, 1, first)
        packets, lengths = buffers.packets[first:end], buffers.length_pointers[first:end]
        if sum(map(protect, repeat(batch.sessions[index]), packets, lengths)):
            self.submit()
            for packet in burst:  # again, byte for byte, but each by itself
                batch.send_to(index, packet)
            return
        self._used = end
        self._join((batch, index, burst, first), buffers.lengths[first], buffers.lengths[end - 1])

    def _join(self, burst: _Burst, size: int, last: int) -> None:
        """Find the message for a burst: packets of this size, the last of which may be shorter."""
        batch, index, packets, _ = burst
        address, octets = batch.recipients[index].address, size * (len(packets) - 1) + last
        message = self._open.get((address, size))
        is_new = message is None or message.octets + octets > MOST_OCTETS or not self._buffers.longest_burst > 1
        if message is None or is_new or message.number < self._newest.get((batch, index), 0):
            message = _Message(len(self._messages), size)
            self._messages.append(message)
            self._open[address, size] = message
        message.append(burst, octets)
        self._newest[batch, index] = message.number
        if last != size:
            del self._open[address, size]

    def _write(self, message: _Message) -> None:
        """Fill in its struct."""
        number, count = message.number, message.count
        batch, index, _, _ = message.bursts[0]
        control = size = 0
        if count > 1:
            self._segment_sizes[number] = message.size
            control, size = self._control_at + number * _CONTROL, _CONTROL
        iovecs = self._gathered.gather(message.bursts)
        _ROW.pack_into(self._rows, number * _MESSAGE, batch.names[index], batch.name_size, iovecs, count, control, size)

    def _drop(self, message: _Message) -> None:
        """The kernel has no room."""
        for batch, index, packets, _ in message.bursts:
            for _ in packets:
                self._losses.drop(batch.recipients[index])

    def _refused(self, message: _Message, reason: int) -> None:
        """The kernel stops before a message that it cannot send."""
        if message.count == 1:
            batch, index, _, _ = message.bursts[0]
            self._losses.fail(batch.recipients[index])
            return
        if reason == errno.EIO:
            self._buffers.give_up_bursts()
        for batch, index, packets, _ in message.bursts:
            if reason == errno.EIO:
                batch.give_up_bursts()
            for packet in packets:
                batch.send_to(index, packet)


class _Gathered:
    """The iovecs of bursts that leave as one message: a copy, side by side. `first` is that of the first buffer."""

    def __init__(self, first: CData) -> None:
        self._source = memoryview(sendmmsg.ffi.buffer(first, BUFFERS * _IOVEC)).cast("B")
        self._iovecs = sendmmsg.ffi.new("struct iovec[]", BUFFERS)
        self._copies = memoryview(sendmmsg.ffi.buffer(self._iovecs)).cast("B")
        self._at = int(sendmmsg.ffi.cast("uintptr_t", self._iovecs))
        self._end = 0

    def clear(self) -> None:
        self._end = 0

    def gather(self, bursts: Sequence[_Burst]) -> int:
        """Where the iovecs of these bursts begin."""
        begin = end = self._end
        for _, _, packets, place in bursts:
            size = len(packets) * _IOVEC
            self._copies[end : end + size] = self._source[place * _IOVEC : place * _IOVEC + size]
            end += size
        self._end = end
        return self._at + begin
