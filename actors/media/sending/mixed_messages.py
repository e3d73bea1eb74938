"""Messages of several fan-outs for one call of the kernel.

Where each stream has few viewers, a call for each burst of each stream is most of what sending costs. So what is queued
in a wake-up is encrypted side by side, and leaves together.
"""

import errno
import socket
import sys
from collections.abc import Iterator, Sequence
from itertools import chain, islice, repeat
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


class _Controls(dict[int, int]):
    """Packet size -> where the control message lies by which the kernel cuts packets of that size; 0: no message."""

    def __init__(self) -> None:
        self[0] = 0
        self._owned: list[CData] = []

    def __missing__(self, size: int) -> int:
        message = bytearray(sendmmsg.SEGMENT_MESSAGE)
        message[sendmmsg.SEGMENT_SIZE] = size.to_bytes(2, sys.byteorder)
        self._owned.append(sendmmsg.ffi.from_buffer(message))
        self[size] = place = int(sendmmsg.ffi.cast("uintptr_t", self._owned[-1]))
        return place


class MixedMessages:
    """Up to 64 packets, encrypted, in messages of one or more; `submit` sends them."""

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._buffers = PacketBuffers()
        self._messages = sendmmsg.ffi.new("struct mmsghdr[]", BUFFERS)
        self._rows = memoryview(sendmmsg.ffi.buffer(self._messages)).cast("B")
        self._controls = _Controls()
        self._iovecs_at = [int(sendmmsg.ffi.cast("uintptr_t", iovec)) for iovec in self._buffers.iovecs]
        self._socket: UdpSocket | None = None
        self._used = self._count = 0
        self._contents: list[tuple[RecipientBatch, Sequence[bytes]]] = []

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
        first, end = self._used, self._used + viewers * length
        buffers.fill_burst(burst, viewers, first)
        sessions = chain.from_iterable(map(repeat, batch.sessions, repeat(length)))
        if sum(map(protect, sessions, buffers.packets[first:end], buffers.length_pointers[first:end])):
            self.submit()
            for packet in burst:  # again, byte for byte, but each by itself
                batch.send(packet)
            return
        self._write_messages(batch, first, length)
        self._contents.append((batch, burst))
        self._used, self._count = end, self._count + viewers

    def submit(self) -> None:
        """Send all. What the kernel refuses is counted, or sent packet by packet where only bursts are refused."""
        try:
            self._send_all()
        finally:
            self._contents.clear()
            self._used = self._count = 0

    def _send_all(self) -> None:
        done, end, udp = 0, self._count, self._socket
        while done < end and udp is not None:
            sent = sendmmsg.sendmmsg(udp.fileno(), self._messages + done, end - done, socket.MSG_DONTWAIT)
            if sent > 0:
                done += sent
            elif sendmmsg.ffi.errno == errno.EAGAIN:
                for batch, index, burst in self._messages_from(done):
                    for _ in burst:
                        self._losses.drop(batch.recipients[index])
                break
            else:
                reason = sendmmsg.ffi.errno
                self._refused(*next(self._messages_from(done)), reason)
                done += 1

    def _write_messages(self, batch: RecipientBatch, place: int, length: int) -> None:
        """A message for each viewer. Those of one burst all have the same control message, or none."""
        size = self._buffers.lengths[place] if length > 1 else 0
        control, iovecs_at, row = self._controls[size], self._iovecs_at, self._count * _MESSAGE
        for name in batch.names:
            _ROW.pack_into(
                self._rows, row, name, batch.name_size, iovecs_at[place], length, control, _CONTROL if control else 0
            )
            row, place = row + _MESSAGE, place + length

    def _messages_from(self, number: int) -> Iterator[tuple[RecipientBatch, int, Sequence[bytes]]]:
        """What is in the messages from this number on: batch, index of the viewer, burst."""
        every = ((batch, index, burst) for batch, burst in self._contents for index in range(len(batch.recipients)))
        return islice(every, number, None)

    def _refused(self, batch: RecipientBatch, index: int, burst: Sequence[bytes], reason: int) -> None:
        """The kernel stops before a message that it cannot send."""
        if len(burst) == 1:
            self._losses.fail(batch.recipients[index])
            return
        if reason == errno.EIO:
            batch.give_up_bursts()
        for packet in burst:
            batch.send_to(index, packet)
