"""Messages of several fan-outs for one call of the kernel.

Where each stream has few viewers, a call for each burst of each stream is most of what sending costs. So what is queued
in a wake-up is encrypted side by side, and leaves together.
"""

import errno
import socket
from collections.abc import Sequence
from itertools import chain, repeat
from struct import Struct
from typing import Any

from actors.media.io.sockets import UdpSocket
from actors.media.sending import sendmmsg
from actors.media.sending.packet_buffers import BUFFERS, PacketBuffers
from actors.media.sending.recipient_batch import RecipientBatch, protect
from actors.media.sending.sender import Losses

MOST_VIEWERS = 16
"""Of a batch; for more, copying a burst for all at once (`PacketBuffers`) is cheaper."""

_ROW = Struct("@PIPPPP")  # the fields of a struct msghdr up to msg_controllen
_MESSAGE = sendmmsg.ffi.sizeof("struct mmsghdr")
_CONTROL = len(sendmmsg.SEGMENT_MESSAGE)

CData = Any


class MixedMessages:
    """Up to 64 packets, encrypted, in messages of one or more; `submit` sends them."""

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._buffers = PacketBuffers()
        self._messages = sendmmsg.ffi.new("struct mmsghdr[]", BUFFERS)
        self._rows = memoryview(sendmmsg.ffi.buffer(self._messages)).cast("B")
        self._controls = sendmmsg.ffi.from_buffer(bytearray(sendmmsg.SEGMENT_MESSAGE * BUFFERS))
        sizes = memoryview(sendmmsg.ffi.buffer(self._controls)).cast("B").cast("H")
        self._segment_sizes = sizes[sendmmsg.SEGMENT_SIZE.start // 2 :: _CONTROL // 2]
        self._control_at = int(sendmmsg.ffi.cast("uintptr_t", self._controls))
        self._iovecs_at = [int(sendmmsg.ffi.cast("uintptr_t", iovec)) for iovec in self._buffers.iovecs]
        self._socket: UdpSocket | None = None
        self._used = 0
        self._contents: list[tuple[RecipientBatch, int, Sequence[bytes]]] = []

    def takes(self, batch: RecipientBatch, burst: Sequence[bytes]) -> bool:
        """Whether a burst for this batch is to be sent this way."""
        viewers = len(batch.recipients)
        return viewers <= MOST_VIEWERS and viewers * len(burst) <= BUFFERS

    def add(self, batch: RecipientBatch, burst: Sequence[bytes]) -> None:
        """Encrypt packets for each viewer of the batch. All have one size; the last may be shorter."""
        buffers, length, viewers = self._buffers, len(burst), len(batch.recipients)
        if batch.socket is not self._socket or self._used + viewers * length > BUFFERS:
            self.submit()
            self._socket = batch.socket
        first, place = self._used, self._used + viewers * length
        buffers.fill_burst(burst, viewers, first)
        sessions = chain.from_iterable(map(repeat, batch.sessions, repeat(length)))
        if sum(map(protect, sessions, buffers.packets[first:place], buffers.length_pointers[first:place])):
            self.submit()
            for packet in burst:  # again, byte for byte, but each by itself
                batch.send(packet)
            return
        self._used = place
        for index in range(viewers):
            self._write_message(batch, index, first + index * length, length)
            self._contents.append((batch, index, burst))

    def submit(self) -> None:
        """Send all. What the kernel refuses is counted, or sent packet by packet where only bursts are refused."""
        done, end, udp = 0, len(self._contents), self._socket
        while done < end and udp is not None:
            sent = sendmmsg.sendmmsg(udp.fileno(), self._messages + done, end - done, socket.MSG_DONTWAIT)
            if sent > 0:
                done += sent
            elif sendmmsg.ffi.errno == errno.EAGAIN:
                for batch, index, burst in self._contents[done:]:
                    for _ in burst:
                        self._losses.drop(batch.recipients[index])
                break
            else:
                self._refused(*self._contents[done], sendmmsg.ffi.errno)
                done += 1
        self._contents.clear()
        self._used = 0

    def _write_message(self, batch: RecipientBatch, index: int, place: int, length: int) -> None:
        number = len(self._contents)
        control = size = 0
        if length > 1:
            self._segment_sizes[number] = self._buffers.lengths[place]
            control, size = self._control_at + number * _CONTROL, _CONTROL
        name, name_size = batch.name(index)
        _ROW.pack_into(self._rows, number * _MESSAGE, name, name_size, self._iovecs_at[place], length, control, size)

    def _refused(self, batch: RecipientBatch, index: int, burst: Sequence[bytes], reason: int) -> None:
        """The kernel stops before a message that it cannot send."""
        if len(burst) == 1:
            self._losses.fail(batch.recipients[index])
            return
        if reason == errno.EIO:
            batch.give_up_bursts()
        for packet in burst:
            batch.send_to(index, packet)
